package provider

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

var types = map[string]tftypes.Type{
	"string":  tftypes.String,
	"number":  tftypes.Number,
	"bool":    tftypes.Bool,
	"map":     tftypes.Map{ElementType: tftypes.String},
	"strings": tftypes.List{ElementType: tftypes.String},
	"numbers": tftypes.List{ElementType: tftypes.Number},
	"set":     tftypes.Set{ElementType: tftypes.String},
}

// wire is a block as the protocol has it.
func wire(b *schema.Block) *tfprotov6.SchemaBlock {
	out := &tfprotov6.SchemaBlock{}
	for _, a := range b.Attributes {
		out.Attributes = append(out.Attributes, &tfprotov6.SchemaAttribute{
			Name: a.Name, Type: types[a.Type], Required: a.Required, Optional: a.Optional, Computed: a.Computed, WriteOnly: a.Written,
		})
	}
	for _, n := range b.Blocks {
		nesting := tfprotov6.SchemaNestedBlockNestingModeList
		if n.Set {
			nesting = tfprotov6.SchemaNestedBlockNestingModeSet
		}
		out.BlockTypes = append(out.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: n.Name, Nesting: nesting, MinItems: int64(n.Min), MaxItems: int64(n.Max), Block: wire(n.Block),
		})
	}
	return out
}

func wires(all map[string]*schema.Block) map[string]*tfprotov6.Schema {
	out := map[string]*tfprotov6.Schema{}
	for name, b := range all {
		out[name] = &tfprotov6.Schema{Block: wire(b)}
	}
	return out
}

// typeOf is the type of a whole block.
func typeOf(b *schema.Block) tftypes.Type { return wireType(wire(b)) }

func wireType(b *tfprotov6.SchemaBlock) tftypes.Type { return b.ValueType() }

// attributeAt is the argument at a path, or nil where that is a block or an element.
func attributeAt(b *schema.Block, path *tftypes.AttributePath) *schema.Attribute {
	steps := path.Steps()
	for i, step := range steps {
		name, ok := step.(tftypes.AttributeName)
		if !ok {
			continue
		}
		if n := b.Nested(string(name)); n != nil {
			b = n.Block
			continue
		}
		if i == len(steps)-1 {
			return b.Attribute(string(name))
		}
		return nil
	}
	return nil
}
