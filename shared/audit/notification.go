package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Notification is a GKE cluster notification, as far as it matters: that nodes are being
// replaced. Sources of the format:
// https://cloud.google.com/kubernetes-engine/docs/concepts/cluster-notifications and
// UpgradeEvent, UpgradeInfoEvent of the container API.
type Notification struct {
	Cluster Resource
	Kind    string // "UpgradeEvent", ...
	Known   bool   // Kind is one of those that GKE is known to send
	// NodePool is set for news of a node pool's upgrade.
	NodePool bool
	State    string    // of an UpgradeInfoEvent: STARTED, SUCCEEDED, ...
	At       time.Time // zero when it does not say
}

// upgradePayload is both of UpgradeEvent and of UpgradeInfoEvent.
type upgradePayload struct {
	ResourceType       string    `json:"resourceType"` // MASTER or NODE_POOL
	Resource           string    `json:"resource"`     // projects/P/locations/L/clusters/C/nodePools/N
	OperationStartTime timestamp `json:"operationStartTime"`
	StartTime          timestamp `json:"startTime"`
	EndTime            timestamp `json:"endTime"`
	State              string    `json:"state"`
	EventType          string    `json:"eventType"`
}

// DecodeNotification reads the attributes of a cluster notification. Of a kind that it
// does not know it reads no more than the name.
func DecodeNotification(attributes map[string]string) (Notification, error) {
	url := attributes["type_url"]
	n := Notification{
		Cluster: Resource{Project: attributes["project_id"], Location: attributes["cluster_location"], Cluster: attributes["cluster_name"]},
		Kind:    url[strings.LastIndexByte(url, '.')+1:],
	}
	switch n.Kind {
	case "UpgradeAvailableEvent", "SecurityBulletinEvent":
		n.Known = true
		return n, nil
	case "UpgradeEvent", "UpgradeInfoEvent":
		n.Known = true
	default:
		return n, nil
	}
	if n.Cluster.Location == "" || n.Cluster.Cluster == "" {
		return n, errors.New("decode cluster notification: attributes cluster_location and cluster_name are missing")
	}
	var p upgradePayload
	if err := json.Unmarshal([]byte(attributes["payload"]), &p); err != nil {
		return n, fmt.Errorf("decode cluster notification: attribute payload: %w", err)
	}
	return n.with(p), nil
}

func (n Notification) with(p upgradePayload) Notification {
	// Other events of an UpgradeInfoEvent tell of versions and dates alone.
	lifecycle := n.Kind == "UpgradeEvent" || p.EventType == "UPGRADE_LIFECYCLE"
	n.NodePool, n.State = lifecycle && p.ResourceType == "NODE_POOL", p.State
	for _, t := range []timestamp{p.OperationStartTime, p.EndTime, p.StartTime} {
		if at := time.Time(t); n.At.IsZero() {
			n.At = at
		}
	}
	// The attribute may be the project's number; a pool's path has its ID.
	if parts := strings.Split(p.Resource, "/"); len(parts) > 1 && parts[0] == "projects" && number(n.Cluster.Project) {
		n.Cluster.Project = parts[1]
	}
	return n
}

func number(s string) bool { return strings.Trim(s, "0123456789") == "" }
