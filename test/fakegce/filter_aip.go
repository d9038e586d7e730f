package fakegce

import (
	"fmt"
	"regexp"
	"strings"
)

// aipParser is a recursive descent over the tokens of an AIP-160 filter. OR
// binds tighter than AND, and two terms side by side are an AND.
type aipParser struct {
	tokens []string
	depth  int
}

// maxDepth bounds parentheses, so that no filter exhausts the stack.
const maxDepth = 50

var aipToken = regexp.MustCompile(`(?s)^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|!=|<=|>=|[=<>:()]|[^\s=<>:()!"']+)`)

func parseAIP(filter string) (func(doc) bool, error) {
	var p aipParser
	for rest := strings.TrimSpace(filter); rest != ""; rest = strings.TrimSpace(rest) {
		token := aipToken.FindString(rest)
		if token == "" {
			return nil, fmt.Errorf("unexpected text %q", rest)
		}
		p.tokens = append(p.tokens, token)
		rest = rest[len(token):]
	}
	match, err := p.expression()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	return match, err
}

func (p *aipParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *aipParser) accept(token string) bool {
	if p.peek() != token {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *aipParser) next() string {
	token := p.peek()
	if token != "" {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *aipParser) expression() (func(doc) bool, error) {
	var all []func(doc) bool
	for {
		match, err := p.factor()
		if err != nil {
			return nil, err
		}
		all = append(all, match)
		if p.accept("AND") {
			continue
		}
		if t := p.peek(); t == "" || t == ")" {
			return and(all), nil
		}
	}
}

func (p *aipParser) factor() (func(doc) bool, error) {
	var any []func(doc) bool
	for {
		match, err := p.term()
		if err != nil {
			return nil, err
		}
		any = append(any, match)
		if !p.accept("OR") {
			return or(any), nil
		}
	}
}

func (p *aipParser) term() (func(doc) bool, error) {
	if p.accept("NOT") || p.accept("-") {
		match, err := p.simple()
		if err != nil {
			return nil, err
		}
		return func(d doc) bool { return !match(d) }, nil
	}
	return p.simple()
}

func (p *aipParser) simple() (func(doc) bool, error) {
	if !p.accept("(") {
		return p.restriction()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("too deep")
	}
	match, err := p.expression()
	p.depth--
	if err == nil && !p.accept(")") {
		err = fmt.Errorf("missing parenthesis")
	}
	return match, err
}

var fieldName = regexp.MustCompile(`^-?[A-Za-z_][\w.\-/]*$`)

func (p *aipParser) restriction() (func(doc) bool, error) {
	name, op, literal := p.next(), p.next(), p.next()
	if !fieldName.MatchString(name) || literal == "" || strings.ContainsAny(literal[:1], "=<>:()!") {
		return nil, fmt.Errorf("no restriction: %s %s %s", name, op, literal)
	}
	negated := strings.HasPrefix(name, "-")
	name = strings.TrimPrefix(name, "-")
	test, err := comparison(op, literal)
	if err != nil {
		return nil, err
	}
	return func(d doc) bool {
		value, ok := lookupField(d, name)
		return test(value, ok) != negated
	}, nil
}

func comparison(op, literal string) (func(value any, ok bool) bool, error) {
	quoted := literal[0] == '"' || literal[0] == '\''
	if quoted {
		literal = unquote(literal)
	}
	switch op {
	case "=":
		return func(v any, ok bool) bool { return ok && equal(v, literal, quoted) }, nil
	case "!=":
		return func(v any, ok bool) bool { return !ok || !equal(v, literal, quoted) }, nil
	case ":":
		if literal == "*" && !quoted {
			return func(_ any, ok bool) bool { return ok }, nil
		}
		part := strings.ToLower(strings.Trim(literal, "*"))
		return func(v any, ok bool) bool { return ok && strings.Contains(strings.ToLower(text(v)), part) }, nil
	}
	holds, ok := map[string]func(int) bool{
		"<":  func(c int) bool { return c < 0 },
		"<=": func(c int) bool { return c <= 0 },
		">":  func(c int) bool { return c > 0 },
		">=": func(c int) bool { return c >= 0 },
	}[op]
	if !ok {
		return nil, fmt.Errorf("no operator %q", op)
	}
	return func(v any, ok bool) bool { return ok && holds(compare(v, literal)) }, nil
}

func unquote(s string) string {
	quote := s[:1]
	s = strings.ReplaceAll(s[1:len(s)-1], `\`+quote, quote)
	return strings.ReplaceAll(s, `\\`, `\`)
}

// equal compares as numbers or text; a star at an end of an unquoted or quoted
// literal stands for anything.
func equal(value any, literal string, quoted bool) bool {
	s := text(value)
	prefix, suffix := strings.HasSuffix(literal, "*"), strings.HasPrefix(literal, "*")
	core := strings.Trim(literal, "*")
	switch {
	case prefix && suffix:
		return strings.Contains(s, core)
	case prefix:
		return strings.HasPrefix(s, core)
	case suffix:
		return strings.HasSuffix(s, core)
	}
	return s == literal || !quoted && compare(value, literal) == 0
}
