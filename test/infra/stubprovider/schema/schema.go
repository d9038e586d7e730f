// Package schema is what is known of the Terraform providers that infra/ uses: which arguments
// their resources have, which of them must be given, and what comes from the API. It is read from
// one text file for each provider, where every resource names the source that was read.
//
// It knows arguments, not the cloud: that a value is one the API takes is for the API to say.
package schema

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed *.txt
var files embed.FS

// A Provider is what one provider offers, each by type.
type Provider struct {
	Name      string
	Config    *Block
	Resources map[string]*Block
	Data      map[string]*Block
	Ephemeral map[string]*Block
}

// A Block is the body of a resource or of a block in it.
type Block struct {
	Attributes []*Attribute
	Blocks     []*Nested
}

// An Attribute is one argument, or one value that the API answers with.
type Attribute struct {
	Name, Type                   string // Type: string, number, bool, map, strings, numbers, set
	Required, Optional, Computed bool
	Replaces, Written, Volatile  bool
	In                           []string
	Like                         *regexp.Regexp
	Value                        string // what the stand-in computes, with {NAME} for other arguments
}

// A Nested is a block in a block. Max is 0 where there is no end.
type Nested struct {
	Name     string
	Min, Max int
	Set      bool
	*Block
}

// Attribute is the one of a name, or nil.
func (b *Block) Attribute(name string) *Attribute {
	for _, a := range b.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Nested is the block of a name, or nil.
func (b *Block) Nested(name string) *Nested {
	for _, n := range b.Blocks {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Providers are all that there are, by name.
func Providers() (map[string]*Provider, error) {
	all := map[string]*Provider{}
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		p, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		p.Name = strings.TrimSuffix(path.Base(e.Name()), ".txt")
		all[p.Name] = p
	}
	return all, nil
}

func parse(text string) (*Provider, error) {
	p := &Provider{Config: &Block{}, Resources: map[string]*Block{}, Data: map[string]*Block{}, Ephemeral: map[string]*Block{}}
	var open []*Block // by depth
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if depth > len(open) {
			return nil, fmt.Errorf("line %d: indented too far", i+1)
		}
		open = open[:depth]
		block, err := p.line(open, strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if block != nil {
			open = append(open, block)
		}
	}
	return p, nil
}

// line adds what a line says, and returns the block that it opens.
func (p *Provider) line(open []*Block, line string) (*Block, error) {
	if len(open) == 0 {
		return p.kind(strings.Fields(line))
	}
	parent := open[len(open)-1]
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil, fmt.Errorf("%s: want a name and a type", line)
	}
	if bounds, ok := strings.CutPrefix(words[1], "block("); ok {
		n, err := nested(words[0], strings.TrimSuffix(bounds, ")"), words[2:])
		if err == nil {
			parent.Blocks = append(parent.Blocks, n)
			return n.Block, nil
		}
		return nil, err
	}
	a, err := attribute(line)
	parent.Attributes = append(parent.Attributes, a)
	return nil, err
}

func (p *Provider) kind(words []string) (*Block, error) {
	b := &Block{}
	switch {
	case words[0] == "provider" && len(words) == 2:
		p.Config = b
	case words[0] == "resource" && len(words) == 3:
		p.Resources[words[1]] = b
	case words[0] == "data" && len(words) == 3:
		p.Data[words[1]] = b
	case words[0] == "ephemeral" && len(words) == 3:
		p.Ephemeral[words[1]] = b
	default:
		return nil, fmt.Errorf("%v: want provider NAME, or resource, data or ephemeral TYPE SOURCE", words)
	}
	return b, nil
}

func nested(name, bounds string, flags []string) (*Nested, error) {
	from, to, ok := strings.Cut(bounds, "..")
	n := &Nested{Name: name, Block: &Block{}, Set: len(flags) == 1 && flags[0] == "set"}
	var err error
	if n.Min, err = strconv.Atoi(from); err != nil || !ok {
		return nil, fmt.Errorf("%s: want block(MIN..MAX)", name)
	}
	if to != "" {
		n.Max, err = strconv.Atoi(to)
	}
	return n, err
}

func attribute(line string) (*Attribute, error) {
	line, value, _ := strings.Cut(line, " = ")
	words := strings.Fields(line)
	a := &Attribute{Name: words[0], Type: words[1], Value: value}
	for _, word := range words[2:] {
		name, argument, _ := strings.Cut(word, "=")
		switch name {
		case "required":
			a.Required = true
		case "optional":
			a.Optional = true
		case "computed":
			a.Computed = true
		case "replaces":
			a.Replaces = true
		case "written":
			a.Written = true
		case "volatile":
			a.Volatile = true
		case "in":
			a.In = strings.Split(argument, ",")
		case "like":
			like, err := regexp.Compile(argument)
			if err != nil {
				return nil, err
			}
			a.Like = like
		default:
			return nil, fmt.Errorf("%s: unknown word %s", a.Name, word)
		}
	}
	if a.Required == (a.Optional || a.Computed) {
		return nil, fmt.Errorf("%s: want either required, or optional, computed or both", a.Name)
	}
	return a, nil
}

// Refuses says what is wrong with a value, or nothing.
func (a *Attribute) Refuses(value string) string {
	if a.Like != nil && !a.Like.MatchString(value) {
		return fmt.Sprintf("%s = %q: want it like %s", a.Name, value, a.Like)
	}
	for _, each := range a.In {
		if value == each {
			return ""
		}
	}
	if len(a.In) > 0 {
		return fmt.Sprintf("%s = %q: want one of %s", a.Name, value, strings.Join(a.In, ", "))
	}
	return ""
}
