package fakegce

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A filter is written in one of two grammars, never both: regular expressions
// (`name eq web-.*`, `(name ne x) (zone eq .*-b)`) or AIP-160 (`name = "x" AND
// size > 3`).

func badFilter(filter string) *apiError {
	return errInvalid("filter", filter, "Invalid list filter expression.")
}

// parseFilter compiles a filter; the empty one, which matches everything, is nil.
func parseFilter(filter string) (func(doc) bool, *apiError) {
	if strings.TrimSpace(filter) == "" {
		return nil, nil
	}
	parse := parseAIP
	if regexpGrammar.MatchString(filter) {
		parse = parseRegexps
	}
	match, err := parse(filter)
	if err != nil {
		return nil, badFilter(filter)
	}
	return match, nil
}

var (
	regexpGrammar = regexp.MustCompile(`^[\s(]*[A-Za-z_][\w.\-/]*\s+(eq|ne)\s`)
	// otherGrammar is what joins restrictions there, unless a quote shields it.
	otherGrammar = regexp.MustCompile(`^[^"'].*\s(AND|OR)\s`)
	regexpTerm   = regexp.MustCompile(`(?s)^\s*([A-Za-z_][\w.\-/]*)\s+(eq|ne)\s+(.*?)\s*$`)
)

func parseRegexps(filter string) (func(doc) bool, error) {
	terms := []string{filter}
	if strings.HasPrefix(strings.TrimSpace(filter), "(") {
		var err error
		if terms, err = splitParens(filter); err != nil {
			return nil, err
		}
	}
	var all []func(doc) bool
	for _, term := range terms {
		match, err := parseRegexpTerm(term)
		if err != nil {
			return nil, err
		}
		all = append(all, match)
	}
	return and(all), nil
}

func parseRegexpTerm(term string) (func(doc) bool, error) {
	m := regexpTerm.FindStringSubmatch(term)
	if m == nil {
		return nil, fmt.Errorf("no field eq literal in %q", term)
	}
	literal := m[3]
	if otherGrammar.MatchString(literal) {
		return nil, fmt.Errorf("two grammars in %q", term)
	}
	if n := len(literal); n > 0 && (literal[0] == '"' || literal[0] == '\'') {
		quote := literal[:1]
		if n < 2 || !strings.HasSuffix(literal, quote) {
			return nil, fmt.Errorf("unbalanced quote in %q", term)
		}
		literal = strings.ReplaceAll(literal[1:n-1], `\`+quote, quote)
	}
	if _, err := regexp.Compile(literal); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(`^(?s:` + literal + `)$`)
	if err != nil {
		return nil, err
	}
	name, want := m[1], m[2] == "eq"
	return func(d doc) bool {
		value, ok := lookupField(d, name)
		return (ok && re.MatchString(text(value))) == want
	}, nil
}

// splitParens cuts "(a) (b)" into a and b; quotes shield parentheses.
func splitParens(s string) ([]string, error) {
	var parts []string
	depth, start, quote := 0, 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case quote != 0 && ch == '\\':
			i++
		case quote != 0 && ch == quote:
			quote = 0
		case quote != 0:
		case depth > 0 && (ch == '"' || ch == '\''):
			quote = ch
		case ch == '(':
			if depth++; depth == 1 {
				start = i + 1
			}
		case ch == ')':
			if depth--; depth == 0 {
				parts = append(parts, s[start:i])
			}
		case depth == 0 && ch != ' ':
			return nil, fmt.Errorf("unexpected %q outside parentheses", ch)
		}
		if depth < 0 {
			return nil, fmt.Errorf("unbalanced parenthesis")
		}
	}
	if depth != 0 || quote != 0 || len(parts) == 0 {
		return nil, fmt.Errorf("unbalanced expression")
	}
	return parts, nil
}

func and(all []func(doc) bool) func(doc) bool {
	return func(d doc) bool {
		for _, match := range all {
			if !match(d) {
				return false
			}
		}
		return true
	}
}

func or(all []func(doc) bool) func(doc) bool {
	return func(d doc) bool {
		for _, match := range all {
			if match(d) {
				return true
			}
		}
		return false
	}
}

// lookupField follows a dotted path, written in camelCase or snake_case. Below
// a map of the user's the rest of the path is one key.
func lookupField(d doc, path string) (any, bool) {
	head, rest, nested := strings.Cut(path, ".")
	value, ok := d[camel(head)]
	if !ok || !nested {
		return value, ok
	}
	if inner, plain := value.(map[string]string); plain {
		value, ok := inner[rest]
		return value, ok
	}
	inner, _ := object(value)
	if userMaps[camel(head)] {
		value, ok = inner[rest]
		return value, ok
	}
	return lookupField(inner, rest)
}

func camel(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

func text(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return fmt.Sprint(value)
}

// compare orders a field's value and a literal: as numbers or times where both
// are, else as text.
func compare(value any, literal string) int {
	s := text(value)
	a, errA := strconv.ParseFloat(s, 64)
	b, errB := strconv.ParseFloat(literal, 64)
	if errA == nil && errB == nil {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	t, errT := time.Parse(time.RFC3339, s)
	u, errU := time.Parse(time.RFC3339, literal)
	if errT == nil && errU == nil {
		return t.Compare(u)
	}
	return strings.Compare(s, literal)
}
