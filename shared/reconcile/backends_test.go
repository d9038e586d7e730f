package reconcile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

const (
	global = "projects/p1/global/"
	asking = `{"80":{"timeoutSec":60,"healthCheck":{"requestPath":"/ready"}}}`
	autone = `{"backend_services":{"80":[{"name":"shop","max_rate_per_endpoint":100}]}}`
)

func with(annotations map[string]string, name, value string) map[string]string {
	annotations[name] = value
	return annotations
}

// api sends what someone else would, with the fingerprint of now where the body says FP.
func (w *world) api(method, path, body string) map[string]any {
	w.t.Helper()
	if strings.Contains(body, "FP") {
		fingerprint, _ := w.api("GET", path, "")["fingerprint"].(string)
		body = strings.ReplaceAll(body, "FP", fingerprint)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.computeAt+path, strings.NewReader(body))
	w.check(err)
	res, err := http.DefaultClient.Do(req)
	w.check(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.check(err)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	answer := map[string]any{}
	w.check(json.Unmarshal(raw, &answer))
	return answer
}

// annotate changes the Service as a user would.
func (w *world) annotate(name, value string) {
	w.t.Helper()
	svc, err := w.scope.Cluster.Service(w.t.Context(), web)
	w.check(err)
	w.check(w.scope.Cluster.Annotate(w.t.Context(), svc, map[string]string{name: value}))
}

func (w *world) annotation(name string) string {
	w.t.Helper()
	svc, err := w.scope.Cluster.Service(w.t.Context(), web)
	w.check(err)
	return svc.Annotations[name]
}

// balancers prints backend services with their backends, and health checks.
func (w *world) balancers() []string {
	var lines []string
	for _, r := range w.gce.State().Resources {
		switch r.Collection {
		case "healthChecks", "backendServices":
			lines = append(lines, r.Collection+" "+r.Name)
		}
		for _, b := range r.Backends {
			_, group, _ := strings.Cut(b.Group, "zones/")
			zone, name, _ := strings.Cut(group, "/networkEndpointGroups/")
			limit := b.MaxRatePerEndpoint + b.MaxConnectionsPerEndpoint
			lines = append(lines, fmt.Sprintf("  %s/%s %s %v %v", zone, name, b.BalancingMode, limit, b.CapacityScaler))
		}
	}
	return lines
}

func (w *world) wantBalancers(when string, want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.balancers()); d != "" {
		w.t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

// inAll is a line for each zone's group.
func (w *world) inAll(text string) []string {
	var lines []string
	for _, z := range zones {
		lines = append(lines, fmt.Sprintf("  %s/%s %s", z, w.generated(80), text))
	}
	return lines
}

// still asserts that another look has nothing to do.
func (w *world) still(when string) {
	w.t.Helper()
	before := len(w.gce.Calls(fakegce.CallFilter{}))
	result := w.mustLook()
	if len(result.Planned) != 0 {
		w.t.Errorf("%s: there is still something to do:\n%s", when, plan.Text(result.Planned))
	}
	for _, call := range w.gce.Calls(fakegce.CallFilter{})[before:] {
		if call.Method != http.MethodGet && !strings.HasSuffix(call.Verb, ".listNetworkEndpoints") {
			w.t.Errorf("%s: a look that changes nothing sent %s %s", when, call.Method, call.Path)
		}
	}
}

// another is a second instance, which remembers nothing.
func (w *world) another() {
	w.r = &reconcile.Reconciler{Open: w.r.Open, Publish: w.r.Publish, Log: slog.New(slog.DiscardHandler), Now: time.Now, Grace: time.Millisecond}
}

// TestManagedBackendService: made with its health check, repaired, and gone with the wish.
func TestManagedBackendService(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
	w.mustLook()
	name := w.generated(80)
	whole := append(append([]string{"backendServices " + name}, w.inAll("RATE 1e+08 1")...), "healthChecks "+name)
	w.wantBalancers("made", whole...)
	w.wantExact(name, 80)
	w.still("made")
	if got := w.annotation(neg.AnnotationServices); got != "global/"+name {
		t.Errorf("annotation %s: %q", neg.AnnotationServices, got)
	}
	s := w.api("GET", global+"backendServices/"+name, "")
	hc := w.api("GET", global+"healthChecks/"+name, "")
	if s["timeoutSec"] != 60.0 || hc["httpHealthCheck"].(map[string]any)["requestPath"] != "/ready" {
		t.Errorf("backend service %v, health check %v", s, hc)
	}

	w.api("PATCH", global+"backendServices/"+name, `{"fingerprint":"FP","timeoutSec":5,"affinityCookieTtlSec":9,"sessionAffinity":"GENERATED_COOKIE"}`)
	w.api("PATCH", global+"healthChecks/"+name, `{"httpHealthCheck":{"requestPath":"/other"}}`)
	w.mustLook()
	s, hc = w.api("GET", global+"backendServices/"+name, ""), w.api("GET", global+"healthChecks/"+name, "")
	if s["timeoutSec"] != 60.0 || s["affinityCookieTtlSec"] != 9.0 || hc["httpHealthCheck"].(map[string]any)["requestPath"] != "/ready" {
		t.Errorf("what was asked for is not turned back, or more than that: %v, %v", s, hc)
	}
	w.api("PATCH", global+"backendServices/"+name, `{"fingerprint":"FP","backends":[]}`)
	w.mustLook()
	w.wantBalancers("emptied by hand", whole...)
	w.still("repaired")

	w.annotate(neg.AnnotationBackendService, "")
	w.mustLook()
	w.wantBalancers("not asked for")
	w.wantExact(name, 80)
	w.still("not asked for")
	if got := w.annotation(neg.AnnotationServices); got != "" {
		t.Errorf("annotation %s: %q", neg.AnnotationServices, got)
	}
}

// TestServiceWithBackendsGone: whoever looks, all of it goes, in an order that the API allows.
func TestServiceWithBackendsGone(t *testing.T) {
	for _, same := range []bool{true, false} {
		w := newWorld(t, fakegce.Options{})
		w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
		w.mustLook()
		if !same {
			w.another()
		}
		w.check(w.RemoveService("shop", "web"))
		w.mustLook()
		w.wantBalancers("the Service is gone")
		if left := w.groups(); len(left) != 0 {
			t.Errorf("groups left: %v", left)
		}
	}
}

// TestAttach: groups in someone else's backend service, beside his own; nothing of his is
// touched, and they leave when they are not wanted there.
func TestAttach(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.api("POST", "projects/p1/zones/us-central1-a/networkEndpointGroups", `{"name":"theirs","networkEndpointType":"GCE_VM_IP_PORT"}`)
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"],
		"backends":[{"group":"zones/us-central1-a/networkEndpointGroups/theirs","balancingMode":"RATE","maxRatePerEndpoint":5,"capacityScaler":0}]}`)
	w.start(3, with(exposed(port80), neg.AnnotationAutoneg, autone))
	w.mustLook()
	theirs := []string{"backendServices shop", "  us-central1-a/theirs RATE 5 0"}
	end := "healthChecks theirs"
	w.wantBalancers("attached", append(append(theirs[:2:2], w.inAll("RATE 100 1")...), end)...)
	w.still("attached")
	want := fmt.Sprintf(`{"backend_services":{"80":{"shop":{"max_rate_per_endpoint":100,"name":"shop"}}},"network_endpoint_groups":{"80":%q},"zones":["us-central1-a","us-central1-b","us-central1-c"]}`, w.generated(80))
	if got := w.annotation(neg.AnnotationAutonegStatus); got != want {
		t.Errorf("autoneg's status\n got %s\nwant %s", got, want)
	}
	w.annotate(neg.AnnotationAutoneg, strings.ReplaceAll(autone, "100", "7"))
	w.mustLook()
	w.wantBalancers("another rate", append(append(theirs[:2:2], w.inAll("RATE 7 1")...), end)...)

	w.annotate(neg.AnnotationAutoneg, "{}")
	w.mustLook()
	w.wantBalancers("not asked for", append(theirs[:2:2], end)...)
	w.still("not asked for")

	w.annotate(neg.AnnotationAutoneg, autone)
	w.mustLook()
	w.another()
	w.check(w.RemoveService("shop", "web"))
	w.mustLook()
	w.wantBalancers("the Service is gone", append(theirs[:2:2], end)...)
	if left := w.groups(); len(left) != 1 {
		t.Errorf("groups: %v", left)
	}
}

// TestMigrationFromAutoneg: entries that autoneg made are taken over as they are.
func TestMigrationFromAutoneg(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	var entries []string
	for _, z := range zones {
		entries = append(entries, fmt.Sprintf(`{"group":"zones/%s/networkEndpointGroups/%s","balancingMode":"RATE","maxRatePerEndpoint":100,"capacityScaler":0.3}`, z, w.generated(80)))
	}
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"],"backends":[`+strings.Join(entries, ",")+`]}`)
	w.annotate(neg.AnnotationAutonegStatus, `{"backend_services":{"80":{"shop":{"name":"shop"}}},"network_endpoint_groups":{"80":"`+w.generated(80)+`"},"zones":[]}`)
	w.annotate(neg.AnnotationAutoneg, autone)
	w.mustLook()
	w.wantBalancers("taken over", append(append([]string{"backendServices shop"}, w.inAll("RATE 100 0.3")...), "healthChecks theirs")...)
	w.still("taken over")
	w.annotate(neg.AnnotationAutoneg, "{}")
	w.mustLook()
	w.wantBalancers("ours to remove", "backendServices shop", "healthChecks theirs")
}

