package main

import (
	"fmt"
	"io"
	"os"
)

// progress is a line on a terminal that is written over.
type progress struct{ out io.Writer }

// newProgress shows nothing where nobody watches.
func newProgress(errs io.Writer) progress {
	if f, ok := errs.(*os.File); ok && terminal(f) {
		return progress{f}
	}
	return progress{io.Discard}
}

func (p progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
}

func (p progress) end() { fmt.Fprint(p.out, "\r\x1b[K") }

// terminal tells whether a person watches.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
