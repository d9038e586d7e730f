package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"golang.org/x/tools/txtar"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/negfleet/negfleet/functions/events"
	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// batchSize is the most that the shipped flags let a kube-apiserver send at once.
const batchSize = 100

// TestDecode: how fast entries become what they touched, on one core.
func TestDecode(t *testing.T) {
	timed(t)
	list := "{\"items\":[" + strings.Join(sliceEntries(t, 0, batchSize), ",") + "]}"
	perSecond, allocations, size := decodeRate(t, batchSize, func() int {
		n := 0
		if err := audit.DecodeList(strings.NewReader(list), func(e audit.Entry) { n += len(audit.Touches(e, audit.Rules{})) }); err != nil {
			t.Fatal(err)
		}
		return n
	})
	rate(t, "decode-list", perSecond, 5000, "entries/s")
	measured(t, "decode-list-allocations", allocations, 0, "an entry")
	measured(t, "decode-list-memory", size, 0, "bytes an entry")

	one := []byte(compact(t, "logentry/slice-patch"))
	perSecond, allocations, size = decodeRate(t, 1, func() int {
		e, err := audit.DecodeLogEntry(one)
		if err != nil {
			t.Fatal(err)
		}
		return len(audit.Touches(e, audit.Rules{}))
	})
	rate(t, "decode-logentry", perSecond, 5000, "entries/s")
	measured(t, "decode-logentry-allocations", allocations, 0, "an entry")
	measured(t, "decode-logentry-memory", size, 0, "bytes an entry")
}

// decodeRate runs decode, which must find want things, for a second.
func decodeRate(t *testing.T, want int, decode func() int) (perSecond, allocations, size float64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rounds, started := 0, time.Now()
	for ; time.Since(started) < time.Second; rounds++ {
		if got := decode(); got != want {
			t.Fatalf("found %d of %d", got, want)
		}
	}
	took := time.Since(started)
	runtime.ReadMemStats(&after)
	n := float64(rounds * want)
	return n / took.Seconds(), float64(after.Mallocs-before.Mallocs) / n, float64(after.TotalAlloc-before.TotalAlloc) / n
}

// TestPublish: from a request over loopback HTTP to a key that Pub/Sub has taken, every
// key another: as a kube-apiserver sends entries, and as Pub/Sub pushes them. Client,
// function and Pub/Sub share the machine.
func TestPublish(t *testing.T) {
	timed(t)
	const keys = 5000
	f := startEvents(t)
	perSecond, each := f.load(t, 4, keys/batchSize, func(i int) (string, string) {
		return f.path, "{\"items\":[" + strings.Join(sliceEntries(t, i*batchSize, batchSize), ",") + "]}"
	})
	rate(t, "publish-audit", perSecond*batchSize, 1500, "keys/s")
	measured(t, "publish-audit-request", each.Seconds()*1000, 0, "ms a batch of 100")
	f.checkKeys(t, keys)

	f = startEvents(t)
	perSecond, each = f.load(t, 32, keys, func(i int) (string, string) { return "/", logEntryPush(t, i) })
	rate(t, "publish-push", perSecond, 1500, "keys/s")
	measured(t, "publish-push-request", each.Seconds()*1000, 0, "ms, 32 at once")
	f.checkKeys(t, keys)

	f = startEvents(t)
	_, each = f.load(t, 1, 300, func(i int) (string, string) { return "/", logEntryPush(t, i) })
	measured(t, "publish-push-alone", each.Seconds()*1000, 0, "ms, one at a time")
	entry := load{requests: 1, billed: least, cpu: 1, memory: 0.5, published: 1, delivered: 1, bytes: float64(len(logEntryPush(t, 0)))}
	measured(t, "cost-events-alone", entry.dollars(), 0, "$ a million entries, each alone")
	entry.billed = 1 / perSecond
	measured(t, "cost-events-busy", entry.dollars(), 0, "$ a million entries, as many as it takes")
}

