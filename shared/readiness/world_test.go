package readiness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

const (
	listing = "networkEndpointGroups.listNetworkEndpoints"
	reading = "backendServices.get"
)

var web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}

// A world is the follower with the real adapters before an emulated cluster and cloud, and
// the real reconcile function beside it. Time is the test's: it goes on when the follower
// waits for it.
type world struct {
	*readiness.Follower
	t     testing.TB
	rig   *rig.Rig
	clock *clock
	name  string // of the project
	skip  string // of the scope
	open  string // likewise

	foreign bool // of the scope; its zones are none then

	mu        sync.Mutex
	asked     []neg.Key // of reconcile
	published []neg.Key // once more
}

func newWorld(t testing.TB, nodes int) *world {
	return newWorldUnder(t, nodes, fakegce.Options{HealthUnreached: true})
}

// newWorldUnder is a world under some switches of the cloud.
func newWorldUnder(t testing.TB, nodes int, switches fakegce.Options) *world {
	return newWorldOf(t, rig.Options{Nodes: nodes, GCE: switches})
}

// nobody answers a probe.
func nobody(context.Context, string, string) (net.Conn, error) {
	return nil, fmt.Errorf("nobody there")
}

func newWorldOf(t testing.TB, o rig.Options) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), name: strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "", " ", "-").Replace(t.Name()))}
	w.name = "r-" + w.name[max(0, len(w.name)-20):]
	o.Project, o.Clusters = w.name, []string{"c1"}
	o.GCE.Dial = nobody
	o.Env = map[string]string{"NEGFLEET_LOOK_INTERVAL": "0s", "NEGFLEET_DELETION_GRACE": "0s"}
	w.rig = rig.Start(t, o)
	w.Follower = w.instance()
	return w
}

// instance is one more instance of the function's heart.
func (w *world) instance() *readiness.Follower {
	w.t.Helper()
	c := w.rig.Clusters[0]
	cluster, err := kube.New("c1", c.Config(w.rig.KubeAt, "negfleet-readiness"), w.clock.Now)
	w.check(err)
	cloud, err := gce.New(w.t.Context(), gce.Options{
		Project: w.name, Network: "default", Subnetwork: "default", Endpoint: w.rig.ComputeAt,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	w.check(err)
	zones := []neg.Zone{}
	for _, z := range rig.Zones {
		zones = append(zones, neg.Zone(z))
	}
	f := readiness.New(500*time.Second, slog.New(slog.DiscardHandler))
	f.Now, f.After = w.clock.Now, w.clock.After
	f.Open = func(context.Context, string) (readiness.Scope, error) {
		if w.foreign {
			zones = nil
		}
		return readiness.Scope{
			UID: string(c.UID()), Project: w.name, Zones: zones, Gates: []string{neg.GateNEG, neg.GateLoadBalancer},
			Skip: w.skip, Open: w.open, Foreign: w.foreign, Cluster: cluster, Cloud: cloud,
		}, nil
	}
	f.Reconcile = func(_ context.Context, k neg.Key) error { return w.noted(&w.asked, k) }
	f.Again = func(_ context.Context, k neg.Key) error { return w.noted(&w.published, k) }
	return f
}

func (w *world) noted(list *[]neg.Key, k neg.Key) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, k)
	return nil
}

// keys are those noted in a list.
func (w *world) keys(list *[]neg.Key) []neg.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(*list)
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fleet() *rig.Cluster { return w.rig.Clusters[0] }

// serve makes shop/NAME, which asks for groups at port 80 of Pods app=NAME.
func (w *world) serve(name string, annotations map[string]string) {
	w.t.Helper()
	if annotations == nil {
		annotations = map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}
	}
	w.check(w.fleet().Apply(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: annotations},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}))
}

// deploy starts gated Pods app=NAME.
func (w *world) deploy(name string, n int) {
	w.t.Helper()
	w.check(w.fleet().World.Deploy(fakekube.Deployment{Namespace: "shop", Name: name, Replicas: n, Gates: []string{neg.GateNEG}}))
	w.clock.catchUp()
}

// reconcile has the reconcile function look at shop/NAME.
func (w *world) reconcile(name string) {
	w.t.Helper()
	k := web
	k.Service = name
	data, _, err := event.Encode(event.Message{Key: k, Reason: "test", Source: "test", Observed: time.Now()})
	w.check(err)
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.rig.Instances[0].Function.ServeHTTP(rec, req)
	if rec.Code != http.StatusNoContent {
		w.t.Fatalf("reconcile %s: %d", k, rec.Code)
	}
}

// balance puts the groups of shop/NAME in those zones into a backend service of that name.
func (w *world) balance(name string, zones ...string) {
	w.t.Helper()
	group := neg.GroupName(string(w.fleet().UID()), neg.Key{Cluster: "c1", Namespace: "shop", Service: name}, 80)
	backends := []map[string]any{}
	for _, z := range zones {
		backends = append(backends, map[string]any{
			"group": "zones/" + z + "/networkEndpointGroups/" + group, "balancingMode": "RATE", "maxRatePerEndpoint": 100,
		})
	}
	w.compute("global/healthChecks", map[string]any{"name": name, "type": "TCP", "tcpHealthCheck": map[string]any{"portSpecification": "USE_SERVING_PORT"}})
	w.compute("global/backendServices", map[string]any{"name": name, "protocol": "HTTP", "healthChecks": []string{"global/healthChecks/" + name}, "backends": backends})
}

