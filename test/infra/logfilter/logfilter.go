// Package logfilter evaluates filters of the Logging query language on log entries, as far as
// this repository uses it: comparisons of fields, several values in parentheses, AND, OR, NOT.
// What it does not know is an error and not a guess.
//
// The rules are those of https://cloud.google.com/logging/docs/view/logging-query-language: NOT
// binds closest, then OR, then AND; strings are equal whatever their case, regular expressions
// are RE2 and find a part; a comparison with a field that is not there is false.
package logfilter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An Entry is a log entry as its JSON is.
type Entry = map[string]any

// A Filter tells entries apart.
type Filter struct {
	matches func(Entry) bool
	fields  []string
}

// Matches tells whether an entry is one of those that the filter is about.
func (f Filter) Matches(e Entry) bool { return f.matches(e) }

// Fields are those that the filter compares, as it names them.
func (f Filter) Fields() []string { return f.fields }

// Parse reads a filter.
func Parse(text string) (Filter, error) {
	tokens, err := split(text)
	if err != nil {
		return Filter{}, fmt.Errorf("filter %s: %w", text, err)
	}
	p := &parser{tokens: tokens}
	match, err := p.and()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %s", p.tokens[0])
	}
	if err != nil {
		return Filter{}, fmt.Errorf("filter %s: %w", text, err)
	}
	return Filter{match, p.fields}, nil
}

var token = regexp.MustCompile(`^(?:\(|\)|!=|>=|<=|=~|!~|[=<>:]|"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.*/%-]+)`)

func split(text string) (tokens []string, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		t := token.FindString(text)
		if t == "" {
			return nil, fmt.Errorf("cannot read %s", text)
		}
		tokens, text = append(tokens, t), text[len(t):]
	}
	return tokens, nil
}

type match = func(Entry) bool

type parser struct {
	tokens []string
	fields []string
}

func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) take() string {
	t := p.next()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// and is a conjunction; without AND between them two comparisons are one as well.
func (p *parser) and() (match, error) {
	all, err := p.or()
	for err == nil && p.next() != "" && p.next() != ")" {
		if p.next() == "AND" {
			p.take()
		}
		var right match
		left := all
		if right, err = p.or(); err == nil {
			all = func(e Entry) bool { return left(e) && right(e) }
		}
	}
	return all, err
}

func (p *parser) or() (match, error) {
	any, err := p.not()
	for err == nil && p.next() == "OR" {
		p.take()
		var right match
		left := any
		if right, err = p.not(); err == nil {
			any = func(e Entry) bool { return left(e) || right(e) }
		}
	}
	return any, err
}

func (p *parser) not() (match, error) {
	switch p.next() {
	case "NOT":
		p.take()
		m, err := p.not()
		return func(e Entry) bool { return !m(e) }, err
	case "(":
		p.take()
		m, err := p.and()
		if err == nil && p.take() != ")" {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return m, err
	}
	return p.comparison()
}

var operators = []string{"=", "!=", ">", ">=", "<", "<=", ":", "=~", "!~"}

func (p *parser) comparison() (match, error) {
	field, operator := p.take(), p.take()
	if field == "" || strings.HasPrefix(field, `"`) || !slices.Contains(operators, operator) {
		return nil, fmt.Errorf("%s %s: want a field and an operator", field, operator)
	}
	p.fields = append(p.fields, field)
	if p.next() != "(" {
		value, err := unquoted(p.take())
		if err != nil {
			return nil, err
		}
		return compare(field, operator, value)
	}
	var values []match
	for p.take(); ; {
		value, err := unquoted(p.take())
		if err != nil {
			return nil, err
		}
		m, err := compare(field, operator, value)
		if err != nil {
			return nil, err
		}
		values = append(values, m)
		switch p.take() {
		case "OR":
		case ")":
			return func(e Entry) bool { return slices.ContainsFunc(values, func(m match) bool { return m(e) }) }, nil
		default:
			return nil, fmt.Errorf("%s: want OR between values", field)
		}
	}
}

func unquoted(t string) (string, error) {
	if strings.HasPrefix(t, `"`) {
		return strconv.Unquote(t)
	}
	if t == "" || strings.ContainsAny(t, "()=<>!:") {
		return "", fmt.Errorf("want a value instead of %q", t)
	}
	return t, nil
}

func compare(field, operator, value string) (match, error) {
	path := strings.Split(field, ".")
	test, err := tester(operator, value)
	if err != nil {
		return nil, err
	}
	if field == "severity" {
		test = severityTester(operator, value)
	}
	return func(e Entry) bool {
		v, found := lookup(e, path)
		return found && test(v)
	}, nil
}

func lookup(e Entry, path []string) (any, bool) {
	var v any = e
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = object[name]; !ok {
			return nil, false
		}
	}
	return v, v != nil
}

func tester(operator, value string) (func(any) bool, error) {
	switch operator {
	case "=~", "!~":
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, err
		}
		return func(v any) bool { return re.MatchString(fmt.Sprint(v)) == (operator == "=~") }, nil
	case ":":
		if value == "*" {
			return func(any) bool { return true }, nil
		}
		return func(v any) bool { return strings.Contains(strings.ToLower(fmt.Sprint(v)), strings.ToLower(value)) }, nil
	}
	number, err := strconv.ParseFloat(value, 64)
	return func(v any) bool {
		if n, ok := v.(float64); ok && err == nil {
			return ordered(operator, n-number)
		}
		return ordered(operator, float64(strings.Compare(strings.ToLower(fmt.Sprint(v)), strings.ToLower(value))))
	}, nil
}

var severities = []string{"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

func severityTester(operator, value string) func(any) bool {
	return func(v any) bool {
		return ordered(operator, float64(slices.Index(severities, fmt.Sprint(v))-slices.Index(severities, value)))
	}
}

func ordered(operator string, difference float64) bool {
	switch operator {
	case "=":
		return difference == 0
	case "!=":
		return difference != 0
	case ">":
		return difference > 0
	case ">=":
		return difference >= 0
	case "<":
		return difference < 0
	}
	return difference <= 0
}

var extractor = regexp.MustCompile(`^(?:EXTRACT\(([a-zA-Z0-9_.]+)\)|REGEXP_EXTRACT\(([a-zA-Z0-9_.]+), ("(?:[^"\\]|\\.)*")\))$`)

// Extract evaluates an extractor of a log-based metric, EXTRACT(FIELD) or REGEXP_EXTRACT(FIELD,
// "REGEXP"). found is false where the entry has no such field, or nothing matches.
func Extract(expression string, e Entry) (value any, found bool, err error) {
	m := extractor.FindStringSubmatch(expression)
	if m == nil {
		return nil, false, fmt.Errorf("extractor %s: want EXTRACT(FIELD) or REGEXP_EXTRACT(FIELD, \"REGEXP\")", expression)
	}
	v, found := lookup(e, strings.Split(m[1]+m[2], "."))
	if m[3] == "" || !found {
		return v, found, nil
	}
	text, err := strconv.Unquote(m[3])
	if err != nil {
		return nil, false, err
	}
	re, err := regexp.Compile(text)
	if err != nil || re.NumSubexp() != 1 {
		return nil, false, fmt.Errorf("extractor %s: want one group: %v", expression, err)
	}
	part := re.FindStringSubmatch(fmt.Sprint(v))
	if part == nil {
		return nil, false, nil
	}
	return part[1], true, nil
}
