package bench

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
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/admission"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/neg"
)

var webhookKey = strings.Repeat("5e", 32)

// webhookEnv is the environment of an admission function before the world's cluster, which
// has 100 Services in the namespace and a Lease that is fresh.
func webhookEnv(t *testing.T) (env map[string]string, path string) {
	t.Helper()
	w := newWorld(t, 3, nil)
	for i := range 100 {
		w.serve(service(i))
	}
	w.check(w.c.Apply(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: neg.LeaseNamespace, Name: neg.LeaseName},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: time.Now()}},
	}))
	env = map[string]string{"NEGFLEET_CALLER_KEYS": webhookKey}
	for k, v := range w.Instances[0].Env {
		env[k] = v
	}
	keys, err := caller.ParseKeys(webhookKey)
	w.check(err)
	path, err = keys.Sign(cluster)
	w.check(err)
	return env, path + "?timeout=3s"
}

// podReview is what an API server asks about a Deployment's Pod of that app.
func podReview(t *testing.T, app string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../admission/testdata/reviews/prod/deployment.review.json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(data, []byte(`"app": "web"`), fmt.Appendf(nil, `"app": %q`, app), 1)
}

// TestAdmissionLatency asks the handler over loopback 500 times a second.
func TestAdmissionLatency(t *testing.T) {
	timed(t)
	env, path := webhookEnv(t)
	h, err := admission.FromEnv(func(name string) string { return env[name] }, slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	askWebhook(t, server.URL+path, podReview(t, service(1)), true) // connects to the cluster and to Pub/Sub
	for _, c := range []struct {
		name, app string
		gated     bool
		targets   [2]float64 // ms; 0: stated
	}{
		{"admission-match", service(7), true, [2]float64{1, 5}},
		{"admission-no-match", "nobody", false, [2]float64{}},
	} {
		took := paced(t, server.URL+path, podReview(t, c.app), c.gated, 500, 10*time.Second)
		measured(t, c.name+"-p50", milliseconds(took[len(took)/2]), c.targets[0], "ms")
		measured(t, c.name+"-p99", milliseconds(took[len(took)*99/100]), c.targets[1], "ms")
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// paced asks so many times a second, whether answers come or not, and returns how long each
// took, sorted.
func paced(t *testing.T, url string, body []byte, gated bool, rate int, during time.Duration) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range int(during.Seconds() * float64(rate)) {
		<-tick.C
		wg.Go(func() {
			took := askWebhook(t, url, body, gated)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took)
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}

var webhookClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}

// askWebhook returns how long an answer took, and holds it to what it should say.
func askWebhook(t *testing.T, url string, body []byte, gated bool) time.Duration {
	began := time.Now()
	answer, err := webhookClient.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer answer.Body.Close()
	var review admissionv1.AdmissionReview
	err = json.NewDecoder(answer.Body).Decode(&review)
	took := time.Since(began)
	if err != nil || review.Response == nil || (review.Response.Patch != nil) != gated {
		t.Errorf("answer %d: %v: %+v", answer.StatusCode, err, review.Response)
	}
	return took
}

// TestAdmissionColdStart starts the program that is deployed, and asks as soon as it listens.
func TestAdmissionColdStart(t *testing.T) {
	timed(t)
	env, path := webhookEnv(t)
	program := filepath.Join(t.TempDir(), "admission")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "../sandbox/cmd/admission")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var all []time.Duration
	for range 9 {
		all = append(all, coldStart(t, program, env, path))
	}
	slices.Sort(all)
	measured(t, "admission-cold-start", milliseconds(all[len(all)/2]), 100, "ms")
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	measured(t, "admission-program", float64(info.Size())/1e6, 0, "MB")
}

func coldStart(t *testing.T, program string, env map[string]string, path string) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, program)
	c.Env = append(os.Environ(), "PORT="+address[strings.LastIndexByte(address, ':')+1:])
	for k, v := range env {
		c.Env = append(c.Env, k+"="+v)
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = c.Wait() }() // it is killed
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
			break
		}
		if time.Since(began) > patience {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	askWebhook(t, "http://"+address+path, podReview(t, service(1)), true)
	return time.Since(began)
}
