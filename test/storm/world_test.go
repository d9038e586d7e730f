package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	function "github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// A storm is the world of one seed.
type storm struct {
	*rig.Rig
	t       *testing.T
	project string
	rand    *rand.Rand
	apps    []*app
	byName  map[string]*app // of any group that an app may have
	wire    wire
	fought  *app // whose groups a rival meddles with
	looks   looks
	calm    atomic.Bool // the weather has cleared
	past    map[*app][]moment
	sent    *evidence
	foreign []fakegce.Group
	shared  []string                    // entries of others in the shared backend service, raw
	weather []func()                    // lifts what is wrong in the clusters
	down    map[string]fakegce.Instance // deleted, by name
	hand    int                         // calls made by people
	counts  map[string]int
	phases  []string
	since   time.Time // the end of the last phase
}

// foreignName is a group that someone else made; an app asks for the same name.
const foreignName = "theirs"

func newStorm(t *testing.T, seed uint64) *storm {
	s := &storm{t: t, project: fmt.Sprint("storm-", seed), rand: rand.New(rand.NewPCG(seed, 1)), byName: map[string]*app{}, past: map[*app][]moment{}, sent: newEvidence(), down: map[string]fakegce.Instance{}, counts: map[string]int{}, since: time.Now()}
	pick := rand.New(rand.NewPCG(seed, 2))
	var mu sync.Mutex
	s.Rig = rig.Start(t, rig.Options{
		Project: s.project, Clusters: []string{"east", "west"}, Nodes: 6, Room: 40, Instances: 2,
		GCE: s.switches(rand.New(rand.NewPCG(seed, 3))), Watch: s.sent.watch, Log: s.log(),
		Env: map[string]string{"NEGFLEET_LOOK_INTERVAL": "20ms", "NEGFLEET_DELETION_GRACE": "50ms", "NEGFLEET_IDENTITIES": rig.User},
		Push: pubsub.Subscription{AckDeadline: 2 * time.Minute, MinBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond,
			DeadLetterTopic: "negfleet-dead"},
		Pick: func() int {
			mu.Lock()
			defer mu.Unlock()
			return pick.IntN(2)
		},
		Twice: func() bool {
			mu.Lock()
			defer mu.Unlock()
			return !s.calm.Load() && pick.IntN(10) == 0
		},
		Adjust: s.adjust,
	})
	s.wire.podsOnly = seed%2 == 0
	s.Kube.Seed(seed)
	s.Kube.OnWrite(s.wire.heard)
	s.addForeign()
	s.addShared()
	for _, c := range s.Clusters {
		s.apps = append(s.apps, newApps(c)...)
	}
	s.fought = s.apps[0]
	for _, a := range s.apps {
		s.start(a)
	}
	s.rough()
	return s
}

// adjust counts the looks of a function, and shortens its waits as the other times are.
func (s *storm) adjust(f *function.Function) {
	f.Turns.Waits = []time.Duration{10 * time.Millisecond, 30 * time.Millisecond}
	look := f.Look
	f.Look = func(ctx context.Context, k neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
		s.looks.add(k)
		return look(ctx, k, turn)
	}
}

// looks are counted by key.
type looks struct {
	mu sync.Mutex
	n  map[neg.Key]int
}

func (l *looks) add(k neg.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == nil {
		l.n = map[neg.Key]int{}
	}
	l.n[k]++
}

// reset returns what was counted.
func (l *looks) reset() map[neg.Key]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.n
	l.n = nil
	return n
}

// switches sets what nobody has documented at random; those that came later have a source
// of their own, so that seeds keep what they were.
func (s *storm) switches(later *rand.Rand) fakegce.Options {
	o := fakegce.Options{
		AttachExisting: pickOne(s.rand, fakegce.Invalid, fakegce.NotFound, fakegce.Idempotent),
		DetachAbsent:   pickOne(s.rand, fakegce.Invalid, fakegce.NotFound, fakegce.Idempotent),
		InstanceEcho:   pickOne(s.rand, "url", "name"),
		CommitAt:       pickOne(s.rand, "done", "accept"),
		RequestIDReuse: pickOne(s.rand, "replay", "conflict"),
		RejectOverlap:  s.rand.IntN(5) == 0,
		OpLatency:      time.Duration(s.rand.IntN(5)) * time.Millisecond,
		OpJitter:       time.Duration(s.rand.IntN(5)) * time.Millisecond,

		Texts:           pickOne(later, "likely", "other"),
		RequestIDWindow: pickOne(later, time.Hour, 20*time.Millisecond, -1),
	}
	s.t.Logf("switches: %+v", o)
	return o
}

