package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

// Whoever does not know a path learns the same from every answer.
func TestStrangers(t *testing.T) {
	w := newWorld(t, nil)
	signed, err := w.Keys.Sign("prod")
	w.check(err)
	review := w.review("prod/deployment")
	for _, path := range []string{"/", "/v1/", "/v1/prod/", signed + "x", strings.Replace(signed, "prod", "gke", 1), strings.ToUpper(signed)} {
		got := w.post(path, review)
		if got.Code != http.StatusNotFound || got.Body.String() != "Not Found\n" {
			t.Errorf("%s: %d %q", path, got.Code, got.Body)
		}
	}
	if strings.Contains(w.logs.String(), signed) {
		t.Error("the log has a path")
	}
}

// Only what is no AdmissionReview is refused.
func TestWhatIsNoReview(t *testing.T) {
	w := newWorld(t, nil)
	good := string(w.review("prod/deployment"))
	for name, c := range map[string]struct {
		method, contentType, body string
		status                    int
	}{
		"GET":              {http.MethodGet, "application/json", good, 405},
		"no type":          {http.MethodPost, "", good, 415},
		"protobuf":         {http.MethodPost, "application/vnd.kubernetes.protobuf", good, 415},
		"with a charset":   {http.MethodPost, "application/json; charset=utf-8", good, 200},
		"nothing":          {http.MethodPost, "application/json", "", 400},
		"cut off":          {http.MethodPost, "application/json", good[:len(good)/2], 400},
		"another kind":     {http.MethodPost, "application/json", strings.Replace(good, `"AdmissionReview"`, `"PodList"`, 1), 400},
		"v1beta1":          {http.MethodPost, "application/json", strings.Replace(good, "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1), 400},
		"no request":       {http.MethodPost, "application/json", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400},
		"no uid":           {http.MethodPost, "application/json", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}`, 400},
		"larger than fits": {http.MethodPost, "application/json", `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 413},
	} {
		r := httptest.NewRequest(c.method, w.path("prod"), strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		got := httptest.NewRecorder()
		w.ServeHTTP(got, r)
		if got.Code != c.status {
			t.Errorf("%s: status %d, want %d", name, got.Code, c.status)
		}
	}
}

func TestBudget(t *testing.T) {
	for timeout, want := range map[string]time.Duration{
		"3s": 2700 * time.Millisecond, "": 2700 * time.Millisecond, "soon": 2700 * time.Millisecond, "-1s": 2700 * time.Millisecond,
		"100ms": 50 * time.Millisecond, "1ms": 500 * time.Microsecond, "1h": 27 * time.Second,
	} {
		if got := budget(timeout); got != want {
			t.Errorf("timeout=%s: %s, want %s", timeout, got, want)
		}
	}
}

// TestSlowBody: the API server's time runs while the body comes.
func TestSlowBody(t *testing.T) {
	var left time.Duration
	w := newWorld(t, nil)
	w.Reads = readsUntil(func(ctx context.Context) {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
	})
	review := w.review("prod/deployment")
	body := io.MultiReader(bytes.NewReader(review[:10]), reading(func() { w.advance(2 * time.Second) }), bytes.NewReader(review[10:]))
	r := httptest.NewRequest(http.MethodPost, w.path("prod"), body)
	r.Header.Set("Content-Type", "application/json")
	got := httptest.NewRecorder()
	w.ServeHTTP(got, r)
	if response := w.valid(review, got); response.AuditAnnotations["missed"] == "" {
		t.Errorf("got %+v", response)
	}
	if left <= 0 || left > 700*time.Millisecond {
		t.Errorf("%v are left of 2.7 s after 2 s", left)
	}
}

// reading does something when it is its turn to be read, and ends.
type reading func()

func (r reading) Read([]byte) (int, error) { r(); return 0, io.EOF }

// readsUntil are reads that see who asks, and then fail.
type readsUntil func(ctx context.Context)

func (r readsUntil) Namespace(ctx context.Context, _, _ string, _ time.Time, _ func(mutate.Namespace) bool) (mutate.Namespace, error) {
	r(ctx)
	return mutate.Namespace{}, errors.New("not read")
}

func (readsUntil) Alive(context.Context, string, time.Time) (bool, error) { return false, nil }
func (readsUntil) Sleep(context.Context, string, time.Time) (bool, error) { return false, nil }

// Invariant 5: whatever goes wrong, the answer is allowed, unchanged, with the reason.
func TestTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		cluster string
		change  func(*Options)
		fault   *fakekube.Fault
		missed  string
	}{
		"panic":              {"prod", func(o *Options) { o.Policy = func(string, string) (mutate.Policy, error) { panic("oops") } }, nil, "Panic"},
		"unknown cluster":    {"elsewhere", nil, nil, "ClusterUnknown"},
		"no kubeconfig":      {"prod", func(o *Options) { o.Policy, o.Reads = withoutKubeconfig() }, nil, "KubeconfigInvalid"},
		"cluster down":       {"down", nil, nil, "ClusterUnreachable"},
		"services forbidden": {"prod", nil, &fakekube.Fault{Resource: "services", Status: 403}, "ClusterPermissionDenied"},
		"lease forbidden":    {"prod", nil, &fakekube.Fault{Resource: "leases", Status: 403}, "ClusterPermissionDenied"},
		"half a list":        {"prod", nil, &fakekube.Fault{Resource: "ingresses", Status: 500}, "ClusterUnreachable"},
		"no answer":          {"prod", nil, &fakekube.Fault{Resource: "services", Unreachable: true}, "Deadline"},
		"no answer on lease": {"prod", nil, &fakekube.Fault{Resource: "leases", Unreachable: true}, "Deadline"},
		"fleet file is wrong": {"prod", func(o *Options) {
			o.Policy = fleetAt("testdata/objects.yaml", slog.New(slog.DiscardHandler), time.Now).policy
		}, nil, "FleetFileInvalid"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.change)
			if c.fault != nil {
				defer w.kube.Inject(*c.fault).Lift()
			}
			review := w.review("prod/deployment")
			path := strings.Replace(w.path(c.cluster), "3s", "300ms", 1)
			began := time.Now()
			response := w.valid(review, w.post(path, review))
			if response.Patch != nil || len(response.Warnings) != 1 || response.AuditAnnotations["missed"] != c.missed {
				t.Errorf("got %+v, want unchanged and missed: %s", response, c.missed)
			}
			if took := time.Since(began); took > 5*300*time.Millisecond {
				t.Errorf("answered after %s of 300ms", took)
			}
			if !strings.Contains(w.logs.String(), `"reason":"`+c.missed+`"`) {
				t.Errorf("log %s", w.logs)
			}
		})
	}
}

