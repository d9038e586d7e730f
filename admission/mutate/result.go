package mutate

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Result is what is answered about one object.
type Result struct {
	Patch    []Op
	Warnings []string
	Missed   Missed   // why a gate may be missing that should be there; empty: none is
	Services []string // whose keys are worth a look: names in the object's namespace
}

// Missed is a CamelCase reason why a Pod went by without its gate.
type Missed string

// LeaseStale: nothing that opens gates has renewed the Lease in time.
const LeaseStale Missed = "LeaseStale"

// An Op is one operation of a JSON Patch (RFC 6902). There is only add.
type Op struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// add returns the operation that adds value at path, whose parts are not escaped yet.
func add(value any, path ...string) Op {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings, numbers and maps of them always marshal
	}
	return Op{Op: "add", Path: Pointer(path...), Value: raw}
}

// Pointer is the JSON Pointer (RFC 6901) of those parts.
func Pointer(parts ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(escape.Replace(p))
	}
	return b.String()
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// maxWarning is what a kube-apiserver is sure to show of one warning
// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response).
const maxWarning = 256

// Warning is text as an API server hands it to whoever writes the object: one with a control
// character is dropped there.
func Warning(text string) string {
	text = "negfleet: " + strings.Map(printable, strings.ToValidUTF8(text, "�"))
	if len(text) <= maxWarning {
		return text
	}
	const more = "…"
	text = text[:maxWarning-len(more)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + more
}
