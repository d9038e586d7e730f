package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
)

// claimFor is how long it is held against a cluster that it answered with a UID. While it
// answers it is asked again after provedFor.
const claimFor = 10 * time.Minute

// A claim is the UID with which a cluster's API server answered.
type claim struct {
	entry config.Cluster
	uid   string
	where string
	at    time.Time
}

// claimed notes with which UID a cluster answered.
func (f *Fleet) claimed(o opened, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims[o.entry.Name] = claim{o.entry, uid, o.where(), f.now()}
}

func (f *Fleet) claimOf(entry config.Cluster) (claim, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.claims[entry.Name]
	return c, ok && same(c.entry, entry) && f.now().Sub(c.at) < claimFor
}

// rivals are the other entries whose API servers, at other addresses, answer with the same
// UID: of a cluster and its copy, as a restored backup is one, nobody can tell from here
// which is which. Two entries that lead to one address are one API server.
//
// Only entries that are under suspicion are asked: those that answered so before, and the one to
// which the UID belongs by the fleet file.
func (f *Fleet) rivals(ctx context.Context, o opened, uid string) []string {
	file, err := f.File()
	if err != nil {
		return nil
	}
	var names []string
	for _, other := range file.Clusters {
		c, known := f.claimOf(other)
		suspect := known && c.uid == uid || other.UID == uid
		if other.Name == o.entry.Name || !suspect {
			continue
		}
		if !known || f.now().Sub(c.at) >= provedFor {
			if asked, err := f.ask(ctx, other); err == nil {
				f.claimed(asked.opened, asked.uid)
			}
			c, known = f.claimOf(other)
		}
		if known && c.uid == uid && c.where != o.where() {
			names = append(names, other.Name)
		}
	}
	return names
}

// An asked is a cluster that said who it is.
type asked struct {
	opened
	uid string
}

// ask has a cluster say who it is, with the client that there is or a new one.
func (f *Fleet) ask(ctx context.Context, entry config.Cluster) (asked, error) {
	o, err := f.known(entry), error(nil)
	if o.client == nil {
		if o, err = f.dial(ctx, o); err != nil {
			return asked{opened: o}, err
		}
	}
	uid, err := o.identify(ctx)
	return asked{o, uid}, err
}

// believe is nil if a cluster that answered with uid is the one that the fleet file means.
func (f *Fleet) believe(ctx context.Context, o opened, uid string) error {
	f.claimed(o, uid)
	entry := o.entry
	if rivals := f.rivals(ctx, o, uid); len(rivals) > 0 {
		all := append(rivals, entry.Name)
		slices.Sort(all)
		return neg.Block("ClusterIdentityShared",
			"clusters %s: their API servers answer with one kube-system UID, %s, so that one is a copy of the other; none of them is served until the copy is stopped or leaves the fleet file",
			strings.Join(all, " and "), uid)
	}
	if uid != entry.UID {
		return neg.Block("ClusterReplaced", "cluster %s answers with kube-system UID %s, line %d of the fleet file says %s; if it was rebuilt on purpose, change that line",
			entry.Name, uid, entry.Line, entry.UID)
	}
	return nil
}
