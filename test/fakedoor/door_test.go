package fakedoor_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/oauth2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakedoor"
	"github.com/negfleet/negfleet/test/fakekube"
)

var kubeconfig = flag.String("kubeconfig", "", "run before the server of this file too, as its current user")

// through opens the cluster of a configuration as negfleet does on GKE: the container API
// names the front, a token opens it.
func through(t *testing.T, to *rest.Config) {
	direct, err := kubernetes.NewForConfig(to)
	check(t, err)
	system, err := direct.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	check(t, err)
	transport, err := rest.TransportFor(to)
	check(t, err)
	tokens := fakedoor.NewTokens(t, time.Now)
	front := fakedoor.Serve(t, tokens, fakedoor.To(to.Host, to.BearerToken, transport))
	google := fakecontainer.New(fakecontainer.Options{})
	check(t, google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "us-central1", Name: "prod", Cluster: map[string]any{
		"endpoint": front.Host(), "masterAuth": map[string]any{"clusterCaCertificate": front.CA()},
	}}}}))
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	check(t, os.WriteFile(path, fmt.Appendf(nil, `version: 1
project: p1
network: n
subnetwork: s
clusters:
- name: prod
  uid: %s
  connect: {gke: projects/p1/locations/us-central1/clusters/prod}
`, system.UID), 0o600))
	f, err := fleet.New(path, slog.New(slog.DiscardHandler), time.Now, fleet.WithGoogle(fleet.Google{
		ContainerEndpoint: fakecontainer.Start(t, google),
		Credentials:       func(context.Context) (oauth2.TokenSource, error) { return tokens, nil },
	}))
	check(t, err)
	_, cluster, err := f.Cluster(t.Context(), "prod")
	check(t, err)
	tokens.Revoke()
	key := neg.Key{Cluster: "prod", Namespace: "kube-system", Service: "fakedoor"}
	check(t, cluster.Note(t.Context(), &neg.Service{Key: key, UID: "1"}, neg.Note{Reason: "GroupsChanged", Message: "through the door"}))
	_, err = cluster.Nodes(t.Context(), true)
	check(t, err)
	events, err := direct.CoreV1().Events("kube-system").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=fakedoor"})
	if err != nil || len(events.Items) == 0 {
		t.Errorf("no event came through: %v", err)
	}
	reports, err := f.Survey(t.Context())
	if err != nil || len(reports) != 1 || reports[0].Verdict.String()[:5] != "alive" || reports[0].Version == "" {
		t.Errorf("%+v, %v", reports, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestThroughToFakekube(t *testing.T) {
	server := fakekube.New()
	c := server.AddCluster("c1")
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	through(t, c.Config(web.URL, "admin"))
}

func TestThroughToRealServer(t *testing.T) {
	if *kubeconfig == "" {
		t.Skip("no -kubeconfig")
	}
	to, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(t, err)
	through(t, to)
}

// TestFront: who has no token, an old or a revoked one, does not get in.
func TestFront(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	tokens := fakedoor.NewTokens(t, func() time.Time { return now })
	front := fakedoor.Serve(t, tokens, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	first, err := tokens.Token()
	check(t, err)
	try := func(token string, want int) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig(front)}}
		r, err := http.NewRequest(http.MethodGet, front.URL(), nil)
		check(t, err)
		r.Header.Set("Authorization", token)
		res, err := client.Do(r)
		check(t, err)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %s, want %d", token, res.Status, want)
		}
	}
	try("", 401)
	try("Bearer token-2", 401)
	try(first.AccessToken, 401)
	try("Bearer "+first.AccessToken, 418)
	before := front.CA()
	front.Move(nil)
	if front.CA() == before {
		t.Error("it moved and kept its certificate")
	}
	try("Bearer "+first.AccessToken, 418)
	now = now.Add(time.Hour)
	try("Bearer "+first.AccessToken, 401)
	second, err := tokens.Token()
	check(t, err)
	tokens.Revoke()
	try("Bearer "+second.AccessToken, 401)
}

func tlsConfig(f *fakedoor.Front) *tls.Config { return &tls.Config{RootCAs: f.Roots()} }
