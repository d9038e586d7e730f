package resync

import (
	"context"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// left finds the keys of backend services, health checks and entries that no Service asks for.
// Those of groups are known by then.
func (w *walk) left(ctx context.Context) error {
	services, err := w.target.Cloud.BackendServices(ctx)
	if err != nil {
		return err
	}
	checks, err := w.target.Cloud.OwnedHealthChecks(ctx, neg.ClusterToken(w.target.UID)+"-")
	if err != nil {
		return err
	}
	var found []Find
	for _, s := range services {
		found = w.add(found, w.owner(text(s.Fields)), "backend service "+s.ID.String())
	}
	for _, h := range checks {
		found = w.add(found, w.owner(text(h.Fields)), "health check "+h.ID.String())
	}
	marks, err := w.marks(ctx, services)
	if err != nil {
		return err
	}
	for _, s := range services {
		for _, e := range s.Backends {
			found = w.add(found, marks[text(e.Fields)], "entry of backend service "+s.ID.String())
		}
	}
	return w.hand(found)
}

// add adds a key, unless there is none, its Service asks for backend services, or it gets a
// thorough look already.
func (w *walk) add(found []Find, k neg.Key, what string) []Find {
	if k == (neg.Key{}) || w.asked[k] {
		return found
	}
	w.asked[k] = true
	return append(found, Find{Key: k, Thorough: true, Why: what + " that no Service asks for"})
}

// owner is whose a description proves a thing to be; zero: nobody's of this cluster.
func (w *walk) owner(description string) neg.Key {
	o, err := neg.ParseOwner(description)
	k := neg.Key{Cluster: w.target.Name, Namespace: o.Namespace, Service: o.Service}
	if err != nil || !o.Owns(w.target.UID, k) {
		return neg.Key{}
	}
	return k
}

// marks are those of the Services that there are groups for, whoever keeps them. It lists these
// only where an entry has the mark of a Service that asks for none.
func (w *walk) marks(ctx context.Context, services []neg.BackendService) (map[string]neg.Key, error) {
	known := map[string]bool{}
	for k := range w.asked {
		known[neg.BackendMark(w.target.UID, k)] = true
	}
	strange := false
	for _, s := range services {
		for _, e := range s.Backends {
			mark := text(e.Fields)
			strange = strange || strings.HasPrefix(mark, neg.ClusterMark(w.target.UID)) && !known[mark]
		}
	}
	if !strange {
		return nil, nil
	}
	marks := map[string]neg.Key{}
	err := w.target.Cloud.GroupsNaming(ctx, w.target.UID, func(page []neg.ListedGroup) error {
		for _, g := range page {
			k := w.owner(g.Description)
			if o, ok := neg.ParseGKEOwner(g.Description); ok && o.UID == w.target.UID {
				k = neg.Key{Cluster: w.target.Name, Namespace: o.Namespace, Service: o.Service}
			}
			marks[neg.BackendMark(w.target.UID, k)] = k
		}
		return nil
	})
	return marks, err
}

func text(f neg.Fields) string {
	s, _ := f["description"].(string)
	return s
}
