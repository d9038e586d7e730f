package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/admission/registration"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/rbac"
)

// patients asks for what is known of each cluster, and of the quotas of where they are.
func (c *consultation) patients(ctx context.Context) ([]doctor.Cluster, []doctor.Quotas, error) {
	var names []string
	for _, k := range c.clusters {
		names = append(names, k.Name)
	}
	c.progress.say("examining the deployment and %s", neg.Count(len(names), "cluster", "clusters"))
	reports, err := c.fleet.Survey(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	cloud := newCloud(c.env, c.file)
	all := make([]doctor.Cluster, len(reports))
	var done atomic.Int32
	var g errgroup.Group
	g.SetLimit(8)
	for i, r := range reports {
		g.Go(func() error {
			all[i] = c.patient(ctx, r, cloud)
			c.progress.say("examined %d of %d clusters, last %s", done.Add(1), len(reports), r.Entry.Name)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return all, cloud.quotas(ctx), nil
}

func (c *consultation) patient(ctx context.Context, r fleet.Report, cloud *cloud) doctor.Cluster {
	k := doctor.Cluster{
		Name: r.Entry.Name, State: r.Entry.State, NEGs: r.Entry.NEGs, Project: r.Entry.Project, Network: c.file.Network, AddOn: string(r.AddOn),
		Presence: doctor.Got(r.Verdict.Presence.String()), Evidence: r.Verdict.Evidence,
	}
	if r.Entry.State == "decommissioned" {
		return k
	}
	container := "container.clusters.get in project " + r.Entry.Resource.Project
	k.CallsOut = read(func() (bool, error) { return c.fleet.CallsOut(ctx, r.Entry) }, container)
	k.VPCNative = read(func() (bool, error) { return c.fleet.VPCNative(ctx, r.Entry) }, container)
	k.Rules = cloud.rules(ctx, r.Entry.Project)
	if r.Verdict.Presence != presence.Alive && r.Verdict.Presence != presence.Draining {
		closed(&k, doctor.Gap{Why: "the cluster is " + r.Verdict.Presence.String(), Need: "see reach"})
		return k
	}
	_, client, err := c.fleet.Cluster(ctx, r.Entry.Name)
	_, way, other := c.fleet.Config(ctx, r.Entry.Name)
	if err = errors.Join(err, other); err != nil {
		closed(&k, doctor.Gap{Why: err.Error(), Need: "see reach"})
		return k
	}
	k.Lease = read(func() (time.Time, error) { return client.LeaseRenewed(ctx) }, "get leases.coordination.k8s.io in namespace "+neg.LeaseNamespace)
	k.Webhook = read(func() (doctor.Webhook, error) { return lookAtWebhook(ctx, way) }, "get mutatingwebhookconfigurations.admissionregistration.k8s.io")
	k.Grants = read(func() ([]doctor.Grant, error) { return c.grants(ctx, r.Entry, way) },
		"get clusterroles and list clusterrolebindings, and the same of roles and rolebindings in namespace "+neg.LeaseNamespace)
	k.Clock = read(func() (time.Duration, error) { return clockOf(ctx, way) }, "a network path to the API server")
	k.Backends = c.backends(ctx, r.Entry, client, cloud)
	return k
}

// closed fills in what only a cluster that answers can say.
func closed(k *doctor.Cluster, gap doctor.Gap) {
	k.Lease, k.Webhook = doctor.Without[time.Time](gap), doctor.Without[doctor.Webhook](gap)
	k.Grants = doctor.Without[[]doctor.Grant](gap)
	k.Clock, k.Backends = doctor.Without[time.Duration](gap), doctor.Without[[]doctor.Backend](gap)
}

// read is a fact, or the gap that the error makes; need is the right that it takes.
func read[T any](get func() (T, error), need string) doctor.Read[T] {
	value, err := get()
	if err == nil {
		return doctor.Got(value)
	}
	gap := doctor.Gap{Why: err.Error()}
	for _, b := range neg.BlockedReasons(err) {
		if strings.HasSuffix(b.Reason, "PermissionDenied") {
			gap.Need = need
		}
	}
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		gap.Need = need
	}
	return doctor.Without[T](gap)
}

// lookAtWebhook asks the registered URL as the API server would, with the roots that it
// would trust, about nothing.
func lookAtWebhook(ctx context.Context, way *rest.Config) (doctor.Webhook, error) {
	r, err := registration.Read(ctx, way)
	if err != nil || r == nil {
		return doctor.Webhook{}, err
	}
	w := doctor.Webhook{Registered: true, CA: len(r.CA) > 0, FailurePolicy: r.FailurePolicy}
	at, err := url.Parse(r.URL)
	if err != nil || at.Host == "" {
		w.Failure = "it is not registered by URL"
		return w, nil
	}
	w.Host = at.Host
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.CA {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(r.CA) {
			w.Failure = "its caBundle holds no certificate"
			return w, nil
		}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: tlsConfig, Proxy: http.ProxyFromEnvironment}}
	defer client.CloseIdleConnections()
	if err := registration.Probe(ctx, client, r.URL); err != nil {
		w.Failure = w.Host + ": " + err.Error()
	}
	return w, nil
}

// grants are the roles of the functions that should be deployed, as the cluster has them.
func (c *consultation) grants(ctx context.Context, entry config.Cluster, way *rest.Config) ([]doctor.Grant, error) {
	shipped, err := rbac.Shipped()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(shipped, func(_ rbac.Role, g rbac.Grant) bool { return len(c.usersOf(g)) == 0 })
	roles := slices.SortedFunc(maps.Keys(shipped), func(a, b rbac.Role) int { return cmp.Compare(a.String(), b.String()) })
	found, err := rbac.Read(ctx, way, roles)
	if err != nil {
		return nil, err
	}
	var all []doctor.Grant
	for _, r := range roles {
		has, there := found[r]
		g := doctor.Grant{Role: r.String(), Missing: !there, Lacks: rbac.Lacking(has.Rules, shipped[r].Rules)}
		if entry.Connect.Kubeconfig == "" { // else only the function's own kubeconfig knows who it is
			g.Users = c.usersOf(shipped[r])
		}
		for _, s := range has.Subjects {
			if s.Kind == rbacv1.UserKind {
				g.Bound = append(g.Bound, s.Name)
			} else {
				g.Others = append(g.Others, s.Kind+" "+s.Name)
			}
		}
		all = append(all, g)
	}
	return all, nil
}

// usersOf are the accounts of the functions that should be deployed and have a grant.
func (c *consultation) usersOf(g rbac.Grant) (accounts []string) {
	for _, f := range c.expected {
		if slices.ContainsFunc(g.Subjects, func(s rbacv1.Subject) bool { return s.Name == "negfleet-"+f.Name }) {
			accounts = append(accounts, c.account(f.Name))
		}
	}
	return accounts
}

// clockOf is how far an API server's clock is ahead of this machine's.
func clockOf(ctx context.Context, way *rest.Config) (time.Duration, error) {
	client, err := rest.HTTPClientFor(way)
	if err != nil {
		return 0, err
	}
	base, _, err := rest.DefaultServerUrlFor(way)
	if err != nil {
		return 0, err
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), nil)
	if err != nil {
		return 0, err
	}
	out := time.Now()
	answer, err := client.Do(ask)
	if err != nil {
		return 0, fmt.Errorf("ask the API server for the time: %w", err)
	}
	defer answer.Body.Close()
	in := time.Now()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // only the head was wanted
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0, errors.New("the API server's answer has no Date")
	}
	return doctor.Ahead(date, out, in), nil
}