// A function is the events function behind HTTP, with an in-memory Pub/Sub server.
type function struct {
	url, path string
	broker    *pstest.Server
}

func startEvents(t *testing.T) *function {
	t.Helper()
	broker := pstest.NewServerWithAddress("127.0.0.1:0")
	t.Cleanup(func() { broker.Close() })
	if _, err := broker.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: "projects/demo/topics/" + event.TopicKeys}); err != nil {
		t.Fatal(err)
	}
	publisher := event.NewPublisher(event.PublisherOptions{Project: "demo", Client: []option.ClientOption{
		option.WithEndpoint(broker.Addr), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}})
	t.Cleanup(func() { publisher.Close() })
	keys, err := caller.ParseKeys(strings.Repeat("5e", 32))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := events.New(events.Options{
		Accept: events.Accept{Push: true, Audit: true}, Keys: keys, Fleet: oneCluster{}, Services: noReads{},
		Publisher: publisher, Log: telemetry.New(io.Discard, slog.LevelInfo),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	path, err := keys.Sign(cluster)
	if err != nil {
		t.Fatal(err)
	}
	return &function{url: server.URL, path: path, broker: broker}
}

// load sends n requests, so many at once, and returns how many were answered in a second
// and how long one took on average.
func (f *function) load(t *testing.T, clients, n int, request func(i int) (path, body string)) (perSecond float64, each time.Duration) {
	t.Helper()
	paths, bodies := make([]string, n), make([]string, n)
	for i := range n {
		paths[i], bodies[i] = request(i)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var next, took atomic.Int64
	var wg sync.WaitGroup
	started := time.Now()
	for range clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				answer, err := client.Post(f.url+paths[i], "application/json", strings.NewReader(bodies[i]))
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
				if answer.StatusCode/100 != 2 {
					t.Errorf("status %d", answer.StatusCode)
				}
				took.Add(int64(time.Since(began)))
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(started).Seconds(), time.Duration(took.Load() / int64(n))
}

// checkKeys: what was answered was published, each key once.
func (f *function) checkKeys(t *testing.T, want int) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range f.broker.Messages() {
		seen[m.Attributes["service"]] = true
	}
	if got := len(f.broker.Messages()); got != want || len(seen) != want {
		t.Errorf("%d messages of %d keys, want %d", got, len(seen), want)
	}
}

// compact is an entry of shared/audit's goldens in one line.
func compact(t *testing.T, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile("../../shared/audit/testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, archive.Files[0].Data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sliceEntries are n audit entries of slices, each of another Service.
func sliceEntries(t *testing.T, from, n int) []string {
	t.Helper()
	_, one, _ := strings.Cut(compact(t, "list/slice-update"), `"items":[`)
	one = strings.TrimSuffix(one, "]}")
	all := make([]string, n)
	for i := range all {
		all[i] = of(one, from+i)
	}
	return all
}

// of makes an entry that of another Service.
func of(entry string, i int) string {
	return strings.ReplaceAll(entry, `"kubernetes.io/service-name":"web"`, fmt.Sprintf(`"kubernetes.io/service-name":"web-%d"`, i))
}

func logEntryPush(t *testing.T, i int) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"message":      map[string]any{"data": []byte(of(compact(t, "logentry/slice-patch"), i)), "messageId": fmt.Sprint(i), "publishTime": "2026-11-20T10:00:00.2Z"},
		"subscription": "projects/demo/subscriptions/negfleet-audit-events",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// oneCluster is a fleet whose only cluster everything is about.
type oneCluster struct{}

func (oneCluster) ClusterOf(string, string, string) (string, bool) { return cluster, true }
func (oneCluster) Known(name string) bool                          { return name == cluster }
func (oneCluster) Identities() []string                            { return nil }

// noReads are the reads of a cluster that entries with their objects do not need.
type noReads struct{ events.Services }

func (noReads) Selectors(context.Context, string, string) (map[string]map[string]string, error) {
	panic("an entry without its object")
}