// TestNotByAutoneg: an entry without a description in a backend service that autoneg's status
// does not name is a person's, and stays his.
func TestNotByAutoneg(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"],"backends":[{"group":"zones/us-central1-a/networkEndpointGroups/`+
		w.generated(80)+`","balancingMode":"RATE","maxRatePerEndpoint":5,"capacityScaler":0.3}]}`)
	w.annotate(neg.AnnotationAutonegStatus, `{"backend_services":{"80":{"other":{"name":"other"}}},"network_endpoint_groups":{"80":"`+w.generated(80)+`"},"zones":[]}`)
	w.annotate(neg.AnnotationAutoneg, autone)
	w.mustLook()
	lines := w.inAll("RATE 100 1")
	lines[0] = strings.Replace(lines[0], "RATE 100 1", "RATE 5 0.3", 1)
	w.wantBalancers("beside his", append(append([]string{"backendServices shop"}, lines...), "healthChecks theirs")...)
	w.annotate(neg.AnnotationAutoneg, "{}")
	w.mustLook()
	w.wantBalancers("his stays", "backendServices shop", lines[0], "healthChecks theirs")
}

// TestBackendTrouble: what is wrong with backends is told, with what to do, and Pods are
// attached all the same. Where it can be put right, the next look finishes what this one
// began.
func TestBackendTrouble(t *testing.T) {
	const managed, attach = neg.AnnotationBackendService, neg.AnnotationAutoneg
	for name, tc := range map[string]struct {
		annotation, value string
		options           fakegce.Options
		there             string // a backend service shop of that kind
		reason, text      string // of the Event
	}{
		"an unknown field":                {managed, `{"80":{"timeout":1}}`, fakegce.Options{}, "", "InvalidAnnotation", "port 80: field timeout: there is no such field"},
		"an unknown value":                {managed, `{"80":{"protocol":"http"}}`, fakegce.Options{}, "", "InvalidAnnotation", "field protocol: want one of HTTP, HTTPS"},
		"no JSON":                         {managed, `{`, fakegce.Options{}, "", "InvalidAnnotation", "not JSON at character 1"},
		"neither rate nor connections":    {attach, `{"backend_services":{"80":[{"name":"shop"}]}}`, fakegce.Options{}, "", "InvalidAnnotation", "want max_rate_per_endpoint, max_connections_per_endpoint or custom_metrics"},
		"a value that is too small":       {managed, `{"80":{"capacityScaler":0.01}}`, fakegce.Options{}, "", "InvalidBackendService", "want 0, or 0.1 to 1"},
		"a mode that does not fit":        {managed, `{"80":{"protocol":"TCP","balancingMode":"RATE"}}`, fakegce.Options{}, "", "InvalidBackendService", "RATE does not fit protocol TCP"},
		"a mode that does not fit theirs": {attach, autone, fakegce.Options{}, `"protocol":"TCP"`, "InvalidRequest", "Balancing mode RATE is not supported for protocol TCP"},
		"a port without groups":           {managed, `{"443":{}}`, fakegce.Options{}, "", "PortNotExposed", "expose it in cloud.google.com/neg"},
		"none of that name":               {attach, autone, fakegce.Options{}, "", "BackendServiceNotFound", "create it, or correct the annotation"},
		"one of another project":          {attach, strings.Replace(autone, `"shop"`, `"projects/p2/global/backendServices/shop"`, 1), fakegce.Options{}, "", "InvalidAnnotation", "no name of a backend service"},
		"one of another scheme":           {attach, autone, fakegce.Options{}, `"loadBalancingScheme":"INTERNAL","protocol":"TCP"`, "SchemeNotSupported", "name one of another scheme"},
		"a name that is taken":            {managed, `{"80":{"name":"taken"}}`, fakegce.Options{}, "", "NameTaken", "choose another"},
		"no room":                         {managed, asking, fakegce.Options{Quota: map[string]int{"BACKEND_SERVICES": 0}}, "", "QuotaExceeded", "BACKEND_SERVICES"},
		"no permission to make one":       {managed, asking, fakegce.Options{DeniedPermissions: []string{"compute.backendServices.create"}}, "", "PermissionDenied", "compute.backendServices.create"},
		"no permission to change one":     {attach, autone, fakegce.Options{DeniedPermissions: []string{"compute.backendServices.update"}}, `"protocol":"HTTP"`, "PermissionDenied", "compute.backendServices.update"},
		"no permission to use a group":    {attach, autone, fakegce.Options{DeniedPermissions: []string{"compute.networkEndpointGroups.use"}}, `"protocol":"HTTP"`, "PermissionDenied", "compute.networkEndpointGroups.use"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.options)
			w.api("POST", global+"healthChecks", `{"name":"taken","type":"TCP"}`)
			if tc.there != "" {
				w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/taken"],`+tc.there+`}`)
			}
			w.start(3, with(exposed(port80), tc.annotation, tc.value))
			if _, err := w.look(); neg.OutcomeOf(err) == neg.Again {
				t.Errorf("%v comes again and again", err)
			}
			w.wantExact(w.generated(80), 80)
			if e := w.event(tc.reason); e == nil || !strings.Contains(e.Message, tc.text) {
				t.Errorf("Event %s: %+v; want %q", tc.reason, e, tc.text)
			}
			w.check(w.Scale("shop", "web", 5))
			_, _ = w.look()
			w.wantExact(w.generated(80), 80)
			w.annotate(tc.annotation, asking)
			if tc.annotation == attach || len(tc.options.DeniedPermissions)+len(tc.options.Quota) > 0 {
				return // it takes somebody else
			}
			w.mustLook()
			w.still("put right")
		})
	}
}

