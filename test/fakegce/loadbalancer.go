package fakegce

import "strings"

// The chain from an address to a backend service.
var (
	urlMaps = &family{
		collection: collection{name: "urlMaps", kind: "compute#urlMap", aggregated: "compute#urlMapsAggregatedList", scopes: []scopeKind{region, global}},
		one:        "urlMap",
		links: map[string][]string{
			"defaultService": serviceOrBucket, "service": serviceOrBucket, "backendService": serviceOrBucket,
		},
		stamped: true, guarded: true, complete: completeURLMap,
	}
	targetHTTPProxies = &family{
		collection: collection{name: "targetHttpProxies", kind: "compute#targetHttpProxy", scopes: []scopeKind{region, global}},
		one:        "targetHttpProxy",
		links:      map[string][]string{"urlMap": {"urlMaps"}},
		stamped:    true, complete: completeHTTPProxy,
	}
	targetHTTPSProxies = &family{
		collection: collection{name: "targetHttpsProxies", kind: "compute#targetHttpsProxy", scopes: []scopeKind{region, global}},
		one:        "targetHttpsProxy",
		links:      map[string][]string{"urlMap": {"urlMaps"}, "sslCertificates": {"sslCertificates"}},
		defaults:   doc{"quicOverride": "NONE"},
		stamped:    true, complete: completeHTTPSProxy,
	}
	serviceOrBucket = []string{backendServices.name, "backendBuckets"}
)

type urlMapInput struct {
	DefaultService     string `json:"defaultService"`
	DefaultURLRedirect any    `json:"defaultUrlRedirect"`
	DefaultRouteAction any    `json:"defaultRouteAction"`
	HostRules          []struct {
		Hosts       []string `json:"hosts"`
		PathMatcher string   `json:"pathMatcher"`
	} `json:"hostRules"`
	PathMatchers []struct {
		Name string `json:"name"`
	} `json:"pathMatchers"`
}

func completeURLMap(_ *Server, d *draft) *apiError {
	var in urlMapInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.DefaultService == "" && in.DefaultURLRedirect == nil && in.DefaultRouteAction == nil {
		return errRequired("resource.defaultService")
	}
	matchers := map[string]bool{}
	for _, m := range in.PathMatchers {
		if m.Name == "" {
			return errRequired("resource.pathMatchers.name")
		}
		if matchers[m.Name] {
			return errInvalid("resource.pathMatchers.name", m.Name, "Duplicate path matcher name.")
		}
		matchers[m.Name] = true
	}
	used := map[string]bool{}
	for _, rule := range in.HostRules {
		if len(rule.Hosts) == 0 {
			return errRequired("resource.hostRules.hosts")
		}
		if !matchers[rule.PathMatcher] {
			return errInvalid("resource.hostRules.pathMatcher", rule.PathMatcher, "The path matcher does not exist.")
		}
		used[rule.PathMatcher] = true
	}
	for _, m := range in.PathMatchers {
		if !used[m.Name] {
			return errInvalid("resource.pathMatchers.name", m.Name, "The path matcher is not used by a host rule.")
		}
	}
	return nil
}

type proxyInput struct {
	URLMap          string   `json:"urlMap"`
	SSLCertificates []string `json:"sslCertificates"`
	CertificateMap  string   `json:"certificateMap"`
}

func completeHTTPProxy(_ *Server, d *draft) *apiError {
	var in proxyInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.URLMap == "" {
		return errRequired("resource.urlMap")
	}
	return nil
}

const maxCertificates = 15

func completeHTTPSProxy(s *Server, d *draft) *apiError {
	if err := completeHTTPProxy(s, d); err != nil {
		return err
	}
	var in proxyInput
	if err := d.read(&in); err != nil {
		return err
	}
	if n := len(in.SSLCertificates); n > maxCertificates {
		return errInvalid("resource.sslCertificates", n, "At most %d certificates can be specified.", maxCertificates)
	}
	if len(in.SSLCertificates) == 0 && strings.TrimSpace(in.CertificateMap) == "" {
		return errRequired("resource.sslCertificates")
	}
	return nil
}