// backends are the addresses that health checks have to reach, with their instances.
func (c *consultation) backends(ctx context.Context, entry config.Cluster, client *kube.Cluster, cloud *cloud) doctor.Read[[]doctor.Backend] {
	slicesOf := read(func() (map[neg.Key][]neg.Slice, error) { return client.ExposedSlices(ctx) }, "list services, endpointslices.discovery.k8s.io")
	nodes := read(func() (map[string]neg.Node, error) { return client.Nodes(ctx, false) }, "list nodes")
	for _, gap := range []*doctor.Gap{slicesOf.Gap, nodes.Gap} {
		if gap != nil {
			return doctor.Without[[]doctor.Backend](*gap)
		}
	}
	zones := map[neg.Zone]bool{}
	for _, z := range entry.Zones {
		zones[z] = true
	}
	for _, n := range nodes.Value {
		zones[n.Zone] = true
	}
	vms := cloud.vms(ctx, entry.Project, slices.Sorted(maps.Keys(zones)))
	if vms.Gap != nil {
		return doctor.Without[[]doctor.Backend](*vms.Gap)
	}
	var all []doctor.Backend
	for _, list := range slicesOf.Value {
		for _, s := range list {
			all = append(all, backendsOf(s, nodes.Value, vms.Value)...)
		}
	}
	return doctor.Got(all)
}
