//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/event"
)

// A sink stands for GKE's audit log and a log sink to Pub/Sub: it takes what an API
// server's audit webhook posts and publishes each entry as the LogEntry that Cloud Logging
// would route. Clusters of even number report through it, as GKE clusters do; the others
// post to the audit function, as control planes of one's own do.
type sink struct {
	server   *http.Server
	listener net.Listener
	publish  func(ctx context.Context, topic string, data []byte, attributes map[string]string) error
}

// startSink serves on a free port. publish is called once Pub/Sub runs.
func startSink(publish func(context.Context, string, []byte, map[string]string) error) (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start log sink: %w", err)
	}
	s := &sink{listener: l, publish: publish}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends with close
	return s, nil
}

// url is where a cluster's API server posts.
func (s *sink) url(cluster string) string {
	return "http://" + s.listener.Addr().String() + "/" + cluster
}

func (s *sink) close() { _ = s.server.Close() }

// maxBatch is more than an API server sends at once.
const maxBatch = 64 << 20

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var list struct {
		Items []auditEntry `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxBatch)).Decode(&list); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cluster := strings.TrimPrefix(r.URL.Path, "/")
	for _, e := range list.Items {
		if isRead(e.Verb) {
			continue // an Admin Activity log has none
		}
		data, err := json.Marshal(e.logEntry(cluster))
		if err == nil {
			err = s.publish(r.Context(), event.TopicAudit, data, map[string]string{"logging.googleapis.com/timestamp": e.StageTimestamp})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable) // the API server posts the batch again
			return
		}
	}
}

// An auditEntry is the part of an audit.k8s.io/v1 Event that a LogEntry has.
type auditEntry struct {
	AuditID        string `json:"auditID"`
	Verb           string `json:"verb"`
	StageTimestamp string `json:"stageTimestamp"`
	User           struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource, Namespace, Name, APIGroup, APIVersion, Subresource string
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestObject  json.RawMessage `json:"requestObject"`
	ResponseObject json.RawMessage `json:"responseObject"`

	Annotations map[string]string `json:"annotations"`
}

// logEntry is the entry as GKE's control plane logs it.
func (e auditEntry) logEntry(cluster string) map[string]any {
	group, short := e.ObjectRef.APIGroup, strings.TrimSuffix(e.ObjectRef.APIGroup, ".k8s.io")
	if group == "" {
		group, short = "core", "core"
	}
	method := []string{"io.k8s", short, e.ObjectRef.APIVersion, e.ObjectRef.Resource}
	name := []string{group, e.ObjectRef.APIVersion, "namespaces", e.ObjectRef.Namespace, e.ObjectRef.Resource}
	for _, part := range []string{e.ObjectRef.Name, e.ObjectRef.Subresource} {
		if part != "" {
			name = append(name, part)
		}
	}
	if e.ObjectRef.Subresource != "" {
		method = append(method, e.ObjectRef.Subresource)
	}
	payload := map[string]any{
		"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "k8s.io",
		"methodName": strings.Join(append(method, e.Verb), "."), "resourceName": strings.Join(name, "/"),
		"authenticationInfo": map[string]string{"principalEmail": e.User.Username},
		"status":             map[string]int{"code": rpcCode(e.ResponseStatus.Code)},
	}
	if len(e.RequestObject) > 0 {
		payload["request"] = e.RequestObject
	}
	if len(e.ResponseObject) > 0 {
		payload["response"] = e.ResponseObject
	}
	return map[string]any{
		"insertId": e.AuditID, "logName": "projects/" + Project + "/logs/cloudaudit.googleapis.com%2Factivity",
		"labels": e.Annotations, "timestamp": e.StageTimestamp, "receiveTimestamp": e.StageTimestamp, "protoPayload": payload,
		"resource":  map[string]any{"type": "k8s_cluster", "labels": map[string]string{"project_id": Project, "location": Region, "cluster_name": cluster}},
		"operation": map[string]any{"id": e.AuditID, "producer": "k8s.io", "first": true, "last": true},
	}
}

// rpcCode is the google.rpc.Code of an HTTP status: 0 for success, else UNKNOWN.
func rpcCode(status int) int {
	if status >= 200 && status < 300 {
		return 0
	}
	return 2
}
