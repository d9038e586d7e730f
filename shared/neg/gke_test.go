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
