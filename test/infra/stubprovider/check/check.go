// Package check says what is wrong with a folder of Terraform as far as reading tells: arguments
// that no resource has, arguments and blocks that are missing, references that lead nowhere,
// modules that are called with what they do not take, and what is declared and never used. It is
// for machines without Terraform, and for what Terraform does not mind: variables and outputs
// without a description.
//
// It evaluates nothing.
package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

// Dir returns the problems of a folder, each with file and line.
func Dir(dir string, providers map[string]*schema.Provider) ([]string, error) {
	m, problems, err := load(dir)
	if err != nil || len(problems) > 0 {
		return problems, err
	}
	c := &checker{module: m, providers: providers, used: map[string]bool{}}
	for _, b := range m.blocks {
		c.block(b)
	}
	c.unused()
	slices.Sort(c.problems)
	return c.problems, nil
}

// A module is what a folder declares.
type module struct {
	dir      string
	blocks   []*hclsyntax.Block
	declared map[string]*hclsyntax.Block // by how it is referred to: var.x, local.x, TYPE.NAME, data.TYPE.NAME, ...
}

func load(dir string) (*module, []string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, []string{dir + ": there is no *.tf"}, nil
	}
	m := &module{dir: dir, declared: map[string]*hclsyntax.Block{}}
	var problems []string
	parser := hclparse.NewParser()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		parsed, diagnostics := parser.ParseHCL(text, file)
		for _, d := range diagnostics {
			problems = append(problems, d.Error())
		}
		if diagnostics.HasErrors() {
			continue
		}
		for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
			m.blocks = append(m.blocks, b)
			for _, name := range names(b) {
				if m.declared[name] != nil {
					problems = append(problems, place(b.DefRange())+name+" is declared twice")
				}
				m.declared[name] = b
			}
		}
	}
	return m, problems, nil
}

// names are what a block declares, as it is referred to.
func names(b *hclsyntax.Block) []string {
	labels := strings.Join(b.Labels, ".")
	switch b.Type {
	case "variable":
		return []string{"var." + labels}
	case "resource":
		return []string{labels}
	case "data", "ephemeral", "module", "output":
		return []string{b.Type + "." + labels}
	case "locals":
		var all []string
		for name := range b.Body.Attributes {
			all = append(all, "local."+name)
		}
		return all
	}
	return nil
}

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d: ", r.Filename, r.Start.Line) }

type checker struct {
	module    *module
	providers map[string]*schema.Provider
	used      map[string]bool
	problems  []string
}

func (c *checker) problem(at hcl.Range, format string, args ...any) {
	c.problems = append(c.problems, place(at)+fmt.Sprintf(format, args...))
}

func (c *checker) block(b *hclsyntax.Block) {
	c.references(b.Body)
	switch b.Type {
	case "variable":
		c.described(b, "type", "description")
	case "output":
		c.described(b, "value", "description")
	case "resource", "data", "ephemeral":
		if b.Type == "resource" && b.Labels[0] == "terraform_data" {
			return // Terraform's own
		}
		if known := c.known(b.Type, b.Labels[0]); known != nil {
			c.body(b.Type+" "+strings.Join(b.Labels, "."), b.Body, known, b.DefRange(), true)
		} else {
			c.problem(b.DefRange(), "%s %s is not in test/infra/stubprovider/schema: add it there, with its source", b.Type, b.Labels[0])
		}
	case "module":
		c.call(b)
	case "locals", "terraform", "provider":
	default:
		c.problem(b.DefRange(), "%s: unknown kind of block", b.Type)
	}
}

func (c *checker) described(b *hclsyntax.Block, wanted ...string) {
	for _, name := range wanted {
		if b.Body.Attributes[name] == nil {
			c.problem(b.DefRange(), "%s %s has no %s", b.Type, b.Labels[0], name)
		}
	}
}

// known is what is known of a type, nil if nothing is.
func (c *checker) known(kind, name string) *schema.Block {
	provider, _, _ := strings.Cut(name, "_")
	p := c.providers[provider]
	if p == nil {
		return nil
	}
	return map[string]map[string]*schema.Block{"resource": p.Resources, "data": p.Data, "ephemeral": p.Ephemeral}[kind][name]
}

// Arguments and blocks that every resource has.
var (
	metaArguments = []string{"for_each", "count", "depends_on", "provider"}
	metaBlocks    = []string{"lifecycle", "provisioner", "connection"}
)