// compute makes something by hand.
func (w *world) compute(collection string, body map[string]any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.check(err)
	res, err := http.Post(w.rig.ComputeAt+"projects/"+w.name+"/"+collection, "application/json", bytes.NewReader(data))
	w.check(err)
	defer res.Body.Close()
	if answer, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %s", collection, res.Status, answer)
	}
}

// health forces what is said of a Pod, of all when it is nil.
func (w *world) health(pod *corev1.Pod, state string) {
	w.t.Helper()
	rule := fakegce.HealthRule{State: state}
	if pod != nil {
		rule.Endpoint = pod.Status.PodIP + ":8080"
	}
	w.check(w.rig.GCE.ForceHealth(rule))
}

// pods are those app=NAME, by name.
func (w *world) pods(name string) []*corev1.Pod {
	return fakekube.List[*corev1.Pod](w.fleet().Cluster, "shop", map[string]string{"app": name})
}

// gate is the condition of a Pod; its zero value when there is none.
func gate(p *corev1.Pod) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == neg.GateNEG {
			return c
		}
	}
	return corev1.PodCondition{}
}

// opened counts the Pods app=NAME whose gate is open.
func (w *world) opened(name string) (n int) {
	for _, p := range w.pods(name) {
		if gate(p).Status == corev1.ConditionTrue {
			n++
		}
	}
	return n
}

// expect asserts status, reason and a part of the message of all Pods app=NAME.
func (w *world) expect(name, status, reason, text string) {
	w.t.Helper()
	pods := w.pods(name)
	if len(pods) == 0 {
		w.t.Errorf("no Pods %s", name)
	}
	for _, p := range pods {
		if c := gate(p); string(c.Status) != status || c.Reason != reason || !strings.Contains(c.Message, text) {
			w.t.Errorf("%s: gate %q %s: %s\nwant %q %s: %s", p.Name, c.Status, c.Reason, c.Message, status, reason, text)
		}
	}
}

// listings is how often a method was called.
func (w *world) calls(verb string) int { return int(w.rig.GCE.Stats().Verbs[verb]) }

// A delivery is one that is followed.
type delivery struct {
	w     *world
	ended chan struct{}
	err   error
	stop  context.CancelFunc
}

func (w *world) follow(f *readiness.Follower, k neg.Key) *delivery {
	ctx, stop := context.WithCancel(w.t.Context())
	d := &delivery{w: w, ended: make(chan struct{}), stop: stop}
	go func() {
		defer close(d.ended)
		d.err = f.Follow(ctx, k)
	}()
	w.t.Cleanup(func() { stop(); <-d.ended })
	return d
}

// look lets the look that runs come to its end; false when the delivery ended with it.
func (d *delivery) look() bool {
	select {
	case <-d.w.clock.parked:
		d.w.clock.parked <- struct{}{}
		return true
	case <-d.ended:
		return false
	}
}

// step lets time go on to the next look, and that look come to its end.
func (d *delivery) step() bool {
	if !d.look() {
		return false
	}
	<-d.w.clock.parked
	d.w.clock.next()
	return d.look()
}

// pass is steps until so much time is over.
func (d *delivery) pass(t time.Duration) {
	for until := d.w.clock.Now().Add(t); d.w.clock.Now().Before(until) && d.step(); {
	}
}

// end is how the delivery ends, within so many looks.
func (d *delivery) end(looks int) error {
	d.w.t.Helper()
	for range looks {
		if !d.step() {
			return d.err
		}
	}
	d.w.t.Fatalf("not at its end after %d looks", looks)
	return nil
}

// A clock stands still but for next.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
	parked chan struct{} // one for each wait that began
	passed func(time.Duration)
}

type timer struct {
	at time.Time
	c  chan time.Time
}

func newClock() *clock {
	return &clock{now: time.Now().Truncate(time.Second), parked: make(chan struct{}, 1000)}
}

// catchUp sets the clock to the real time, which the cluster's objects have, if it is behind.
func (c *clock) catchUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now().Truncate(time.Second); now.After(c.now) {
		c.now = now
	}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- c.now
		return t.c
	}
	c.timers = append(c.timers, t)
	c.parked <- struct{}{}
	return t.c
}

// forget drops the timers that nobody waits for any more.
func (c *clock) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers, c.parked = nil, make(chan struct{}, cap(c.parked))
}

// next goes on to the earliest timer.
func (c *clock) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(c.timers, func(a, b timer) int { return a.at.Compare(b.at) })
	t := c.timers[0]
	c.timers = c.timers[1:]
	if c.passed != nil {
		c.passed(t.at.Sub(c.now))
	}
	c.now = t.at
	t.c <- t.at
}

func (w *world) service(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name}
}
