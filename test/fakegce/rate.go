package fakegce

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rateQuota is how errors name a group of methods that share a number of calls
// per minute: the metric by its name for people, the limit by its id.
type rateQuota struct {
	display string
	limit   string
}

// rateQuotas are the groups that docs.cloud.google.com/compute/docs/api-rate-limits
// lists for the methods served. Those that end in _per_region are counted in each
// region by itself.
var rateQuotas = map[string]rateQuota{
	"default":                            {"Queries", "defaultPerMinutePerProject"},
	"read_requests":                      {"Read requests", "ReadRequestsPerMinutePerProject"},
	"list_requests":                      {"List requests", "ListRequestsPerMinutePerProject"},
	"operation_read_requests":            {"Operation read requests", "OperationReadRequestsPerMinutePerProject"},
	"heavy_weight_read_requests":         {"Heavy-weight read requests", "HeavyWeightReadRequestsPerMinutePerProject"},
	"list_usable_requests":               {"List usable requests", "GlobalListUsablePerMinutePerProject"},
	"global_cache_invalidation_requests": {"Cache invalidation requests", "GlobalCacheInvalidationRequestsPerMinutePerProject"},

	"default_per_region":                                  {"Queries", "QueriesPerMinutePerRegion"},
	"read_requests_per_region":                            {"Read requests", "ReadRequestsPerMinutePerRegion"},
	"list_requests_per_region":                            {"List requests", "ListRequestsPerMinutePerRegion"},
	"operation_read_requests_per_region":                  {"Operation read requests", "OperationReadRequestsPerMinutePerRegion"},
	"heavy_weight_read_requests_per_region":               {"Heavy weight read requests", "HeavyWeightReadRequestsPerMinutePerRegion"},
	"list_usable_requests_per_region":                     {"List usable requests", "ListUsablePerMinutePerProjectPerRegion"},
	"network_endpoint_write_requests_per_region":          {"Network endpoint write requests", "NetworkEndpointWriteRequestsPerMinutePerProjectPerRegion"},
	"network_endpoint_list_requests_per_region":           {"Network endpoint list requests", "NetworkEndpointListRequestsPerMinutePerProjectPerRegion"},
	"regional_network_endpoint_write_requests_per_region": {"Regional network endpoint write requests", "RegionalNetworkEndpointWriteRequestsPerMinutePerProjectPerRegion"},
	"regional_network_endpoint_list_requests_per_region":  {"Regional network endpoint list requests", "RegionalNetworkEndpointListRequestsPerMinutePerProjectPerRegion"},
}

// rateGroups is the group of a method by its last word; below a region or a zone
// the group of the same name per region counts. Where the documentation has no
// row (the wait of global operations, getHealth) the nearest one is taken.
var rateGroups = map[string]string{
	"get": "read_requests", "list": "list_requests", "listUsable": "list_usable_requests",
	"aggregatedList": "heavy_weight_read_requests", "wait": "heavy_weight_read_requests",
	"invalidateCache": "global_cache_invalidation_requests",
	"validate":        "default",
	"insert":          "default", "patch": "default", "update": "default", "delete": "default", "getHealth": "default",
	"attachNetworkEndpoints": "default", "detachNetworkEndpoints": "default", "listNetworkEndpoints": "default",
	"testIamPermissions": "default",
	"setUrlMap":          "default", "setSslCertificates": "default", "setTarget": "default", "setLabels": "default",
	"setCertificateMap": "default", "setQuicOverride": "default", "setSslPolicy": "default",
	"setSecurityPolicy": "default", "setEdgeSecurityPolicy": "default",
}

// rateExceptions are the methods that the table above does not tell.
var rateExceptions = map[string]string{
	"networkEndpointGroups.attachNetworkEndpoints":       "network_endpoint_write_requests_per_region",
	"networkEndpointGroups.detachNetworkEndpoints":       "network_endpoint_write_requests_per_region",
	"networkEndpointGroups.listNetworkEndpoints":         "network_endpoint_list_requests_per_region",
	"regionNetworkEndpointGroups.attachNetworkEndpoints": "regional_network_endpoint_write_requests_per_region",
	"regionNetworkEndpointGroups.detachNetworkEndpoints": "regional_network_endpoint_write_requests_per_region",
	"regionNetworkEndpointGroups.listNetworkEndpoints":   "regional_network_endpoint_list_requests_per_region",
	"zoneOperations.get":                                 "operation_read_requests_per_region",
	"regionOperations.get":                               "operation_read_requests_per_region",
	"globalOperations.get":                               "operation_read_requests",
}