// body holds a body to what is known of it.
func (c *checker) body(what string, body *hclsyntax.Body, known *schema.Block, at hcl.Range, top bool) {
	for name, a := range body.Attributes {
		if top && slices.Contains(metaArguments, name) {
			continue
		}
		k := known.Attribute(name)
		switch {
		case k == nil:
			c.problem(a.NameRange, "%s has no argument %s", what, name)
		case !k.Required && !k.Optional:
			c.problem(a.NameRange, "%s: %s comes from the API and cannot be given", what, name)
		default:
			c.literal(what, k, a)
		}
	}
	for _, k := range known.Attributes {
		if k.Required && body.Attributes[k.Name] == nil {
			c.problem(at, "%s: %s is missing", what, k.Name)
		}
	}
	c.nested(what, body, known, at, top)
}

// literal holds a value that stands there as it is to what the provider takes.
func (c *checker) literal(what string, k *schema.Attribute, a *hclsyntax.Attribute) {
	v, diagnostics := a.Expr.Value(nil)
	if diagnostics.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type().FriendlyName() != "string" {
		return
	}
	if problem := k.Refuses(v.AsString()); problem != "" && k.Type == "string" {
		c.problem(a.NameRange, "%s: %s", what, problem)
	}
}

func (c *checker) nested(what string, body *hclsyntax.Body, known *schema.Block, at hcl.Range, top bool) {
	count, dynamic := map[string]int{}, map[string]bool{}
	for _, b := range body.Blocks {
		if top && slices.Contains(metaBlocks, b.Type) {
			continue
		}
		name, inner := b.Type, b.Body
		if b.Type == "dynamic" {
			name = b.Labels[0]
			dynamic[name] = true
			if inner = content(b); inner == nil {
				c.problem(b.DefRange(), "%s: dynamic %s has no content", what, name)
				continue
			}
		}
		count[name]++
		if n := known.Nested(name); n != nil {
			c.body(what+" "+name, inner, n.Block, b.DefRange(), false)
		} else {
			c.problem(b.DefRange(), "%s has no block %s", what, name)
		}
	}
	for _, n := range known.Blocks {
		switch {
		case count[n.Name] < n.Min:
			c.problem(at, "%s: block %s is missing", what, n.Name)
		case n.Max > 0 && count[n.Name] > n.Max && !dynamic[n.Name]:
			c.problem(at, "%s: %d blocks %s, at most %d", what, count[n.Name], n.Name, n.Max)
		}
	}
}

func content(b *hclsyntax.Block) *hclsyntax.Body {
	for _, inner := range b.Body.Blocks {
		if inner.Type == "content" {
			return inner.Body
		}
	}
	return nil
}

// call holds a module's arguments to the variables of the folder that it names.
func (c *checker) call(b *hclsyntax.Block) {
	called := c.called(b)
	if called == nil {
		return
	}
	for name, a := range b.Body.Attributes {
		if name != "source" && name != "version" && name != "providers" && !slices.Contains(metaArguments, name) && called.declared["var."+name] == nil {
			c.problem(a.NameRange, "module %s has no variable %s", b.Labels[0], name)
		}
	}
	for name, v := range called.declared {
		variable, found := strings.CutPrefix(name, "var.")
		if found && v.Body.Attributes["default"] == nil && b.Body.Attributes[variable] == nil {
			c.problem(b.DefRange(), "module %s: %s is missing", b.Labels[0], variable)
		}
	}
}

// called is the module that a block calls; nil where it is not a folder here.
func (c *checker) called(b *hclsyntax.Block) *module {
	source := b.Body.Attributes["source"]
	if source == nil {
		c.problem(b.DefRange(), "module %s has no source", b.Labels[0])
		return nil
	}
	v, diagnostics := source.Expr.Value(nil)
	if diagnostics.HasErrors() || !strings.HasPrefix(v.AsString(), ".") {
		return nil
	}
	m, problems, err := load(filepath.Join(c.module.dir, v.AsString()))
	if err != nil || len(problems) > 0 {
		c.problem(source.NameRange, "module %s: %v %s", b.Labels[0], err, strings.Join(problems, "; "))
		return nil
	}
	return m
}

// unused are variables and locals that nothing refers to.
func (c *checker) unused() {
	for name, b := range c.module.declared {
		if (strings.HasPrefix(name, "var.") || strings.HasPrefix(name, "local.")) && !c.used[name] {
			c.problem(b.DefRange(), "%s is used nowhere", name)
		}
	}
}
