package fakecontainer

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A cluster is the document that the API answers. Changes replace it.
type cluster struct {
	doc     doc
	pending string // the operation under way
}

func (s *Server) getCluster(c *call) (any, *apiError) {
	found, ok := s.clusters[c.key]
	if !ok {
		return nil, notFound(c.key)
	}
	return found.doc, nil
}

// listClusters answers what can be seen: with "-" of every location but the missing ones.
func (s *Server) listClusters(c *call) (any, *apiError) {
	missing := slices.Clone(s.missing[c.key.project])
	missing = append(missing, c.fault.MissingZones...)
	list := []doc{}
	for _, k := range slices.SortedFunc(maps.Keys(s.clusters), func(a, b key) int { return strings.Compare(a.String(), b.String()) }) {
		here := c.key.location == k.location || c.key.location == "-" && !slices.Contains(missing, k.location)
		if k.project == c.key.project && here {
			list = append(list, s.clusters[k].doc)
		}
	}
	body := doc{}
	if len(list) > 0 {
		body["clusters"] = list
	}
	if c.key.location == "-" && len(missing) > 0 {
		body["missingZones"] = missing
	}
	return body, nil
}

func (s *Server) deleteCluster(c *call) (any, *apiError) {
	return s.operate(c.key, "DELETE_CLUSTER", "STOPPING", func(*cluster) { delete(s.clusters, c.key) })
}

// updateCluster takes the desired… settings that matter here.
func (s *Server) updateCluster(c *call) (any, *apiError) {
	var in struct {
		Update struct {
			Addons    doc `json:"desiredAddonsConfig"`
			Endpoints doc `json:"desiredControlPlaneEndpointsConfig"`
		} `json:"update"`
	}
	if err := decode(c.Body, &in); err != nil {
		return nil, err
	}
	if in.Update.Addons == nil && in.Update.Endpoints == nil {
		return nil, refuse(http.StatusBadRequest, "badRequest", "Must specify a field to update.")
	}
	return s.operate(c.key, "UPDATE_CLUSTER", "RECONCILING", func(found *cluster) {
		found.set("addonsConfig", in.Update.Addons)
		found.set("controlPlaneEndpointsConfig", in.Update.Endpoints)
	})
}

func (s *Server) setAddons(c *call) (any, *apiError) {
	var in struct {
		Addons doc `json:"addonsConfig"`
	}
	if err := decode(c.Body, &in); err != nil {
		return nil, err
	}
	return s.operate(c.key, "UPDATE_CLUSTER", "RECONCILING", func(found *cluster) { found.set("addonsConfig", in.Addons) })
}

// set merges an object into a field, each of its fields whole.
func (c *cluster) set(field string, value doc) {
	old, _ := c.doc[field].(doc)
	merged := maps.Clone(old)
	if merged == nil {
		merged = doc{}
	}
	maps.Copy(merged, value)
	c.with(doc{field: merged})
}

// with replaces the document by one with those fields.
func (c *cluster) with(fields doc) {
	c.doc = maps.Clone(c.doc)
	maps.Copy(c.doc, fields)
}

func decode(body io.Reader, v any) *apiError {
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "badRequest", "Invalid JSON payload received. %v", err)
	}
	return nil
}

// seeded is a cluster's document with what every cluster has.
func (s *Server) seeded(k key, given doc) doc {
	s.made++
	d := doc{
		"name": k.name, "location": k.location, "zone": k.location, "status": "RUNNING",
		"id": fmt.Sprintf("%064x", s.made), "etag": fmt.Sprintf("%08x", s.made),
		"selfLink":             "https://container.googleapis.com/v1/" + k.String(),
		"createTime":           s.opts.Clock.Now().UTC().Format(time.RFC3339),
		"currentMasterVersion": "1.37.1-gke.1000", "currentNodeVersion": "1.37.1-gke.1000",
		"network": "default", "subnetwork": "default",
		"addonsConfig": doc{"httpLoadBalancing": doc{}},
	}
	maps.Copy(d, given)
	return d
}
