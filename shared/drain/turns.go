package drain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
)

// Tries is how often a key is published while nothing of it moves, who uses it included. After
// that it waits for a person, for a function that is down, or for the sweep.
const Tries = 6

// A turn is what is known of a key that was published.
type turn struct {
	at    time.Time // of the last publication, or of the last move
	holds string
	tries int
}

// turns are those of all keys.
type turns map[neg.Key]turn

// due are the keys to publish now: those that hold something and were never published, and
// those of which nothing has moved for as long as patience says, each at most Tries times.
// It is a function of its values; what it returns beside the keys is what to go on with.
func (t turns) due(held []Held, now time.Time, patience time.Duration) (found []resync.Find, next turns) {
	next = maps.Clone(t)
	if next == nil {
		next = turns{}
	}
	holds := holdings(held)
	for _, k := range slices.SortedFunc(maps.Keys(holds), neg.Key.Compare) {
		last, known := t[k]
		why := ""
		switch {
		case !known:
			why = holds[k]
		case last.holds != holds[k]:
			next[k] = turn{now, holds[k], 1} // the look that moved it
		case last.tries < Tries && now.Sub(last.at) >= patience:
			why = fmt.Sprintf("nothing has moved for %s: %s", now.Sub(last.at).Round(time.Second), holds[k])
		}
		if why != "" {
			next[k] = turn{now, holds[k], last.tries + 1}
			found = append(found, resync.Find{Key: k, Thorough: true, Why: "draining: " + why})
		}
	}
	return found, next
}

// published notes keys that were published for another reason.
func (t turns) published(found []resync.Find, held []Held, now time.Time) {
	holds := holdings(held)
	for _, f := range found {
		t[f.Key] = turn{now, holds[f.Key], 1}
	}
}

// holdings is what each key holds, in words that change when any of it moves.
func holdings(held []Held) map[neg.Key]string {
	parts := map[neg.Key][]string{}
	for _, h := range held {
		if !h.Kind.Ours() || h.Key == (neg.Key{}) {
			continue
		}
		what := string(h.Kind) + " " + h.Name
		if h.Kind == Group {
			what = fmt.Sprintf("%s with %d endpoints", what, h.Size)
		}
		if len(h.Users) > 0 {
			what += " used by " + strings.Join(h.Users, " and ")
		}
		parts[h.Key] = append(parts[h.Key], what)
	}
	holds := map[neg.Key]string{}
	for k, p := range parts {
		holds[k] = strings.Join(p, ", ")
	}
	return holds
}
