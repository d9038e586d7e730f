package check

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

// given are the names that are there without being declared.
var given = []string{"each", "count", "self", "path", "terraform"}

// What these arguments say are words and no references.
var words = []string{"ignore_changes", "type", "providers", "when", "on_failure"}

// references holds every reference of a body to what is declared.
func (c *checker) references(body *hclsyntax.Body) {
	c.within(body, nil)
}

// within knows the iterators of the dynamic blocks around a body.
func (c *checker) within(body *hclsyntax.Body, iterators []string) {
	for name, a := range body.Attributes {
		if slices.Contains(words, name) {
			continue
		}
		for _, traversal := range a.Expr.Variables() {
			c.reference(traversal, iterators)
		}
	}
	for _, b := range body.Blocks {
		inner := iterators
		if b.Type == "dynamic" {
			inner = append(slices.Clone(iterators), b.Labels[0])
		}
		c.within(b.Body, inner)
	}
}

func (c *checker) reference(t hcl.Traversal, iterators []string) {
	steps := attributes(t)
	if slices.Contains(given, steps[0]) || slices.Contains(iterators, steps[0]) {
		return
	}
	length := map[string]int{"data": 3, "ephemeral": 3}[steps[0]]
	length = max(length, 2)
	if len(steps) < length {
		c.problem(t.SourceRange(), "%s is no reference", strings.Join(steps, "."))
		return
	}
	name := strings.Join(steps[:length], ".")
	declared := c.module.declared[name]
	if declared == nil {
		c.problem(t.SourceRange(), "%s is declared nowhere", name)
		return
	}
	// In a variable's own validation it is the variable.
	c.used[name] = true
	if len(steps) > length {
		c.attribute(t, declared, name, steps[length])
	}
}

// attribute holds what is asked of a resource or a module to what it has.
func (c *checker) attribute(t hcl.Traversal, declared *hclsyntax.Block, name, attribute string) {
	switch declared.Type {
	case "module":
		if m := c.called(declared); m != nil && m.declared["output."+attribute] == nil {
			c.problem(t.SourceRange(), "%s has no output %s", name, attribute)
		}
	case "resource", "data", "ephemeral":
		if known := c.known(declared.Type, declared.Labels[0]); known != nil && !has(known, attribute) {
			c.problem(t.SourceRange(), "%s has no %s", name, attribute)
		}
	}
}

func has(b *schema.Block, name string) bool { return b.Attribute(name) != nil || b.Nested(name) != nil }

// attributes are the names of a reference, without indexes.
func attributes(t hcl.Traversal) (names []string) {
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, step.Name)
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		}
	}
	return names
}
