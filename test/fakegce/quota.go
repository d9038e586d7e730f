package fakegce

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// quota is a number of resources that a project may have, in all or in each
// region.
type quota struct {
	metric     string // as in the Quota message of the discovery document
	collection string
	per        quotaScope
	limit      int                    // shown where no switch sets one
	counts     func(*resource) string // what a resource adds, each once; none is its name
}

type quotaScope string

const (
	perProject quotaScope = "project" // in every scope of it
	perGlobal  quotaScope = "global"  // in its global scope alone
	perRegion  quotaScope = "region"  // in one region and its zones
)

// quotas are those of what is served. Limits are of a project with some history.
var quotas = []quota{
	{metric: "BACKEND_SERVICES", collection: "backendServices", per: perProject, limit: 50},
	{metric: "FIREWALLS", collection: "firewalls", per: perProject, limit: 100},
	{metric: "FORWARDING_RULES", collection: "forwardingRules", per: perProject, limit: 15},
	{metric: "HEALTH_CHECKS", collection: "healthChecks", per: perProject, limit: 50},
	{metric: "IN_USE_ADDRESSES", collection: "forwardingRules", per: perGlobal, limit: 8, counts: addressInUse},
	{metric: "IN_USE_ADDRESSES", collection: "forwardingRules", per: perRegion, limit: 8, counts: addressInUse},
	{metric: "INSTANCES", collection: "instances", per: perRegion, limit: 6000},
	{metric: "NETWORKS", collection: "networks", per: perProject, limit: 15},
	{metric: "NETWORK_ENDPOINT_GROUPS", collection: "networkEndpointGroups", per: perRegion, limit: 2500},
	{metric: "SSL_CERTIFICATES", collection: "sslCertificates", per: perProject, limit: 10},
	{metric: "STATIC_ADDRESSES", collection: "addresses", per: perGlobal, limit: 8, counts: externalAddress},
	{metric: "STATIC_ADDRESSES", collection: "addresses", per: perRegion, limit: 8, counts: externalAddress},
	{metric: "SUBNETWORKS", collection: "subnetworks", per: perProject, limit: 275},
	{metric: "TARGET_HTTPS_PROXIES", collection: "targetHttpsProxies", per: perProject, limit: 10},
	{metric: "TARGET_HTTP_PROXIES", collection: "targetHttpProxies", per: perProject, limit: 10},
	{metric: "URL_MAPS", collection: "urlMaps", per: perProject, limit: 10},
}

// addressInUse is the external address of a forwarding rule: rules may share it.
func addressInUse(res *resource) string {
	if scheme, _ := res.doc["loadBalancingScheme"].(string); !strings.HasPrefix(scheme, "EXTERNAL") {
		return ""
	}
	ip, _ := res.doc["IPAddress"].(string)
	return ip
}

func externalAddress(res *resource) string {
	if res.doc["addressType"] != "EXTERNAL" {
		return ""
	}
	return res.ref.name
}

// scopes are those a quota counts together. There is no region in where it does
// not count by region.
func (q *quota) scopes(in string) []scope {
	switch q.per {
	case perGlobal:
		return []scope{{kind: global}}
	case perRegion:
		list := []scope{{kind: region, name: in}}
		for _, zone := range placeOf[in].zones {
			list = append(list, scope{kind: zonal, name: zone})
		}
		return list
	}
	return scopesOf(global, region, zonal)
}

// usage counts what clients can see, and also.
func (q *quota) usage(st *store, project, in string, also *resource) int {
	n, seen := 0, map[string]bool{}
	add := func(res *resource) {
		if q.counts == nil {
			n++
		} else if what := q.counts(res); what != "" {
			seen[what] = true
		}
	}
	for _, sc := range q.scopes(in) {
		for _, res := range st.shelves[shelf{project, sc, q.collection}] {
			if !res.creating {
				add(res)
			}
		}
	}
	if also != nil {
		add(also)
	}
	return n + len(seen)
}

// applies tells whether a resource counts, and in which region.
func (q *quota) applies(r ref) (in string, ok bool) {
	switch {
	case r.collection != q.collection, q.per == perGlobal && r.scope.kind != global:
		return "", false
	case q.per == perRegion:
		return regionOf(r.scope), r.scope.kind != global
	}
	return "", true
}

// overQuota fails an insert, inside its operation, that would use more than a
// switch allows.
func (s *Server) overQuota(res *resource) *OperationError {
	for i := range quotas {
		q := &quotas[i]
		in, ok := q.applies(res.ref)
		limit, set := s.opts.Quota[q.metric]
		if ok && set && q.usage(s.store, res.ref.project, in, res) > limit {
			return errQuota(q, limit, in)
		}
	}
	return nil
}

func errQuota(q *quota, limit int, in string) *OperationError {
	name := strings.ReplaceAll(q.metric, "_", "-") + "-per-project"
	place, dimensions := "globally", map[string]string{"global": "global"}
	if in != "" {
		name += "-region"
		place, dimensions = "in region "+in, map[string]string{"region": in}
	}
	return &OperationError{
		Code:       "QUOTA_EXCEEDED",
		Message:    fmt.Sprintf("Quota '%s' exceeded.  Limit: %.1f %s.", q.metric, float64(limit), place),
		HTTPStatus: http.StatusForbidden,
		Details: []any{doc{"quotaInfo": doc{
			"metricName": "compute.googleapis.com/" + strings.ToLower(q.metric),
			"limitName":  name,
			"limit":      float64(limit),
			"dimensions": dimensions,
		}}},
	}
}

// quotaDocs are what a project, or one region of it, is shown; the lock is held.
func (s *Server) quotaDocs(project, in string) []doc {
	var docs []doc
	for i := range quotas {
		q := &quotas[i]
		if (q.per == perRegion) != (in != "") {
			continue
		}
		limit, set := s.opts.Quota[q.metric]
		if !set {
			limit = q.limit
		}
		docs = append(docs, doc{"metric": q.metric, "limit": float64(limit), "usage": float64(q.usage(s.store, project, in, nil))})
	}
	return docs
}

// ParseQuota reads "METRIC=LIMIT" into limits.
func ParseQuota(limits map[string]int, text string) error {
	metric, number, _ := strings.Cut(text, "=")
	if !slices.ContainsFunc(quotas, func(q quota) bool { return q.metric == metric }) {
		known := map[string]bool{}
		for _, q := range quotas {
			known[q.metric] = true
		}
		return fmt.Errorf("no quota %q: one of %s", metric, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	limit, err := strconv.Atoi(number)
	if err != nil || limit < 0 {
		return fmt.Errorf("quota %s: %q is no limit", metric, number)
	}
	limits[metric] = limit
	return nil
}