// withoutKubeconfig is a fleet whose kubeconfig is not there.
func withoutKubeconfig() (func(string, string) (mutate.Policy, error), Reads) {
	f := fleetAt("testdata/fleet.yaml", slog.New(slog.DiscardHandler), time.Now)
	return f.policy, newReads(f.config, time.Now)
}

// A Service and its Pods may be applied at once: that no Service selects a Pod is believed
// only of a list that began after the Pod's review came in.
func TestAServiceThatWasJustMade(t *testing.T) {
	w := newWorld(t, nil)
	late := strings.Replace(string(w.review("prod/deployment")), `"app": "web"`, `"app": "late"`, 1)
	if r := w.ask("prod", []byte(late)); r.Patch != nil {
		t.Fatalf("patch %s", r.Patch)
	}
	w.check(w.kube.Cluster("prod").Apply(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "late", Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "late"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}))
	if r := w.ask("prod", []byte(late)); r.Patch == nil {
		t.Error("no gate for a Service that exists")
	}
}

// Matches do not read the cluster each time; what they rest on is a few seconds old at most.
func TestReadsOfManyMatches(t *testing.T) {
	w := newWorld(t, nil)
	review := w.review("prod/deployment")
	var wg sync.WaitGroup
	w.ask("prod", review)
	w.kube.ResetCalls()
	for range 100 {
		wg.Go(func() { w.ask("prod", review) })
	}
	wg.Wait()
	if n := w.kube.Calls().Count("", ""); n != 0 {
		t.Errorf("%d calls for 100 Pods that match, want none", n)
	}
	w.advance(namespaceAge + time.Second)
	w.ask("prod", review)
	w.advance(leaseAge)
	w.ask("prod", review)
	want := fakekube.Calls{
		{Cluster: "prod", Verb: "list", Resource: "services"}: 2, {Cluster: "prod", Verb: "list", Resource: "ingresses"}: 2,
		{Cluster: "prod", Verb: "get", Resource: "leases"}: 1,
	}
	if d := cmp.Diff(want, w.kube.Calls()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The gate comes back as soon as the Lease is renewed, and goes when it is not.
func TestTheLease(t *testing.T) {
	w := newWorld(t, nil)
	review := w.review("prod/deployment")
	step := func(what string, after time.Duration, gated bool) {
		t.Helper()
		w.advance(after)
		if r := w.ask("prod", review); (r.Patch != nil) != gated {
			t.Errorf("%s: patch %s", what, r.Patch)
		}
	}
	step("renewed", 0, true)
	step("24 minutes later", 24*time.Minute, true)
	step("25 minutes later", time.Minute, false)
	w.renew("prod", w.clock())
	step("renewed again", 0, true)
	w.advance(leaseAge)
	w.renew("prod", w.clock().Add(100*24*time.Hour))
	step("renewed in a hundred days, by whoever writes that", leaseAge, false)
	w.renew("prod", w.clock().Add(time.Minute))
	step("renewed by a clock that is ahead", 0, true)
	w.check(w.kube.Cluster("prod").Delete(lease()))
	step("deleted, but seen lately", time.Second, true)
	step("deleted", leaseAge, false)
}

func TestHints(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("prod", w.review("prod/dry-run"))
	if got := w.hints(); len(got) > 0 {
		t.Errorf("a dry run hints at %v", got)
	}
	for range 3 {
		w.ask("prod", w.review("prod/deployment"))
	}
	w.ask("prod", w.review("prod/service"))
	w.ask("prod", w.review("prod/service"))
	w.advance(hintEvery)
	w.ask("prod", w.review("prod/deployment"))
	want := []string{"prod/shop/web", "prod/shop/api", "prod/shop/api", "prod/shop/web"}
	if d := cmp.Diff(want, w.hints()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if m := w.published[0]; m.Source != "admission" || m.Reason != "pods create " || m.Observed.IsZero() {
		t.Errorf("message %+v", m)
	}
	if _, _, err := event.Encode(w.published[0]); err != nil {
		t.Error(err)
	}
}

// A Pub/Sub that refuses, or does not answer, costs the request at most hintTime and never
// its patch.
func TestHintsThatFail(t *testing.T) {
	for name, publish := range map[string]func(context.Context) error{
		"refused":   func(context.Context) error { return errors.New("no") },
		"no answer": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"deaf":      func(ctx context.Context) error { <-ctx.Done(); <-time.After(time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.ask("prod", w.review("prod/dry-run")) // reads the cluster
			w.publish = publish
			began := time.Now()
			if r := w.ask("prod", w.review("prod/deployment")); r.Patch == nil {
				t.Error("no patch")
			}
			if took := time.Since(began); took > 5*hintTime {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestPublishingIsBounded: where Pub/Sub hangs for good, hints are left out, not piled up.
func TestPublishingIsBounded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var mu sync.Mutex
	running := 0
	h := &hints{now: time.Now, publish: func(context.Context, string, ...event.Message) error {
		mu.Lock()
		running++
		mu.Unlock()
		<-release
		return nil
	}}
	w := newWorld(t, nil)
	request, _ := readRequest(httptest.NewRecorder(), requestOf(w.review("prod/service")))
	for range 2 * maxHints {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h.send(ctx, "prod", request, []string{"web"})
	}
	mu.Lock()
	defer mu.Unlock()
	if running > maxHints {
		t.Errorf("%d publishes at once, want at most %d", running, maxHints)
	}
}
