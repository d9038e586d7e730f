package sweep_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/functions/events"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
)

// A deletion is a world in which c2 is a GKE cluster that somebody deletes, told of by the
// container API's audit entries as a log sink delivers them.
type deletion struct {
	*world
	events    http.Handler
	container *fakecontainer.Server
}

// Where c2 is.
const (
	project  = "p1"
	location = "us-central1"
	prod     = "prod"
)

// newDeletion has c2's entry say more. Its API server is silent already: a control plane ends
// before the container API forgets the cluster.
func newDeletion(t testing.TB, more string) *deletion {
	t.Helper()
	d := &deletion{world: newWorld(t, ""), container: fakecontainer.New(fakecontainer.Options{})}
	d.check(d.container.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{
		{Project: project, Location: location, Name: "c1", Cluster: map[string]any{"addonsConfig": map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}}}},
		{Project: project, Location: location, Name: prod, Cluster: map[string]any{"status": "STOPPING"}},
	}}))
	file, err := d.Scopes.Fleet.File()
	d.check(err)
	c1, _ := file.Cluster("c1")
	path := filepath.Join(filepath.Dir(c1.Connect.Kubeconfig), "fleet.yaml")
	data, err := os.ReadFile(path)
	d.check(err)
	text := strings.NewReplacer(
		"kubeconfig: c1.kubeconfig}\n", "kubeconfig: c1.kubeconfig}\n  resource: projects/p1/locations/us-central1/clusters/c1\n",
		"  state: decommissioned\n", "  resource: projects/p1/locations/us-central1/clusters/prod\n"+more,
	).Replace(string(data))
	d.check(os.WriteFile(path, []byte(text), 0o600))
	env := config.Env{FleetFile: path, ComputeEndpoint: fakegce.ComputeEndpoint(fakegce.Start(t, d.cloud)), ContainerEndpoint: fakecontainer.Start(t, d.container)}
	d.Scopes, err = scope.New(env, slog.New(slog.DiscardHandler), d.Now)
	d.check(err)
	d.events, err = events.New(events.Options{
		Accept: events.Accept{Push: true}, Fleet: known{d.Scopes.Fleet}, Services: noReads{}, Publisher: d, Log: slog.New(slog.DiscardHandler),
	})
	d.check(err)
	return d
}

// known is the fleet file, as the events function asks it.
type known struct{ *fleet.Fleet }

func (k known) ClusterOf(project, location, name string) (string, bool) {
	file, err := k.File()
	if err != nil {
		return "", false
	}
	c, ok := file.ByResource(neg.GKECluster{Project: project, Location: location, Name: name})
	return c.Name, ok
}

func (known) Known(string) bool    { return true }
func (known) Identities() []string { return nil }

// noReads is of a deployment that never has to ask a cluster.
type noReads struct{ events.Services }

// Publish is the topic of keys, PublishClusters that of clusters, whose subscriber is the
// sweep.
func (d *deletion) Publish(ctx context.Context, topic string, messages ...event.Message) error {
	return d.publish(ctx, topic, messages...)
}

func (d *deletion) PublishClusters(_ context.Context, messages ...event.ClusterMessage) error {
	for _, m := range messages {
		data, _, err := event.EncodeCluster(m)
		d.check(err)
		if rec := d.post("/clusters", push(data), ""); rec.Code != http.StatusNoContent {
			d.t.Errorf("the sweep answered %d", rec.Code)
		}
	}
	return nil
}

func push(data []byte) string {
	return fmt.Sprintf(`{"message":{"data":%q,"messageId":"1"},"subscription":"projects/demo/subscriptions/s"}`, base64.StdEncoding.EncodeToString(data))
}

// entry delivers what the container API logs when a deletion has begun, or ended.
func (d *deletion) entry(name, part string) {
	d.t.Helper()
	entry := fmt.Sprintf(`{"timestamp":%q,"resource":{"type":"gke_cluster","labels":{"project_id":%q,"location":%q,"cluster_name":%q}},
		"operation":{"id":"operation-1","producer":"container.googleapis.com",%q:true},"protoPayload":{"serviceName":"container.googleapis.com",
		"methodName":"google.container.v1.ClusterManager.DeleteCluster"}}`, time.Now().UTC().Format(time.RFC3339Nano), project, location, name, part)
	rec := httptest.NewRecorder()
	d.events.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(push([]byte(entry)))))
	if rec.Code != http.StatusNoContent {
		d.t.Fatalf("events answered %d: %s", rec.Code, rec.Body)
	}
}

// TestDeleteCluster: the entries of a deletion lead to the groups that the cluster left, once
// the container API proves it gone, and not a moment before; and to nothing else.
func TestDeleteCluster(t *testing.T) {
	all, kept := []string{"shop-left-80", "shop-old-80", "shop-web-80", "stranger"}, []string{"shop-web-80", "stranger"}
	for name, c := range map[string]struct {
		more string
		left []string // in the end
	}{
		"gone: delete":                  {"  gone: delete\n", kept},
		"gone: not said":                {"", all[1:]},
		"gone: delete, while it drains": {"  gone: delete\n  state: draining\n", kept},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeletion(t, c.more)
			stands := func(when string, want []string) {
				t.Helper()
				d.look()
				if diff := cmp.Diff(want, d.groups()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", when, diff)
				}
			}
			d.entry(prod, "first")
			stands("the deletion has begun", all)
			d.entry(prod, "last")
			stands("the entry says that it has ended, the container API does not", all)

			d.container.Remove(project, location, prod)
			d.check(d.container.Seed(fakecontainer.Seed{MissingZones: map[string][]string{project: {"europe-west1"}}}))
			d.entry(prod, "last")
			stands("a location did not answer", all)

			d.check(d.container.Seed(fakecontainer.Seed{MissingZones: map[string][]string{project: nil}}))
			d.entry("c1", "last")
			stands("it was another one, which answers: only its leak goes", all[1:])
			d.entry(prod, "last")
			stands("gone", c.left)
			d.entry("stranger", "last")
			stands("a cluster of nobody's", c.left)
		})
	}
}