// TestHealthCheckInUse: somebody else's backend service uses a health check of ours. It stays,
// and that is told with its user's name; all else goes.
func TestHealthCheckInUse(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
	w.mustLook()
	name := w.generated(80)
	w.api("POST", global+"backendServices", `{"name":"theirs","protocol":"HTTP","healthChecks":["global/healthChecks/`+name+`"]}`)
	w.annotate(neg.AnnotationBackendService, "")
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Blocked || !strings.Contains(fmt.Sprint(err), "backendServices/theirs") {
		t.Errorf("a health check in use: %v", err)
	}
	w.wantBalancers("in use", "backendServices theirs", "healthChecks "+name)
	if e := w.event("HealthCheckInUse"); e == nil || !strings.Contains(e.Message, "theirs") {
		t.Errorf("Event %+v", e)
	}
	w.api("DELETE", global+"backendServices/theirs", "")
	w.mustLook()
	w.wantBalancers("used no more")
}

// TestMistakeKeepsBackends: an annotation that became unreadable takes no traffic away.
func TestMistakeKeepsBackends(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
	w.mustLook()
	before := w.balancers()
	w.annotate(neg.AnnotationBackendService, `{"80":{"protocol":"http"}}`)
	w.mustLook()
	w.wantBalancers("a mistake", before...)
	if w.annotation(neg.AnnotationServices) == "" {
		t.Errorf("the annotation %s is gone", neg.AnnotationServices)
	}
}

