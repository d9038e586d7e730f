package fakegce

import (
	"errors"
	"io"
)

// maxNesting is how deep objects and arrays of a request may lie in each other,
// as in the service. What is kept can then be written into a file and read.
const maxNesting = 100

var errNesting = errors.New("nested too deep")

// nesting reads JSON from r up to where it nests deeper than maxNesting.
type nesting struct {
	r      io.Reader
	depth  int
	quoted bool
	escape bool
}

func (n *nesting) Read(p []byte) (int, error) {
	size, err := n.r.Read(p)
	for _, ch := range p[:size] {
		switch {
		case n.escape:
			n.escape = false
		case n.quoted:
			n.escape, n.quoted = ch == '\\', ch != '"'
		case ch == '"':
			n.quoted = true
		case ch == '{' || ch == '[':
			n.depth++
		case ch == '}' || ch == ']':
			n.depth--
		}
		if n.depth > maxNesting {
			return 0, errNesting
		}
	}
	return size, err
}