func pickOne[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// log keeps what the functions say until the test fails.
func (s *storm) log() *slog.Logger {
	var out lockedBuffer
	s.t.Cleanup(func() {
		if s.t.Failed() && *logFlag {
			s.t.Log(out.String())
		}
	})
	return slog.New(slog.NewTextHandler(&out, nil))
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// start makes an app's Pods and Service.
func (s *storm) start(a *app) {
	for _, name := range a.names() {
		s.byName[name] = a
	}
	ports := []corev1.ContainerPort{{Name: "http", ContainerPort: targets[80]}, {Name: "https", ContainerPort: targets[443]}}
	s.must(a.cluster.World.Deploy(fakekube.Deployment{Namespace: namespace, Name: a.key.Service, Replicas: s.rand.IntN(6), Ports: ports}))
	if a.asks {
		s.must(a.cluster.Apply(a.ingressObject()))
	}
	s.change(a, func() error {
		a.exists = true
		return a.cluster.World.AddService(a.service())
	})
}

// addForeign makes groups that are not ours, some of which look as if they were.
func (s *storm) addForeign() {
	uid := string(s.Clusters[0].UID())
	token := neg.Token(uid, neg.Key{Cluster: "east", Namespace: namespace, Service: "generated-0"})
	forged := neg.OwnerOf(uid, neg.Key{Cluster: "east", Namespace: namespace, Service: "generated-0"}, 80)
	forged.UID = "11111111-2222-3333-4444-555555555555"
	forgeries := []string{forged.Description(), "mentions " + token, `{"negfleet":1,"token":"` + token + `"`}
	for i, zone := range rig.Zones {
		vm := fakegce.Instance{Zone: zone, Name: "theirs", IP: fmt.Sprint("10.128.9.", i+2)}
		s.must(s.GCE.Seed(fakegce.Seed{Projects: []string{s.project}, Instances: []fakegce.Instance{vm}}))
		s.foreignGroup(vm, foreignName, "made by hand")
		s.foreignGroup(vm, fmt.Sprint("foreign-", i), forgeries[i])
	}
	s.foreign = s.foreignGroups()
}

func (s *storm) foreignGroup(vm fakegce.Instance, name, description string) {
	groups := "zones/" + vm.Zone + "/networkEndpointGroups"
	s.finished(vm.Zone, groups, fmt.Sprintf(`{"name":%q,"networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, name, description))
	s.finished(vm.Zone, groups+"/"+name+"/attachNetworkEndpoints", endpointsBody(vm.Name, vm.IP, 80))
}

// finished makes a call by hand and waits for its operation.
func (s *storm) finished(zone, path, body string) {
	answer, err := s.byHand("POST", path, body)
	s.must(err)
	var op struct{ Name string }
	s.must(json.Unmarshal(answer, &op))
	_, err = s.byHand("POST", "zones/"+zone+"/operations/"+op.Name+"/wait", "")
	s.must(err)
}

func endpointsBody(instance, ip string, port int) string {
	return fmt.Sprintf(`{"networkEndpoints":[{"instance":%q,"ipAddress":%q,"port":%d}]}`, instance, ip, port)
}

func (s *storm) foreignGroups() []fakegce.Group {
	var out []fakegce.Group
	for _, g := range s.GCE.Groups() {
		if s.byName[g.Name] == nil {
			out = append(out, g)
		}
	}
	return out
}

// handID starts the request ids of calls that people make.
const handID = "0a4d0000-0000-4000-8000-"

// byHand is a call to the Compute API that negfleet does not make.
func (s *storm) byHand(method, path, body string) ([]byte, error) {
	s.hand++
	return s.send(method, fmt.Sprintf("%sprojects/%s/%s?requestId=%s%012d", s.ComputeAt, s.project, path, handID, s.hand), body)
}

// send is what people do.
func (s *storm) send(method, url, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, answer.Status, text)
	}
	return text, err
}

func (s *storm) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