// TestForeignBackendKeepsGroups: someone else's backend service has the group of a Service
// that is gone: it is emptied, told with its user's name, and left.
func TestForeignBackendKeepsGroups(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"],
		"backends":[{"group":"zones/us-central1-a/networkEndpointGroups/`+w.generated(80)+`","balancingMode":"RATE","maxRatePerEndpoint":5,"description":"terraform"}]}`)
	w.check(w.RemoveService("shop", "web"))
	_, err := w.look()
	if neg.OutcomeOf(err) != neg.Blocked || !strings.Contains(fmt.Sprint(err), "backendServices/shop") {
		t.Errorf("a group in use: %v", err)
	}
	w.wantBalancers("foreign", "backendServices shop", "  us-central1-a/"+w.generated(80)+" RATE 5 1", "healthChecks theirs")
	if left := w.groups(); len(left) != 1 || !strings.HasSuffix(left[0], ": ") {
		t.Errorf("groups: %v, want one, empty", left)
	}
}

// TestBackendsUnderSwitches: made, changed and removed whatever the API does where its
// behaviour is not known, with answers that get lost.
func TestBackendsUnderSwitches(t *testing.T) {
	for _, missing := range []string{"required", "conditionNotMet", "optional"} {
		for _, commit := range []string{"done", "accept"} {
			w := newWorld(t, fakegce.Options{MissingFingerprint: missing, CommitAt: commit})
			for _, verb := range []string{"healthChecks.insert", "backendServices.insert", "backendServices.patch", "backendServices.delete", "healthChecks.delete"} {
				w.check(w.gce.AddFaults(fakegce.Fault{Name: verb, Verb: verb, Nth: 1, Status: 503, Reason: "backendError", AfterCommit: true}))
			}
			w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
			w.until("made")
			name := w.generated(80)
			w.wantBalancers(missing+" "+commit, append(append([]string{"backendServices " + name}, w.inAll("RATE 1e+08 1")...), "healthChecks "+name)...)
			w.check(w.RemoveService("shop", "web"))
			w.until("gone")
			w.wantBalancers(missing + " " + commit)
			if left := w.groups(); len(left) != 0 {
				t.Errorf("groups left: %v", left)
			}
		}
	}
}

// until looks as often as a message is delivered.
func (w *world) until(what string) {
	w.t.Helper()
	for range 5 {
		_, err := w.look()
		if err == nil {
			return
		}
		if neg.OutcomeOf(err) == neg.Blocked {
			w.t.Fatalf("%s: %v", what, err)
		}
	}
	w.t.Fatalf("%s: not after five looks", what)
}

// TestBackendCalls counts: what a look at a Service with a backend service costs more.
func TestBackendCalls(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
	w.mustLook()
	w.reset()
	w.mustLook()
	got := map[string]int{}
	for verb, calls := range w.gce.Stats().Verbs {
		got[verb] = int(calls)
	}
	want := map[string]int{"networkEndpointGroups.listNetworkEndpoints": 3, "backendServices.get": 1, "healthChecks.get": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a look that changes nothing (-want +got):\n%s", d)
	}
	if d := cmp.Diff("c1 get services: 1\nc1 list endpointslices: 1\nc1 list pods: 1", w.kube.Calls().String()); d != "" {
		t.Errorf("in the cluster (-want +got):\n%s", d)
	}
}

// TestLeftoverHealthCheck: the last of what goes is found again, though nothing names it.
func TestLeftoverHealthCheck(t *testing.T) {
	for _, same := range []bool{true, false} {
		w := newWorld(t, fakegce.Options{})
		w.start(3, with(exposed(port80), neg.AnnotationBackendService, asking))
		w.mustLook()
		w.check(w.gce.AddFaults(fakegce.Fault{Name: "delete", Verb: "healthChecks.delete", Status: 503, Reason: "backendError"}))
		w.check(w.RemoveService("shop", "web"))
		if _, err := w.look(); neg.OutcomeOf(err) != neg.Again {
			t.Fatalf("a health check that could not be deleted: %v", err)
		}
		w.wantBalancers("left over", "healthChecks "+w.generated(80))
		w.gce.ClearFaults()
		turn := reconcile.Turn{Began: func() {}, Rereads: func() {}}
		if !same { // another instance finds it when it is asked to look for all
			w.another()
			turn.Thorough = func() bool { return true }
		}
		_, err := w.r.Look(t.Context(), web, turn)
		w.check(err)
		w.wantBalancers("looked at again")
	}
}

// TestAutonegFinalizer: a Service that autoneg held does not hang for ever; it goes when
// nothing of it is left, and not before.
func TestAutonegFinalizer(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"]}`)
	w.check(w.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 2, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}}))
	w.check(w.AddService(service(with(exposed(port80), neg.AnnotationAutoneg, autone))))
	w.mustLook()
	w.finalize(neg.FinalizerAutoneg, "example.com/other")
	w.deleteService()
	w.check(w.gce.AddFaults(fakegce.Fault{Name: "busy", Verb: "backendServices.patch", Status: 503, Reason: "backendError"}))
	_, _ = w.look()
	if held := w.finalizers(); len(held) != 2 {
		t.Errorf("finalizers %v while the groups are still in the backend service", held)
	}
	w.gce.ClearFaults()
	w.until("gone")
	w.wantBalancers("gone", "backendServices shop", "healthChecks theirs")
	if held := w.finalizers(); len(held) != 1 || held[0] != "example.com/other" {
		t.Errorf("finalizers %v, want the other one alone", held)
	}
}

