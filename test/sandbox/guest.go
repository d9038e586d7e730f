//go:build linux

package sandbox

import (
	"fmt"
	"net/http/httptest"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

// A Guest is a cluster of the fleet that costs nothing: an emulated API server, without a
// webhook and without an audit log. It is there to be deleted.
type Guest struct {
	Cluster *Cluster
	World   *fakekube.World // plays its controllers
	server  *httptest.Server
}

// guestPods are the addresses of its Pods, of which nothing listens.
var guestPods = netip.MustParsePrefix("10.200.0.0/16")

// startGuest starts it under the name that comes after those of the real clusters.
func (w *World) startGuest() error {
	name := fmt.Sprintf("cluster-%d", w.opts.Clusters+1)
	api := fakekube.New()
	fake := api.AddCluster(name)
	if err := fake.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}); err != nil {
		return err
	}
	world, err := fake.NewWorld(fakekube.Layout{Project: Project, Zones: Zones, Nodes: len(Zones), PodRange: guestPods})
	if err != nil {
		return err
	}
	g := &Guest{World: world, server: httptest.NewServer(api)}
	g.Cluster = &Cluster{Name: name, Server: g.server.URL, UID: string(fake.UID()), PodOctet: int(guestPods.Addr().As4()[1]), Users: map[string]string{}}
	for _, user := range append([]string{"admin"}, users...) {
		file := w.Dir.Path("run", name+"-"+user+".kubeconfig")
		if err := writeFile(file, fake.Kubeconfig(g.server.URL, user)); err != nil {
			return err
		}
		g.Cluster.Users[user] = file
	}
	g.Cluster.Kubeconfig = g.Cluster.Users["admin"]
	for i, n := range fakekube.List[*corev1.Node](fake, "", nil) {
		vm, err := neg.ParseProviderID(n.Spec.ProviderID)
		if err != nil {
			return err
		}
		g.Cluster.Nodes = append(g.Cluster.Nodes, Node{Name: n.Name, Instance: vm.Instance, Zone: string(vm.Zone), PodCIDR: n.Spec.PodCIDR, InternalIP: fmt.Sprintf("10.128.15.%d", i+2)})
	}
	w.Guest = g
	w.say("cluster %s: an emulated API server at %s, %d nodes", name, g.server.URL, len(g.Cluster.Nodes))
	return nil
}

// fleet is all clusters, the guest too.
func (w *World) fleet() []*Cluster {
	if w.Guest == nil {
		return w.Clusters
	}
	return append(w.Clusters[:len(w.Clusters):len(w.Clusters)], w.Guest.Cluster)
}
