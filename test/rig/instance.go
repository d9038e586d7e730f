package rig

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
)

// An Instance is one instance of the reconcile function.
type Instance struct {
	Function *reconcile.Function
	Env      map[string]string // what it was made from; a process with it is another one

	life *life
}

// newInstance gives the instance addresses and a fleet file of its own, so that what it
// calls can be told from what others call.
func (r *Rig) newInstance(t testing.TB, i int) (*Instance, error) {
	l := newLife()
	var gce, kube http.Handler = r.GCE, asUser(r.Kube)
	if r.options.Watch != nil {
		gce, kube = r.options.Watch(i, gce, kube)
	}
	gce, kube = l.before(gce), l.before(kube)
	fleet, err := r.writeFleet(t.TempDir(), r.serve(t, kube))
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"NEGFLEET_FLEET": fleet, "NEGFLEET_COMPUTE_ENDPOINT": fakegce.ComputeEndpoint(r.serve(t, gce)),
		"PUBSUB_PROJECT_ID": r.options.Project,
	}
	for name, value := range r.options.Env {
		env[name] = value
	}
	f, err := reconcile.FromEnv(func(name string) string { return env[name] }, r.options.Log)
	if err == nil && r.options.Adjust != nil {
		r.options.Adjust(f)
	}
	return &Instance{f, env, l}, err
}

// serve is an instance at work on a delivery. One that dies answers nothing.
func (in *Instance) serve(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer in.life.onEnd(cancel)()
	answer := httptest.NewRecorder()
	in.Function.ServeHTTP(answer, req.WithContext(ctx))
	if in.life.over() {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(answer.Code)
}

// A life is how many calls an instance may still make.
type life struct {
	mu    sync.Mutex
	calls int // until it ends; negative: for ever
	end   context.CancelFunc
	ended context.Context
}

func newLife() *life {
	l := &life{calls: -1}
	l.ended, l.end = context.WithCancel(context.Background())
	return l
}

func (l *life) over() bool { return l.ended.Err() != nil }

// onEnd has f called at the end, unless stop is called before.
func (l *life) onEnd(f func()) (stop func() bool) { return context.AfterFunc(l.ended, f) }

// limit ends it after that many more calls.
func (l *life) limit(calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = calls
	if calls == 0 {
		l.end()
	}
}

// call tells whether one more call gets through.
func (l *life) call() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == 0 {
		l.end()
	}
	if l.calls > 0 {
		l.calls--
	}
	return !l.over()
}

// before stands between an instance and what it calls.
func (l *life) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.call() {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

func (r *Rig) writeFleet(dir, kubeURL string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nproject: %s\nnetwork: default\nsubnetwork: default\nclusters:\n", r.options.Project)
	for _, c := range r.Clusters {
		fmt.Fprintf(&b, "- name: %s\n  uid: %s\n  zones: [%s]\n  connect: {kubeconfig: %s.kubeconfig}\n", c.Name(), c.UID(), strings.Join(Zones, ", "), c.Name())
		if err := os.WriteFile(filepath.Join(dir, c.Name()+".kubeconfig"), c.Kubeconfig(kubeURL, User), 0o600); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "fleet.yaml")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// asUser says who calls: a kubeconfig's token is sent over TLS alone.
func asUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+User)
		next.ServeHTTP(w, r)
	})
}

// User is who the functions are in the clusters.
const User = "negfleet"
