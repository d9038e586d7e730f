package rig

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
)

// An Instance is one instance of the reconcile function.
type Instance struct {
	Function *reconcile.Function
	Env      map[string]string // what it was made from; a process with it is another one
}

// newInstance gives the instance addresses and a fleet file of its own, so that what it
// calls can be told from what others call.
func (r *Rig) newInstance(t testing.TB, i int) (*Instance, error) {
	var gce, kube http.Handler = r.GCE, asUser(r.Kube)
	if r.options.Watch != nil {
		gce, kube = r.options.Watch(i, gce, kube)
	}
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
	return &Instance{f, env}, err
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
