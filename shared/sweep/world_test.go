package sweep

import (
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

const (
	uid      = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	otherUID = "00000000-1111-2222-3333-444444444444"
	zone     = neg.Zone("us-central1-a")
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

var (
	web  = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	left = neg.Key{Cluster: "c1", Namespace: "shop", Service: "left"}
)

// groupOf is a group of a key, an hour old, as reconcile makes it.
func groupOf(k neg.Key, size int) Resource {
	id := neg.GroupID{Zone: zone, Name: neg.GroupName(uid, k, 80)}
	return Resource{Kind: Group, Name: id.String(), Group: id, Description: neg.OwnerOf(uid, k, 80).Description(), Size: size, Created: now.Add(-time.Hour)}
}

// asking is a Service whose status names its group.
func asking(k neg.Key) Service {
	s := &neg.Service{Key: k, Ports: []neg.ServicePort{{Port: 80}}, Annotations: map[string]string{
		neg.AnnotationNEG:    `{"exposed_ports":{"80":{}}}`,
		neg.AnnotationStatus: `{"network_endpoint_groups":{"80":"` + neg.GroupName(uid, k, 80) + `"},"zones":["us-central1-a"]}`,
	}}
	return ServiceOf(s)
}

// small is a living cluster with the Service web, its group of two, and a group that the
// Service left has left.
func small() Inventory {
	return Inventory{
		At:       now,
		Projects: []Project{{Name: "p1", Resources: []Resource{groupOf(web, 2), groupOf(left, 0)}}},
		Clusters: []Cluster{{
			Name: "c1", UID: uid, Project: "p1", Gone: "report",
			Presence: presence.Verdict{Presence: presence.Alive, Evidence: []string{"API server: answers"}},
			Services: map[neg.Key]Service{
				{Cluster: "c1", Namespace: "default", Service: "kubernetes"}: {},
				web: asking(web),
			},
			Endpoints: map[neg.Key]int{web: 2},
		}},
	}
}