// deleteService asks the API server to, which waits for finalizers.
func (w *world) deleteService() {
	w.t.Helper()
	client, err := kubernetes.NewForConfig(w.config)
	w.check(err)
	w.check(client.CoreV1().Services("shop").Delete(w.t.Context(), "web", metav1.DeleteOptions{}))
}

func (w *world) finalizers() []string {
	w.t.Helper()
	svc, err := w.scope.Cluster.Service(w.t.Context(), web)
	w.check(err)
	if svc == nil {
		return nil
	}
	return svc.Finalizers
}

// both asks for two ports in one backend service of the user's.
const both = `{"backend_services":{"80":[{"name":"shop","max_rate_per_endpoint":100}],"443":[{"name":"shop","max_rate_per_endpoint":100}]}}`

// inShopAt counts the entries of the backend service shop for a port's groups.
func (w *world) inShopAt(port int32) (n int) {
	for _, line := range w.balancers() {
		if strings.Contains(line, "/"+w.generated(port)+" ") {
			n++
		}
	}
	return n
}

func (w *world) startBoth() {
	w.t.Helper()
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"]}`)
	w.start(6, with(exposed(`{"exposed_ports":{"80":{},"443":{}}}`), neg.AnnotationAutoneg, both))
	w.mustLook()
	if w.inShopAt(80) != 3 || w.inShopAt(443) != 3 {
		w.t.Fatalf("to begin with:\n%s", strings.Join(w.balancers(), "\n"))
	}
}

