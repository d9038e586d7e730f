package neg

import (
	"errors"
	"fmt"
)

// An Outcome is how a piece of work ended, and so what becomes of its message.
type Outcome int

const (
	// Done: the world is as desired. The message is acknowledged.
	Done Outcome = iota
	// Again: a transient failure. The message is not acknowledged and comes back.
	Again
	// Blocked: a person or another system must act first. The message is acknowledged,
	// since retrying would slow everyone else; the sweep comes back to it within the hour.
	Blocked
)

func (o Outcome) String() string { return [...]string{"done", "again", "blocked"}[o] }

// A BlockedError needs a person or another system before the same work can succeed.
type BlockedError struct {
	Reason string // CamelCase, becomes the reason of a Kubernetes Event
	Err    error
}

func (e *BlockedError) Error() string { return e.Err.Error() }
func (e *BlockedError) Unwrap() error { return e.Err }

// Block returns an error of outcome Blocked.
func Block(reason, format string, args ...any) error {
	return &BlockedError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// OutcomeOf classes err. A joined error that holds anything transient is Again: the
// retry will meet the blocked part once more, and report it then.
func OutcomeOf(err error) Outcome {
	switch e := err.(type) {
	case nil:
		return Done
	case *BlockedError:
		return Blocked
	case interface{ Unwrap() []error }:
		worst := Done
		for _, each := range e.Unwrap() {
			if o := OutcomeOf(each); o == Again || worst == Done {
				worst = o
			}
		}
		return worst
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return OutcomeOf(inner)
		}
	}
	return Again
}

// BlockedReasons lists the blocked errors inside err, in order.
func BlockedReasons(err error) []*BlockedError {
	switch e := err.(type) {
	case nil:
		return nil
	case *BlockedError:
		return []*BlockedError{e}
	case interface{ Unwrap() []error }:
		var all []*BlockedError
		for _, each := range e.Unwrap() {
			all = append(all, BlockedReasons(each)...)
		}
		return all
	}
	return BlockedReasons(errors.Unwrap(err))
}
