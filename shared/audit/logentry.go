package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// logEntry is Cloud Logging's LogEntry with an AuditLog payload, as far as it matters.
type logEntry struct {
	Timestamp timestamp         `json:"timestamp"`
	Labels    map[string]string `json:"labels"` // the audit annotations
	Resource  struct {
		Type   string `json:"type"`
		Labels struct {
			Project  string `json:"project_id"`
			Location string `json:"location"`
			Cluster  string `json:"cluster_name"`
		} `json:"labels"`
	} `json:"resource"`
	ProtoPayload *struct {
		ServiceName    string `json:"serviceName"`
		MethodName     string `json:"methodName"`
		ResourceName   string `json:"resourceName"`
		Authentication struct {
			Email string `json:"principalEmail"`
		} `json:"authenticationInfo"`
		Status struct {
			Code int `json:"code"` // google.rpc.Code: 0 is OK
		} `json:"status"`
		Request  Object `json:"request"`
		Response Object `json:"response"`
	} `json:"protoPayload"`
	Operation struct {
		First bool `json:"first"`
		Last  bool `json:"last"`
	} `json:"operation"`
}

// DecodeLogEntry reads one entry of the log sink: of a Kubernetes API request, or of a
// cluster's deletion. An entry of another kind, which a wide sink filter lets through, is an Entry that
// touches nothing.
func DecodeLogEntry(data []byte) (Entry, error) {
	var l logEntry
	if err := json.Unmarshal(data, &l); err != nil && !partial(err) {
		return Entry{}, fmt.Errorf("decode LogEntry: %w", err)
	}
	if l.ProtoPayload == nil {
		return Entry{}, errors.New("decode LogEntry: it has no protoPayload; let the sink route audit logs only")
	}
	p := l.ProtoPayload
	e := Entry{
		Cluster: Resource{Project: l.Resource.Labels.Project, Location: l.Resource.Labels.Location, Cluster: l.Resource.Labels.Cluster},
		// A long-running request is logged when it begins and when it ends.
		Complete: l.Operation.Last || !l.Operation.First, OK: p.Status.Code == 0 && !p.Response.failed(),
		DryRun: p.Request.dryRun(), User: p.Authentication.Email, At: time.Time(l.Timestamp),
		Request: p.Request, Response: p.Response, Annotations: l.Labels,
	}
	switch {
	case l.Resource.Type == "k8s_cluster" && p.ServiceName == "k8s.io":
		e.setMethod(p.MethodName)
		e.setName(p.ResourceName)
	case l.Resource.Type == "gke_cluster" && p.ServiceName == containerAPI && deleteCluster.MatchString(p.MethodName):
		e.Group, e.Resource, e.Verb, e.Name = containerAPI, "clusters", "delete", e.Cluster.Cluster
	}
	return e, nil
}

// method is io.k8s.GROUP.VERSION.RESOURCE[.SUBRESOURCE].VERB. The group is shortened:
// core for the empty one, discovery for discovery.k8s.io.
var method = regexp.MustCompile(`^io\.k8s\.([a-z.]+)\.v\d[a-z0-9]*\.([a-z]+)(?:\.([a-z]+))?\.([a-z]+)$`)

// groups are the full names of the groups whose resources matter.
var groups = map[string]string{
	"core": "", "discovery": "discovery.k8s.io", "networking": "networking.k8s.io", "extensions": "extensions",
}

func (e *Entry) setMethod(name string) {
	m := method.FindStringSubmatch(name)
	if m == nil {
		return
	}
	if group, known := groups[m[1]]; known {
		e.Group, e.Resource, e.Subresource, e.Verb = group, m[2], m[3], m[4]
	}
}

// setName reads GROUP/VERSION/namespaces/NAMESPACE[/RESOURCE[/NAME[/SUBRESOURCE]]].
func (e *Entry) setName(resource string) {
	parts := strings.SplitN(resource, "/", 8)
	if len(parts) < 4 || parts[2] != "namespaces" {
		return
	}
	e.Namespace = parts[3]
	switch {
	case e.Resource == "namespaces":
		e.Name = parts[3]
	case len(parts) > 5:
		e.Name = parts[5]
	}
	if len(parts) > 6 && e.Subresource == "" {
		e.Subresource = parts[6]
	}
}