// TestSecondLookBeforeRemoval: all groups of a backend service are to go. By the second look
// they are not, and stay.
func TestSecondLookBeforeRemoval(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.startBoth()
	w.annotate(neg.AnnotationAutoneg, "{}")
	cluster := w.scope.Cluster
	w.scope.Cluster = &interrupted{Cluster: cluster, uid: func() {
		svc, err := cluster.Service(t.Context(), web)
		w.check(err)
		w.check(cluster.Annotate(t.Context(), svc, map[string]string{neg.AnnotationAutoneg: both}))
	}}
	w.mustLook()
	if w.inShopAt(80) != 3 || w.inShopAt(443) != 3 {
		t.Errorf("taken out on one look:\n%s", strings.Join(w.balancers(), "\n"))
	}
}

// TestNoMoreThanTwoLooksAgree: what the second look wants gone and the first did not waits for
// a look of its own.
func TestNoMoreThanTwoLooksAgree(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.startBoth()
	w.annotate(neg.AnnotationAutoneg, autone) // port 80 alone
	cluster := w.scope.Cluster
	w.scope.Cluster = &interrupted{Cluster: cluster, uid: func() {
		svc, err := cluster.Service(t.Context(), web)
		w.check(err)
		w.check(cluster.Annotate(t.Context(), svc, map[string]string{neg.AnnotationAutoneg: "{}"}))
	}}
	w.mustLook()
	if w.inShopAt(80) != 3 || w.inShopAt(443) != 0 {
		t.Errorf("want port 443 out, on which both looks agree, and port 80 in:\n%s", strings.Join(w.balancers(), "\n"))
	}
	if d := cmp.Diff([]int{1}, w.published); d != "" {
		t.Errorf("follow-up looks (-want +got):\n%s", d)
	}
	w.mustLook()
	if w.inShopAt(80) != 0 {
		t.Errorf("not gone after a look of its own:\n%s", strings.Join(w.balancers(), "\n"))
	}
}
