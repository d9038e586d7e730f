package kube

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/negfleet/negfleet/shared/neg"
)

// Labels of a ServiceNetworkEndpointGroup
// (https://github.com/kubernetes/ingress-gce/blob/master/pkg/neg/types/types.go).
const (
	labelService = "networking.gke.io/service-name"
	labelPort    = "networking.gke.io/service-port"
)

// gkeGroup reads one. Its status is a list of groups with links, and with a state where the
// controller deletes them one by one.
func gkeGroup(o *unstructured.Unstructured) (neg.GKEGroup, bool) {
	port, err := strconv.ParseInt(o.GetLabels()[labelPort], 10, 32)
	if err != nil {
		return neg.GKEGroup{}, false
	}
	g := neg.GKEGroup{Name: o.GetName(), Port: int32(port)}
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "networkEndpointGroups") // of another form: says nothing
	for _, item := range list {
		fields, _ := item.(map[string]any)
		link, _ := fields["selfLink"].(string)
		id, ok := zonalGroup(link)
		if !ok {
			continue
		}
		g.Groups = append(g.Groups, id)
		if fields["state"] == "TO_BE_DELETED" || o.GetDeletionTimestamp() != nil {
			g.Leaving = append(g.Leaving, id)
		}
	}
	return g, true
}

// zonalGroup reads a link that ends in zones/ZONE/networkEndpointGroups/NAME.
func zonalGroup(link string) (neg.GroupID, bool) {
	part := strings.Split(link, "/")
	if n := len(part); n >= 4 && part[n-4] == "zones" && part[n-2] == "networkEndpointGroups" {
		return neg.GroupID{Zone: neg.Zone(part[n-3]), Name: part[n-1]}, true
	}
	return neg.GroupID{}, false
}
