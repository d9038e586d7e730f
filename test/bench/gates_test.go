package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/functions/readiness"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

const listing = "networkEndpointGroups.listNetworkEndpoints"

// TestGateLag: 1,000 Pods of one Service turn healthy one after the other, over a minute. How
// long after is each one's gate open?
func TestGateLag(t *testing.T) {
	timed(t)
	got := openGates(t, 1, 1000, time.Minute)
	measured(t, "gates-lag-p50", got.lag(0.50), 1, "s")
	measured(t, "gates-lag-p99", got.lag(0.99), 3, "s")
	measured(t, "gates-listings-per-group", got.listings, 1, "calls/s")
	measured(t, "gates-rss", got.PeakMiB, 0, "MiB")
}

// TestGateBreadth: 200 Services roll at once, twelve Pods each, on one instance.
func TestGateBreadth(t *testing.T) {
	timed(t)
	got := openGates(t, 200, 12, time.Minute)
	measured(t, "gates-200-lag-p50", got.lag(0.50), 0, "s")
	measured(t, "gates-200-lag-max", got.lag(1), 0, "s")
	measured(t, "gates-200-listings", got.all, 0, "calls/s")
	measured(t, "gates-200-rss", got.PeakMiB, 200, "MiB")
}

// A gateReport is what opening gates cost, and how late each was.
type gateReport struct {
	PeakMiB  float64 // of the function's process
	lags     []time.Duration
	listings float64 // of the group that was listed most often, each second
	all      float64 // of all groups, each second
}

func (r gateReport) lag(share float64) float64 {
	return r.lags[int(share*float64(len(r.lags)-1))].Seconds()
}

// openGates has the Pods of n Services turn healthy over that time, in any order, while a
// process of its own follows them all, as one instance does.
func openGates(t *testing.T, n, pods int, over time.Duration) gateReport {
	nobody := func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("nobody there") }
	r := rig.Start(t, rig.Options{
		Project: fmt.Sprintf("bench-gates-%d", n), Clusters: []string{cluster}, Nodes: 30,
		GCE: fakegce.Options{CallLog: 1_000_000, HealthUnreached: true, Dial: nobody},
	})
	w := &world{Rig: r, World: r.Clusters[0].World, t: t, c: r.Clusters[0]}
	for i := range n {
		w.serveGated(service(i), pods)
		w.look(service(i))
	}
	w.check(w.GCE.ForceHealth(fakegce.HealthRule{State: neg.Unhealthy}))
	opened := w.watchGates()
	w.reset()
	done := make(chan error, 1)
	var got gateReport
	go func() { done <- w.followInChild(n, &got) }()
	select {
	case <-opened.begun:
	case err := <-done:
		t.Fatalf("it ended before anybody was healthy: %v", err)
	}
	healthy := w.turnHealthy(over)
	w.check(<-done)
	got.lags = opened.after(t, healthy)
	got.listings, got.all = w.listings()
	return got
}

// serveGated makes a Service that asks for a backend service, and Pods that wait for it.
func (w *world) serveGated(name string, pods int) {
	w.t.Helper()
	w.check(w.Deploy(fakekube.Deployment{Namespace: namespace, Name: name, Replicas: pods, Gates: []string{neg.GateNEG}}))
	w.check(w.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, neg.AnnotationBackendService: `{"80":{}}`,
		}},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}))
}

// An openings is when gates were opened, by the Pods' names.
type openings struct {
	mu    sync.Mutex
	at    map[string]time.Time
	begun chan struct{} // closed when the first condition is written
}

func (w *world) watchGates() *openings {
	o := &openings{at: map[string]time.Time{}, begun: make(chan struct{})}
	begin := sync.OnceFunc(func() { close(o.begun) })
	w.Kube.OnWrite(func(wr fakekube.Write) {
		p, ok := wr.Object.(*corev1.Pod)
		if !ok || wr.Subresource != "status" {
			return
		}
		for _, c := range p.Status.Conditions {
			if c.Type == neg.GateNEG {
				begin()
			}
			if c.Type == neg.GateNEG && c.Status == corev1.ConditionTrue {
				o.mu.Lock()
				o.at[p.Name] = time.Now()
				o.mu.Unlock()
			}
		}
	})
	return o
}

// after are the times from healthy to open, sorted.
func (o *openings) after(t *testing.T, healthy map[string]time.Time) (lags []time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for pod, at := range healthy {
		opened, ok := o.at[pod]
		if !ok {
			t.Fatalf("the gate of %s is shut", pod)
		}
		lags = append(lags, opened.Sub(at))
	}
	slices.Sort(lags)
	return lags
}

// turnHealthy has one Pod after the other found healthy.
func (w *world) turnHealthy(over time.Duration) map[string]time.Time {
	w.t.Helper()
	pods := fakekube.List[*corev1.Pod](w.c.Cluster, namespace, nil)
	rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	healthy := map[string]time.Time{}
	tick := time.NewTicker(over / time.Duration(len(pods)))
	defer tick.Stop()
	for _, p := range pods {
		<-tick.C
		w.check(w.GCE.ForceHealth(fakegce.HealthRule{Endpoint: p.Status.PodIP + ":8080", State: neg.Healthy}))
		healthy[p.Name] = time.Now()
	}
	return healthy
}

// listings is how often a second a group was listed at most, and all of them together.
func (w *world) listings() (most, all float64) {
	calls := w.GCE.Calls(fakegce.CallFilter{Verb: listing})
	first, last, n := map[string]time.Time{}, map[string]time.Time{}, map[string]int{}
	for _, c := range calls {
		if n[c.Path] == 0 {
			first[c.Path] = c.Time
		}
		last[c.Path] = c.Time
		n[c.Path]++
	}
	for path, count := range n {
		if span := last[path].Sub(first[path]); count > 1 {
			most = max(most, float64(count-1)/span.Seconds())
		}
	}
	span := calls[len(calls)-1].Time.Sub(calls[0].Time)
	return math.Round(100*most) / 100, float64(len(calls)) / span.Seconds()
}

const gatesEnv = "NEGFLEET_BENCH_GATES"

// followInChild runs this program again as nothing but the readiness function, with that many
// deliveries at once.
func (w *world) followInChild(n int, into *gateReport) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), gatesEnv+"="+strconv.Itoa(n))
	for name, value := range w.Instances[0].Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("child: %w", err)
	}
	return json.Unmarshal(out, into)
}

// gatesChild follows keys until all their gates are open, and reports.
func gatesChild() int {
	n, err := strconv.Atoi(os.Getenv(gatesEnv))
	var r gateReport
	if err == nil {
		r, err = followAll(n)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func followAll(n int) (r gateReport, err error) {
	f, err := readiness.FromEnv(os.Getenv, telemetry.New(io.Discard, 0))
	if err != nil {
		return r, err
	}
	answers := make(chan int, n)
	for i := range n {
		body, _, err := event.Encode(event.Message{Key: key(service(i)), Reason: "bench", Source: "reconcile", Observed: time.Now()})
		if err != nil {
			return r, err
		}
		go func() {
			req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			f.ServeHTTP(rec, req)
			answers <- rec.Code
		}()
	}
	for range n {
		if code := <-answers; code != http.StatusNoContent {
			return r, fmt.Errorf("answered %d", code)
		}
	}
	r.PeakMiB, err = peak()
	return r, err
}
