package cloudprovider

import (
	"context"
	"strings"
	"testing"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/filter"
	alpha "google.golang.org/api/compute/v0.alpha"
	beta "google.golang.org/api/compute/v0.beta"

	"github.com/negfleet/negfleet/test/fakegce"
)

// version is the life of a group "a" with one endpoint in one version of the API: the types
// of the three are different ones.
type version struct {
	insert, attach, detach, remove func(context.Context) error
	endpoints                      func(context.Context) (int, error)
}

func (w *world) versions() map[string]version {
	return map[string]version{"beta": w.beta(), "alpha": w.alpha()}
}

func (w *world) beta() version {
	negs := w.BetaNetworkEndpointGroups()
	eps := []*beta.NetworkEndpoint{{Instance: instance, IpAddress: "10.8.0.1", Port: 8080}}
	return version{
		insert: func(ctx context.Context) error {
			return negs.Insert(ctx, zonal("a"), &beta.NetworkEndpointGroup{NetworkEndpointType: "GCE_VM_IP_PORT"})
		},
		attach: func(ctx context.Context) error {
			return negs.AttachNetworkEndpoints(ctx, zonal("a"), &beta.NetworkEndpointGroupsAttachEndpointsRequest{NetworkEndpoints: eps})
		},
		detach: func(ctx context.Context) error {
			return negs.DetachNetworkEndpoints(ctx, zonal("a"), &beta.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: eps})
		},
		remove: func(ctx context.Context) error { return negs.Delete(ctx, zonal("a")) },
		endpoints: func(ctx context.Context) (int, error) {
			in := &beta.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SHOW"}
			list, err := negs.ListNetworkEndpoints(ctx, zonal("a"), in, filter.None)
			return len(list), err
		},
	}
}

func (w *world) alpha() version {
	negs := w.AlphaNetworkEndpointGroups()
	eps := []*alpha.NetworkEndpoint{{Instance: instance, IpAddress: "10.8.0.1", Port: 8080}}
	return version{
		insert: func(ctx context.Context) error {
			return negs.Insert(ctx, zonal("a"), &alpha.NetworkEndpointGroup{NetworkEndpointType: "GCE_VM_IP_PORT"})
		},
		attach: func(ctx context.Context) error {
			return negs.AttachNetworkEndpoints(ctx, zonal("a"), &alpha.NetworkEndpointGroupsAttachEndpointsRequest{NetworkEndpoints: eps})
		},
		detach: func(ctx context.Context) error {
			return negs.DetachNetworkEndpoints(ctx, zonal("a"), &alpha.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: eps})
		},
		remove: func(ctx context.Context) error { return negs.Delete(ctx, zonal("a")) },
		endpoints: func(ctx context.Context) (int, error) {
			in := &alpha.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SHOW"}
			list, err := negs.ListNetworkEndpoints(ctx, zonal("a"), in, filter.None)
			return len(list), err
		},
	}
}

// TestVersions: beta and alpha are the same world under other paths, operations included.
func TestVersions(t *testing.T) {
	for _, name := range []string{"beta", "alpha"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			v := w.versions()[name]
			w.must(v.insert(t.Context()))
			w.must(v.attach(t.Context()))
			if n, err := v.endpoints(t.Context()); n != 1 || err != nil {
				t.Errorf("%d endpoints, %v", n, err)
			}
			if got := w.attached("a"); len(got) != 1 || got[0] != "10.8.0.1" {
				t.Errorf("v1 sees %v", got)
			}
			w.must(v.detach(t.Context()))
			w.must(v.remove(t.Context()))
			calls := w.server.Calls(fakegce.CallFilter{})
			for _, call := range calls {
				if !strings.HasPrefix(call.Path, "/compute/"+name+"/") && call.Verb != "networkEndpointGroups.listNetworkEndpoints" {
					t.Errorf("%s %s", call.Method, call.Path)
				}
			}
			if len(calls) < 10 {
				t.Errorf("only %d calls", len(calls))
			}
		})
	}
}
