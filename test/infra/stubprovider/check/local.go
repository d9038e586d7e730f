package check

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// functions are those of Terraform's that a local may be made of here.
var functions = map[string]function.Function{"join": stdlib.JoinFunc}

// Local is the value, as JSON, of a local of a folder that is made of nothing but other locals.
func Local(dir, name string) ([]byte, error) {
	m, problems, err := load(dir)
	if err != nil || len(problems) > 0 {
		return nil, fmt.Errorf("%v %s", err, strings.Join(problems, "\n"))
	}
	all := map[string]hclsyntax.Expression{}
	for _, b := range m.blocks {
		if b.Type != "locals" {
			continue
		}
		for name, a := range b.Body.Attributes {
			all[name] = a.Expr
		}
	}
	v, err := evaluate(all, name, nil)
	if err != nil {
		return nil, err
	}
	return ctyjson.Marshal(v, v.Type())
}

func evaluate(all map[string]hclsyntax.Expression, name string, within []string) (cty.Value, error) {
	expression, found := all[name]
	if !found || len(within) > len(all) {
		return cty.NilVal, fmt.Errorf("local.%s, of %v: there is none, or it is made of itself", name, within)
	}
	locals := map[string]cty.Value{}
	for _, t := range expression.Variables() {
		steps := attributes(t)
		if steps[0] != "local" || len(steps) < 2 {
			return cty.NilVal, fmt.Errorf("local.%s is made of %s, which is no local", name, strings.Join(steps, "."))
		}
		v, err := evaluate(all, steps[1], append(within, name))
		if err != nil {
			return cty.NilVal, err
		}
		locals[steps[1]] = v
	}
	v, diagnostics := expression.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"local": cty.ObjectVal(locals)}, Functions: maps.Clone(functions),
	})
	if diagnostics.HasErrors() {
		return cty.NilVal, diagnostics
	}
	return v, nil
}
