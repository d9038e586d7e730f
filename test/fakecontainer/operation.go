package fakecontainer

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

type operation struct{ doc doc }

// operate starts an operation on a cluster: the cluster's status changes at once, the
// effect comes when the operation is done.
func (s *Server) operate(k key, kind, status string, effect func(*cluster)) (any, *apiError) {
	found, ok := s.clusters[k]
	if !ok {
		return nil, notFound(k)
	}
	if found.pending != "" {
		return nil, refuse(http.StatusBadRequest, "failedPrecondition", "Cluster is running incompatible operation %s.", found.pending)
	}
	s.made++
	now := s.opts.Clock.Now().UTC()
	name := fmt.Sprintf("operation-%d-%08x", now.UnixMilli(), s.made)
	base := "https://container.googleapis.com/v1/projects/" + k.project + "/locations/" + k.location
	op := &operation{doc{
		"name": name, "operationType": kind, "status": "RUNNING", "location": k.location, "zone": k.location,
		"selfLink": base + "/operations/" + name, "targetLink": base + "/clusters/" + k.name, "startTime": now.Format(time.RFC3339Nano),
	}}
	s.ops[key{k.project, k.location, name}] = op
	before := found.doc["status"]
	found.pending = name
	found.with(doc{"status": status})
	epoch := s.epoch
	finish := func() {
		found.pending = ""
		found.with(doc{"status": before})
		effect(found)
		done := maps.Clone(op.doc)
		done["status"], done["endTime"] = "DONE", s.opts.Clock.Now().UTC().Format(time.RFC3339Nano)
		op.doc = done
	}
	accepted := op.doc
	if s.opts.OpLatency <= 0 {
		finish()
		return accepted, nil
	}
	s.opts.Clock.AfterFunc(s.opts.OpLatency, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.epoch == epoch {
			finish()
		}
	})
	return accepted, nil
}

func (s *Server) getOperation(c *call) (any, *apiError) {
	op, ok := s.ops[c.key]
	if !ok {
		return nil, refuse(http.StatusNotFound, "notFound", "Not found: projects/%s/locations/%s/operations/%s.", c.key.project, c.key.location, c.key.name)
	}
	return op.doc, nil
}

func (s *Server) listOperations(c *call) (any, *apiError) {
	list := []doc{}
	for _, k := range slices.SortedFunc(maps.Keys(s.ops), func(a, b key) int { return strings.Compare(a.name, b.name) }) {
		if k.project == c.key.project && (c.key.location == "-" || c.key.location == k.location) {
			list = append(list, s.ops[k].doc)
		}
	}
	return doc{"operations": list}, nil
}
