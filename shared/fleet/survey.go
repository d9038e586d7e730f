package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/gke"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// surveyors is how many clusters are asked at once.
const surveyors = 8

// A Report is what is known of one cluster of the fleet file.
type Report struct {
	Entry   config.Cluster
	Verdict presence.Verdict
	UID     string // with which its API server answered; empty: it did not
	Version string // of the control plane; empty: not known
	AddOn   AddOn
}

// Survey asks every witness of every cluster, in the order of the fleet file, or of those
// that only names. What fails is in the reports: no answer is an observation too.
func (f *Fleet) Survey(ctx context.Context, only ...string) ([]Report, error) {
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	entries := slices.DeleteFunc(slices.Clone(file.Clusters), func(c config.Cluster) bool { return len(only) > 0 && !slices.Contains(only, c.Name) })
	return f.survey(ctx, file, entries), nil
}

// Presence asks every witness of one cluster.
func (f *Fleet) Presence(ctx context.Context, name string) (presence.Verdict, error) {
	file, err := f.File()
	if err != nil {
		return presence.Verdict{}, err
	}
	entry, ok := file.Cluster(name)
	if !ok {
		return presence.Verdict{}, neg.Block("ClusterUnknown", "cluster %q is not in the fleet file", name)
	}
	return f.survey(ctx, file, []config.Cluster{entry})[0].Verdict, nil
}

func (f *Fleet) survey(ctx context.Context, file *config.Fleet, entries []config.Cluster) []Report {
	lists := f.lists(ctx, entries)
	reports, servers := make([]Report, len(entries)), make([]server, len(entries))
	each(len(entries), func(i int) {
		reports[i] = Report{Entry: entries[i]}
		servers[i] = f.server(ctx, &reports[i])
	})
	// Only now has everyone answered of whom another one may be a copy.
	each(len(entries), func(i int) {
		r := &reports[i]
		o := presence.Observation{State: r.Entry.State, UID: r.Entry.UID, Resource: r.Entry.Resource, Server: servers[i].said}
		if r.UID != "" {
			o.Server.Shared = strings.Join(f.rivals(ctx, servers[i].opened, r.UID), " and ")
		}
		if r.Entry.Resource != (neg.GKECluster{}) {
			o.Get = f.get(ctx, r)
			o.Listing = lists[r.Entry.Resource.Project].of(r.Entry.Resource, file)
		}
		r.AddOn = f.HTTPLoadBalancing(ctx, r.Entry)
		r.Verdict = presence.Judge(o)
	})
	return reports
}

func each(n int, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(surveyors)
	for i := range n {
		g.Go(func() error { do(i); return nil })
	}
	_ = g.Wait() // none fails
}

// A server is an API server and what it said.
type server struct {
	opened
	said presence.Server
}

// server asks the API server who it is.
func (f *Fleet) server(ctx context.Context, r *Report) server {
	a, err := f.ask(ctx, r.Entry)
	if err != nil {
		return server{a.opened, presence.Server{Error: err.Error(), Answered: answered(err), Silent: silent(err)}}
	}
	f.claimed(a.opened, a.uid)
	r.UID = a.uid
	r.Version, _ = a.client.Version(proving(ctx)) // it is only shown
	return server{a.opened, presence.Server{UID: a.uid, Answered: true}}
}

// answered tells whether an error is an API server's own. A proxy or a load balancer where
// one should be answers in other words.
func answered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !apierrors.IsUnexpectedServerError(err)
}

// silent tells whether an error means that nothing is there: no answer, or no address.
func silent(err error) bool {
	unreachable := slices.ContainsFunc(neg.BlockedReasons(err), func(b *neg.BlockedError) bool { return b.Reason == kube.ReasonUnreachable })
	return unreachable || errors.Is(err, gke.ErrNotFound)
}

// get asks the container API for the cluster.
func (f *Fleet) get(ctx context.Context, r *Report) presence.Get {
	got, err := f.describe(ctx, r.Entry.Resource, 0)
	switch {
	case errors.Is(err, gke.ErrNotFound):
		return presence.Get{NotFound: true}
	case err != nil:
		return presence.Get{Error: err.Error()}
	}
	if r.Version == "" {
		r.Version = got.Version
	}
	return presence.Get{Status: got.Status}
}

// A list is the container API's answer for one project.
type list struct {
	gke.Listing
	err error
}

// lists asks for the clusters of every project that holds one of the entries.
func (f *Fleet) lists(ctx context.Context, entries []config.Cluster) map[string]*list {
	all, projects := map[string]*list{}, []string{}
	for _, e := range entries {
		if p := e.Resource.Project; p != "" && all[p] == nil {
			all[p], projects = &list{}, append(projects, p)
		}
	}
	each(len(projects), func(i int) {
		l := all[projects[i]]
		api, err := f.container(ctx)
		if err == nil {
			l.Listing, err = api.List(ctx, projects[i])
		}
		l.err = err
	})
	return all
}

// of is what the list says of one cluster.
func (l *list) of(r neg.GKECluster, file *config.Fleet) presence.Listing {
	if l.err != nil {
		return presence.Listing{Error: l.err.Error()}
	}
	p := presence.Listing{Total: len(l.Clusters), Missing: l.Missing}
	for _, c := range l.Clusters {
		if c.Name == r {
			p.Found = true
			continue
		}
		if _, claimed := file.ByResource(c.Name); claimed {
			continue
		}
		p.Unclaimed = append(p.Unclaimed, c.Name.Name+" in "+c.Name.Location)
		if c.Name.Name == r.Name {
			p.Elsewhere = append(p.Elsewhere, c.Name.Location)
		}
	}
	return p
}
