package fakecontainer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/container/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
)

// A world is an emulator that stands still in time, and the real client.
type world struct {
	*fakecontainer.Server
	t     *testing.T
	clock *fakegce.ManualClock
	base  string
	api   *container.ProjectsLocationsService
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: fakegce.NewManualClock(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))}
	w.Server = fakecontainer.New(fakecontainer.Options{Clock: w.clock, OpLatency: time.Minute})
	w.base = fakecontainer.Start(t, w.Server)
	service, err := container.NewService(t.Context(), option.WithEndpoint(w.base), option.WithoutAuthentication())
	w.check(err)
	w.api = service.Projects.Locations
	w.check(w.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{
		{Project: "p1", Location: "us-central1", Name: "a", Cluster: map[string]any{"endpoint": "203.0.113.1", "nodePools": []any{map[string]any{"name": "x"}}}},
		{Project: "p1", Location: "us-east1-b", Name: "b"},
		{Project: "p2", Location: "us-central1", Name: "a"},
	}}))
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) names(parent string) (names, missing []string) {
	w.t.Helper()
	list, err := w.api.Clusters.List(parent).Do()
	w.check(err)
	for _, c := range list.Clusters {
		names = append(names, c.Location+"/"+c.Name)
	}
	return names, list.MissingZones
}

func (w *world) status(name string) string {
	w.t.Helper()
	c, err := w.api.Clusters.Get(name).Do()
	w.check(err)
	return c.Status
}

const a = "projects/p1/locations/us-central1/clusters/a"

func wantCode(t *testing.T, err error, code int, message string) {
	t.Helper()
	var api *googleapi.Error
	if !errors.As(err, &api) || api.Code != code || api.Message != message {
		t.Errorf("got %v, want %d %s", err, code, message)
	}
}

func TestListAndGet(t *testing.T) {
	w := newWorld(t)
	for parent, want := range map[string]string{
		"projects/p1/locations/-":           "us-central1/a us-east1-b/b",
		"projects/p1/locations/us-central1": "us-central1/a",
		"projects/p3/locations/-":           "",
	} {
		if names, missing := w.names(parent); strings.Join(names, " ") != want || missing != nil {
			t.Errorf("%s: %v, missing %v", parent, names, missing)
		}
	}
	c, err := w.api.Clusters.Get(a).Do()
	w.check(err)
	if c.Endpoint != "203.0.113.1" || c.NodePools[0].Name != "x" || c.Status != "RUNNING" || c.AddonsConfig.HttpLoadBalancing.Disabled {
		t.Errorf("%+v", c)
	}
	_, err = w.api.Clusters.Get("projects/p1/locations/us-west1/clusters/a").Do()
	wantCode(t, err, 404, "Not found: projects/p1/locations/us-west1/clusters/a.")
}

// TestMissingZones: a location that does not answer is named, and its clusters are left out
// of the list over all; asked for by name they are there.
func TestMissingZones(t *testing.T) {
	w := newWorld(t)
	w.check(w.Seed(fakecontainer.Seed{MissingZones: map[string][]string{"p1": {"us-east1-b"}}}))
	names, missing := w.names("projects/p1/locations/-")
	if d := cmp.Diff([][]string{{"us-central1/a"}, {"us-east1-b"}}, [][]string{names, missing}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := w.status("projects/p1/locations/us-east1-b/clusters/b"); got != "RUNNING" {
		t.Errorf("status %s", got)
	}
}

// TestDelete: a cluster is STOPPING until its operation is done, and then it is not there.
func TestDelete(t *testing.T) {
	w := newWorld(t)
	op, err := w.api.Clusters.Delete(a).Do()
	w.check(err)
	if op.Status != "RUNNING" || op.OperationType != "DELETE_CLUSTER" || w.status(a) != "STOPPING" {
		t.Errorf("operation %+v, cluster %s", op, w.status(a))
	}
	_, err = w.api.Clusters.Delete(a).Do()
	wantCode(t, err, 400, "Cluster is running incompatible operation "+op.Name+".")
	w.clock.Advance(time.Minute)
	_, err = w.api.Clusters.Get(a).Do()
	wantCode(t, err, 404, "Not found: "+a+".")
	op, err = w.api.Operations.Get("projects/p1/locations/us-central1/operations/" + op.Name).Do()
	if err != nil || op.Status != "DONE" || op.EndTime != "2026-11-20T10:01:00Z" {
		t.Errorf("operation %+v, %v", op, err)
	}
}

// TestRecreated: a cluster of the same name is another one.
func TestRecreated(t *testing.T) {
	w := newWorld(t)
	before, err := w.api.Clusters.Get(a).Do()
	w.check(err)
	w.Remove("p1", "us-central1", "a")
	w.check(w.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "us-central1", Name: "a"}}}))
	after, err := w.api.Clusters.Get(a).Do()
	if err != nil || before.Id == after.Id {
		t.Errorf("id %s, then %s, %v", before.Id, after.Id, err)
	}
}

