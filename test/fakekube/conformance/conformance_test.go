package conformance_test

import (
	"flag"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/fakekube/conformance"
)

var kubeconfig = flag.String("kubeconfig", "", "run on the server of this file too, as its current user")

func TestFakekube(t *testing.T) {
	for name, opts := range map[string][]fakekube.ClusterOption{
		"bare":      nil,
		"with-crds": {fakekube.WithServiceNEGs()},
	} {
		t.Run(name, func(t *testing.T) {
			server := fakekube.New()
			c := server.AddCluster(name, opts...)
			web := httptest.NewServer(server)
			t.Cleanup(web.Close)
			conformance.Run(t, c.Config(web.URL, "admin"))
		})
	}
}

func TestRealServer(t *testing.T) {
	if *kubeconfig == "" {
		t.Skip("no -kubeconfig")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	conformance.Run(t, cfg)
}
