package gke_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/gke"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
)

type object = map[string]any

var prod = neg.GKECluster{Project: "p1", Location: "us-central1", Name: "prod"}

func newClient(t *testing.T, clusters ...fakecontainer.Cluster) (*gke.Client, *fakecontainer.Server) {
	t.Helper()
	server := fakecontainer.New(fakecontainer.Options{})
	if err := server.Seed(fakecontainer.Seed{Clusters: clusters}); err != nil {
		t.Fatal(err)
	}
	client, err := gke.New(t.Context(), fakecontainer.Start(t, server), &http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// TestGet: the forms that endpoints and add-ons have had over the years.
func TestGet(t *testing.T) {
	for name, c := range map[string]struct {
		given object
		want  gke.Cluster
	}{
		"no calls out": {object{"addonsConfig": nil, "controlPlaneEgress": object{"mode": "NONE"}}, gke.Cluster{HTTPLoadBalancing: true, EgressNone: true}},
		"calls out":    {object{"addonsConfig": nil, "controlPlaneEgress": object{"mode": "VIA_CONTROL_PLANE"}}, gke.Cluster{HTTPLoadBalancing: true}},
		"nothing said": {object{"addonsConfig": nil}, gke.Cluster{HTTPLoadBalancing: true}},
		"an old public one": {
			object{"endpoint": "203.0.113.1", "masterAuth": object{"clusterCaCertificate": "Y2E="}, "addonsConfig": object{"httpLoadBalancing": object{"disabled": true}}},
			gke.Cluster{PublicIP: "203.0.113.1", CA: []byte("ca")},
		},
		"an old private one": {
			object{"endpoint": "10.0.0.2", "privateClusterConfig": object{"enablePrivateEndpoint": true}},
			gke.Cluster{PrivateIP: "10.0.0.2", HTTPLoadBalancing: true},
		},
		"all endpoints": {
			object{"endpoint": "203.0.113.1", "controlPlaneEndpointsConfig": object{
				"dnsEndpointConfig": object{"endpoint": "x.gke.goog", "allowExternalTraffic": true},
				"ipEndpointsConfig": object{"enabled": true, "enablePublicEndpoint": true, "publicEndpoint": "203.0.113.1", "privateEndpoint": "10.0.0.2"},
			}},
			gke.Cluster{PublicIP: "203.0.113.1", PrivateIP: "10.0.0.2", DNS: "x.gke.goog", DNSExternal: true, HTTPLoadBalancing: true},
		},
		"DNS alone": {
			object{"endpoint": "x.gke.goog", "controlPlaneEndpointsConfig": object{
				"dnsEndpointConfig": object{"endpoint": "x.gke.goog"}, "ipEndpointsConfig": object{"enabled": false, "privateEndpoint": "10.0.0.2"},
			}},
			gke.Cluster{DNS: "x.gke.goog", HTTPLoadBalancing: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClient(t, fakecontainer.Cluster{Project: "p1", Location: "us-central1", Name: "prod", Cluster: c.given})
			got, err := client.Get(t.Context(), prod)
			c.want.Name, c.want.Status, c.want.Version = prod, "RUNNING", "1.37.1-gke.1000"
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestList(t *testing.T) {
	client, server := newClient(t, fakecontainer.Cluster{Project: "p1", Location: "us-central1", Name: "prod"},
		fakecontainer.Cluster{Project: "p1", Location: "us-east1-b", Name: "lab"})
	list, err := client.List(t.Context(), "p1")
	if err != nil || len(list.Clusters) != 2 || list.Missing != nil || list.Clusters[0].Name != prod {
		t.Errorf("%+v, %v", list, err)
	}
	if err := server.AddFaults(fakecontainer.Fault{MissingZones: []string{"us-east1-b"}}); err != nil {
		t.Fatal(err)
	}
	list, err = client.List(t.Context(), "p1")
	if err != nil || len(list.Clusters) != 1 || len(list.Missing) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestFailures: each answer has its class; only a 404 says that there is no such cluster.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		fault   fakecontainer.Fault
		outcome neg.Outcome
		reason  string
	}{
		"none":         {fakecontainer.Fault{Status: 404}, neg.Blocked, "GKEClusterNotFound"},
		"forbidden":    {fakecontainer.Fault{Status: 403}, neg.Blocked, "ContainerPermissionDenied"},
		"no token":     {fakecontainer.Fault{Status: 401}, neg.Blocked, "ContainerPermissionDenied"},
		"bad request":  {fakecontainer.Fault{Status: 400}, neg.Blocked, "ContainerRefused"},
		"rate":         {fakecontainer.Fault{Status: 429}, neg.Again, ""},
		"broken":       {fakecontainer.Fault{Status: 500}, neg.Again, ""},
		"unavailable":  {fakecontainer.Fault{Status: 503}, neg.Again, ""},
		"reset":        {fakecontainer.Fault{Reset: true}, neg.Again, ""},
		"undecodable":  {fakecontainer.Fault{}, neg.Again, ""},
		"slow, unhurt": {fakecontainer.Fault{Delay: fakegce.Duration(time.Millisecond)}, neg.Done, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ca := "Y2E="
			if name == "undecodable" {
				ca = "%"
			}
			given := object{"masterAuth": object{"clusterCaCertificate": ca}}
			client, server := newClient(t, fakecontainer.Cluster{Project: "p1", Location: "us-central1", Name: "prod", Cluster: given})
			if err := server.AddFaults(c.fault); err != nil {
				t.Fatal(err)
			}
			_, err := client.Get(t.Context(), prod)
			_, listErr := client.List(t.Context(), "p1")
			for _, err := range []error{err, listErr} {
				blocked := neg.BlockedReasons(err)
				if neg.OutcomeOf(err) != c.outcome || c.reason != "" && (len(blocked) != 1 || blocked[0].Reason != c.reason) {
					t.Errorf("%v", err)
				}
				if errors.Is(err, gke.ErrNotFound) != (name == "none") {
					t.Errorf("%v: not found?", err)
				}
			}
		})
	}
}