func TestAddons(t *testing.T) {
	w := newWorld(t)
	off := &container.AddonsConfig{HttpLoadBalancing: &container.HttpLoadBalancing{Disabled: true}}
	_, err := w.api.Clusters.SetAddons(a, &container.SetAddonsConfigRequest{AddonsConfig: off}).Do()
	w.check(err)
	if got := w.status(a); got != "RECONCILING" {
		t.Errorf("status %s", got)
	}
	w.clock.Advance(time.Minute)
	c, err := w.api.Clusters.Get(a).Do()
	if err != nil || c.Status != "RUNNING" || !c.AddonsConfig.HttpLoadBalancing.Disabled {
		t.Errorf("%+v, %v", c.AddonsConfig, err)
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.check(w.AddFaults(
		fakecontainer.Fault{Name: "no", Method: "clusters.list", Path: "/p2/", Status: 403, Message: "Required \"container.clusters.list\" permission"},
		fakecontainer.Fault{Method: "clusters.get", Reset: true, Count: 1},
		fakecontainer.Fault{Method: "clusters.list", MissingZones: []string{"us-central1"}},
	))
	_, err := w.api.Clusters.List("projects/p2/locations/-").Do()
	wantCode(t, err, 403, "Required \"container.clusters.list\" permission")
	if names, missing := w.names("projects/p1/locations/-"); len(names) != 1 || len(missing) != 1 {
		t.Errorf("%v, missing %v", names, missing)
	}
	res, err := http.Get(w.base + "/v1/" + a)
	if err == nil {
		res.Body.Close()
		t.Error("a reset connection answered")
	}
	w.ClearFaults("no")
	if names, _ := w.names("projects/p2/locations/-"); len(names) != 0 {
		t.Errorf("%v: the third fault's", names)
	}
	w.ClearFaults()
	if names, _ := w.names("projects/p2/locations/-"); len(names) != 1 || len(w.Faults()) != 0 {
		t.Errorf("%v", names)
	}
	if err := w.AddFaults(fakecontainer.Fault{Status: 200}); err == nil {
		t.Error("200 is no fault")
	}
}

// TestAdmin drives the emulator as another process would.
func TestAdmin(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		holds              string
	}{
		{"POST", "reset", "", 200, "{}"},
		{"GET", "state", "", 200, `"clusters":[]`},
		{"POST", "seed", `{"clusters":[{"project":"p","location":"l","name":"n"}]}`, 200, "{}"},
		{"POST", "seed", `{"clusters":[{"project":"p"}]}`, 400, "want project, location and name"},
		{"POST", "seed", `{"clustres":[]}`, 400, "unknown field"},
		{"GET", "state", "", 200, `"name":"n"`},
		{"POST", "faults", `[{"name":"f","method":"clusters.get","status":500,"delay":"1ms"}]`, 200, "{}"},
		{"GET", "faults", "", 200, `"name":"f"`},
		{"DELETE", "faults?name=f", "", 200, "{}"},
		{"GET", "faults", "", 200, "[]"},
		{"POST", "clock", `{"advance":"1m"}`, 200, "{}"},
		{"POST", "clock", `{"advance":"-1m"}`, 400, "asked to go back"},
		{"GET", "calls", "", 200, "[]"},
	} {
		req, err := http.NewRequestWithContext(context.Background(), c.method, w.base+"/_emu/"+c.path, strings.NewReader(c.body))
		w.check(err)
		res, err := http.DefaultClient.Do(req)
		w.check(err)
		var text strings.Builder
		if _, err := copyAll(&text, res); err != nil || res.StatusCode != c.status || !strings.Contains(text.String(), c.holds) {
			t.Errorf("%s %s: %s %s, %v", c.method, c.path, res.Status, text.String(), err)
		}
	}
}

func copyAll(to *strings.Builder, res *http.Response) (int64, error) {
	defer res.Body.Close()
	return io.Copy(to, res.Body)
}
