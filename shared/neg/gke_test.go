package neg_test

import (
	"testing"

	"github.com/negfleet/negfleet/shared/neg"
)

func TestParseGKECluster(t *testing.T) {
	for _, s := range []string{
		"projects/my-project/locations/europe-west1/clusters/prod",
		"projects/my-project/locations/us-central1-a/clusters/a",
		"projects/example.com:old-one/locations/northamerica-northeast1/clusters/prod-2",
	} {
		c, err := neg.ParseGKECluster(s)
		if err != nil || c.String() != s {
			t.Errorf("%s: %+v, %v", s, c, err)
		}
	}
	for _, s := range []string{
		"", "prod", "projects/my-project/zones/us-central1-a/clusters/a", "projects/123456/locations/us-central1/clusters/a",
		"projects/my-project/locations/-/clusters/a", "projects/my-project/locations/us-central1/clusters/A",
		"projects/my-project/locations/us-central1/clusters/a/", "/projects/my-project/locations/us-central1/clusters/a",
		"projects/my-project/locations/us-central1/clusters/a-", "projects/my-project/locations/us-central1/clusters/a\n",
	} {
		if c, err := neg.ParseGKECluster(s); err == nil {
			t.Errorf("%q is %+v", s, c)
		}
	}
}

// TestGKEOwnerNamed: name and description must agree. The first two are vectors of
// ingress-gce's namer_test.go.
func TestGKEOwnerNamed(t *testing.T) {
	first := neg.GKEOwner{UID: "u", Namespace: "namespace", Service: "name", Port: "80"}
	hello := neg.GKEOwner{UID: "u", Namespace: "default", Service: "hello", Port: "80"}
	for _, c := range []struct {
		owner neg.GKEOwner
		name  string
		want  bool
	}{
		{first, "k8s1-01234567-namespace-name-80-5104b449", true},
		{hello, "k8s1-f1a2b3c4-default-hello-80-525d8ef9", true},
		{hello, "k8s1-f1a2b3c4-default-hello-80-abc123-525d8ef9", true}, // of another subnet
		{hello, "k8s1-f1a2b3c4-default-hello-80-525d8ef8", false},
		{hello, "k8s1-f1a2b3c5-default-hello-80-525d8ef9", false},
		{hello, "custom", false},
		{hello, "k8s1-525d8ef9", false},
		{hello, "", false},
		{first, "k8s1-f1a2b3c4-default-hello-80-525d8ef9", false},
		{neg.GKEOwner{UID: "u", Namespace: "default", Service: "hello"}, "k8s1-f1a2b3c4-default-hello-80-525d8ef9", false},
	} {
		if got := c.owner.Named(c.name); got != c.want {
			t.Errorf("%+v, %q: %t", c.owner, c.name, got)
		}
	}
}
