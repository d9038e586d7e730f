package gce

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"slices"

	"github.com/negfleet/negfleet/shared/neg"
)

// namedInARow is how often the rest of a part is sent without what the last refusal named,
// before the part falls to halves.
const namedInARow = 8

// maxCalls bounds the attach calls that n endpoints may cost: 144 for a batch of 500. Up
// to seven bad endpoints anywhere in it are found exactly though no message names them, and
// ninety that messages name. A half keeps at least one call however hopeless the half
// before it is, so bad endpoints that lie together, as those of one instance do, cost few
// elsewhere: a hundred that nothing names cost twelve.
func maxCalls(n int) int { return 16 * bits.Len(uint(n)) }

// isolate sends endpoints, and where the API refuses them as invalid finds those that it
// means: the ones its messages name, else by halves. What is left when the calls are used
// up is rejected with the others, and tried again by the next look. attached lists what
// the group holds; it is asked at most once, when names do not lead anywhere: another
// instance that attached the same endpoints a moment ago is the likely reason.
func isolate(endpoints []neg.Endpoint, send func([]neg.Endpoint) error, attached func() []neg.Endpoint) ([]neg.Rejected, error) {
	i := &isolation{send: send, attached: attached}
	_, err := i.find(endpoints, maxCalls(len(endpoints)))
	return i.rejected, err
}

type isolation struct {
	send     func([]neg.Endpoint) error
	attached func() []neg.Endpoint
	rejected []neg.Rejected
	last     error // the newest refusal
}

// find attaches what it can of part with at most that many calls, and returns how many it
// made.
func (i *isolation) find(part []neg.Endpoint, calls int) (used int, err error) {
	calls = min(calls, maxCalls(len(part)))
	for row := 0; row < namedInARow; row++ {
		if len(part) == 0 {
			return used, nil
		}
		if used == calls {
			i.reject(part, fmt.Sprintf("not tried alone, too many of its batch were refused; the last: %v", i.last))
			return used, nil
		}
		used++
		if err := i.send(part); !refuses(err) {
			return used, err
		} else {
			i.last = err
		}
		if len(part) == 1 {
			i.reject(part, i.last.Error())
			return used, nil
		}
		named, rest := split(part, i.last.Error())
		if len(named) == 0 {
			break
		}
		i.reject(named, i.last.Error())
		part = rest
	}
	part = i.missing(part)
	half := len(part) / 2
	n, err := i.find(part[:half], max(calls-used-1, 0)) // one call is kept: the other half may be fine
	used += n
	if err != nil {
		return used, err
	}
	n, err = i.find(part[half:], calls-used)
	return used + n, err
}

func (i *isolation) reject(part []neg.Endpoint, why string) {
	for _, e := range part {
		i.rejected = append(i.rejected, neg.Rejected{Endpoint: e, Why: why})
	}
}

// missing leaves out what is attached by now.
func (i *isolation) missing(part []neg.Endpoint) []neg.Endpoint {
	if i.attached == nil {
		return part
	}
	there := i.attached()
	i.attached = nil
	return slices.DeleteFunc(slices.Clone(part), func(e neg.Endpoint) bool { return slices.Contains(there, e) })
}

// refuses tells whether err is about an endpoint: the call was invalid, or an instance went
// between its acceptance and its operation.
func refuses(err error) bool {
	var op *operationError
	k := kindOf(err)
	return k == invalid || k == missing && errors.As(err, &op)
}

var quoted = regexp.MustCompile(`'([^']+)'`)

// split parts the endpoints that an error text names in quotes from the others. The
// narrowest name counts: a text that names an address and an instance is about the
// address. The text only makes it faster: what it does not name, or names in a way that
// fits two instances, is found by halves.
func split(endpoints []neg.Endpoint, text string) (named, rest []neg.Endpoint) {
	values := map[string]bool{}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		values[m[1]] = true
		values[shortName(m[1])] = true
	}
	for _, name := range []func(neg.Endpoint) string{
		func(e neg.Endpoint) string { return e.Addr.String() },
		func(e neg.Endpoint) string { return e.Addr.Addr().String() },
		func(e neg.Endpoint) string { return e.Instance },
	} {
		is := func(e neg.Endpoint) bool { return values[name(e)] }
		if named = keep(endpoints, is); len(named) == 0 {
			continue
		}
		if ambiguous(named) {
			return nil, endpoints
		}
		return named, keep(endpoints, func(e neg.Endpoint) bool { return !is(e) })
	}
	return nil, endpoints
}

func keep(endpoints []neg.Endpoint, is func(neg.Endpoint) bool) []neg.Endpoint {
	return slices.DeleteFunc(slices.Clone(endpoints), func(e neg.Endpoint) bool { return !is(e) })
}

// ambiguous tells whether one address stands for endpoints of several instances.
func ambiguous(named []neg.Endpoint) bool {
	return slices.ContainsFunc(named, func(e neg.Endpoint) bool {
		return e.Addr.Addr() == named[0].Addr.Addr() && e.Instance != named[0].Instance
	})
}