// RateGroup is the rate quota a method's calls count against, without
// "compute.googleapis.com/".
func (m Method) RateGroup() string {
	if group := rateExceptions[m.ID]; group != "" {
		return group
	}
	_, verb, _ := strings.Cut(m.ID, ".")
	group := rateGroups[verb]
	if group != "" && (strings.Contains(m.Path, "/zones/{zone}/") || strings.Contains(m.Path, "/regions/{region}/")) {
		group += "_per_region"
	}
	return group
}

// RateUse is what came in for one group since the last clear.
type RateUse struct {
	Calls   uint64 `json:"calls"`   // within the quota
	Refused uint64 `json:"refused"` // past it
	Fullest uint64 `json:"fullest"` // calls in the fullest minute of one project and, where it counts, one region
}

type rateKey struct{ project, region, group string }

// rates counts calls by group in minutes that begin as the clock's do. The
// calls of a minute that is over are forgotten.
type rates struct {
	mu     sync.Mutex
	minute time.Time
	window map[rateKey]uint64
	use    map[string]RateUse
}

// clear also empties the minute under way.
func (r *rates) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window, r.use = map[rateKey]uint64{}, map[string]RateUse{}
}

func (r *rates) clone() map[string]RateUse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.use)
}

// take counts a call unless its group has had as many as the limit, where 0 is
// none.
func (r *rates) take(key rateKey, now time.Time, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(r.minute) {
		r.minute = minute
		clear(r.window)
	}
	use := r.use[key.group]
	ok := limit == 0 || r.window[key] < uint64(limit)
	if ok {
		r.window[key]++
		use.Calls++
		use.Fullest = max(use.Fullest, r.window[key])
	} else {
		use.Refused++
	}
	r.use[key.group] = use
	return ok
}

// charge counts a call and, where the quota of its group is enforced, refuses
// what is past it. A place that does not exist counts nowhere.
func (s *Server) charge(c *call) *apiError {
	if c.check() != nil {
		return nil
	}
	key := rateKey{project: c.project, group: c.method.RateGroup()}
	if strings.HasSuffix(key.group, "_per_region") {
		key.region = regionOf(c.scope)
	}
	limit := s.opts.RateQuota[key.group]
	if s.rates.take(key, s.clock.Now(), limit) {
		return nil
	}
	s.ensureProject(c.project)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return errRate(s.opts.RateStatus, key, limit, s.store.projects[c.project])
}

// errRate is worded as the service's own: clients read reason and details.
func errRate(status int, key rateKey, limit int, project uint64) *apiError {
	quota := rateQuotas[key.group]
	per, unit, location := "per minute", "1/min/{project}", "global"
	if key.region != "" {
		per, unit, location = "per minute per region", "1/min/{project}/{region}", key.region
	}
	err := refuse(status, "rateLimitExceeded",
		"Quota exceeded for quota metric '%s' and limit '%s %s' of service 'compute.googleapis.com' for consumer 'project_number:%d'.",
		quota.display, quota.display, per, project)
	err.domain = "usageLimits"
	err.details = []any{
		doc{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com",
			"metadata": doc{
				"service": "compute.googleapis.com", "consumer": fmt.Sprintf("projects/%d", project),
				"quota_metric": "compute.googleapis.com/" + key.group, "quota_limit": quota.limit,
				"quota_limit_value": strconv.Itoa(limit), "quota_unit": unit, "quota_location": location,
			},
		},
		doc{
			"@type": "type.googleapis.com/google.rpc.Help",
			"links": []doc{{
				"description": "Request a higher quota limit.",
				"url":         "https://cloud.google.com/docs/quotas/help/request_increase",
			}},
		},
	}
	return err
}

// statusName is the "status" of an error with details.
var statusName = map[int]string{http.StatusForbidden: "PERMISSION_DENIED", http.StatusTooManyRequests: "RESOURCE_EXHAUSTED"}

// ParseRateQuota reads "group=calls,group=calls": calls per minute of each group.
func ParseRateQuota(text string) (map[string]int, error) {
	limits := map[string]int{}
	for _, part := range strings.Split(text, ",") {
		group, number, _ := strings.Cut(part, "=")
		if _, ok := rateQuotas[group]; !ok {
			return nil, fmt.Errorf("no rate quota %q: one of %s", group, strings.Join(slices.Sorted(maps.Keys(rateQuotas)), ", "))
		}
		limit, err := strconv.Atoi(number)
		if err != nil || limit < 1 {
			return nil, fmt.Errorf("rate quota %s: %q is no number of calls", group, number)
		}
		limits[group] = limit
	}
	return limits, nil
}
