package neg

import (
	"fmt"
	"regexp"
)

// A GKECluster names a cluster as the container API does. Its log entries carry the same
// three words as resource labels.
type GKECluster struct {
	Project  string // ID, never the number
	Location string // a region, or the zone of a zonal cluster
	Name     string
}

var gkeForm = regexp.MustCompile(`^projects/((?:[a-z0-9.-]+:)?[a-z][-a-z0-9]{0,61}[a-z0-9])` +
	`/locations/([a-z]+-[a-z]+[0-9]+(?:-[a-z])?)/clusters/([a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)$`)

// ParseGKECluster reads projects/PROJECT/locations/LOCATION/clusters/NAME.
func ParseGKECluster(s string) (GKECluster, error) {
	m := gkeForm.FindStringSubmatch(s)
	if m == nil {
		return GKECluster{}, fmt.Errorf("%q: want projects/PROJECT_ID/locations/REGION_OR_ZONE/clusters/NAME", s)
	}
	return GKECluster{Project: m[1], Location: m[2], Name: m[3]}, nil
}

func (c GKECluster) String() string {
	return "projects/" + c.Project + "/locations/" + c.Location + "/clusters/" + c.Name
}

// A GKEGroup is what a ServiceNetworkEndpointGroup says: the groups that GKE's own controller
// has for one port of a Service.
type GKEGroup struct {
	Name    string // of the object, and of the groups in the default subnetwork
	Port    int32
	Groups  []GroupID // that there are
	Leaving []GroupID // that it is about to delete
}
