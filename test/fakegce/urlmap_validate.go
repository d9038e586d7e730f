package fakegce

import (
	"net/http"
	"strings"
)

// validateURLMap tells whether a URL map could be stored under a name, and whether
// it leads where its own tests say.
func validateURLMap(s *Server, c *call) (any, *apiError) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	wanted, ok := object(in["resource"])
	if !ok {
		return nil, errRequired("resource.resource")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, err := s.draft(urlMaps, &resource{ref: c.ref(urlMaps.name)}, merge(doc{}, wanted))
	if err != nil {
		return doc{"result": doc{"loadSucceeded": false, "loadErrors": []string{err.message}}}, nil
	}
	var routes urlRoutes
	if err := d.read(&routes); err != nil {
		return nil, err
	}
	result := doc{"loadSucceeded": true, "testPassed": true}
	if failures := routes.failures(); len(failures) > 0 {
		result["testPassed"], result["testFailures"] = false, failures
	}
	return doc{"result": result}, nil
}

// urlRoutes is what of a URL map decides by host and path. Route rules, redirects
// and rewrites are not followed: a test that names no service passes.
type urlRoutes struct {
	DefaultService string `json:"defaultService"`
	HostRules      []struct {
		Hosts       []string `json:"hosts"`
		PathMatcher string   `json:"pathMatcher"`
	} `json:"hostRules"`
	PathMatchers []pathMatcher `json:"pathMatchers"`
	Tests        []struct {
		Host    string `json:"host"`
		Path    string `json:"path"`
		Service string `json:"service"`
	} `json:"tests"`
}

type pathMatcher struct {
	Name           string `json:"name"`
	DefaultService string `json:"defaultService"`
	PathRules      []struct {
		Paths   []string `json:"paths"`
		Service string   `json:"service"`
	} `json:"pathRules"`
}

func (r *urlRoutes) failures() []doc {
	var failures []doc
	for _, test := range r.Tests {
		if actual := r.service(test.Host, test.Path); test.Service != "" && actual != test.Service {
			failures = append(failures, doc{"host": test.Host, "path": test.Path, "expectedService": test.Service, "actualService": actual})
		}
	}
	return failures
}

// service is where a request goes: by the closest host, then by the closest path.
func (r *urlRoutes) service(host, path string) string {
	matcher, closest := "", -1
	for _, rule := range r.HostRules {
		for _, pattern := range rule.Hosts {
			if n := closeness(pattern, host, strings.HasSuffix, strings.TrimPrefix(pattern, "*")); n > closest {
				matcher, closest = rule.PathMatcher, n
			}
		}
	}
	for _, m := range r.PathMatchers {
		if closest >= 0 && m.Name == matcher {
			return m.service(path)
		}
	}
	return r.DefaultService
}

func (m *pathMatcher) service(path string) string {
	service, closest := m.DefaultService, -1
	for _, rule := range m.PathRules {
		for _, pattern := range rule.Paths {
			if n := closeness(pattern, path, strings.HasPrefix, strings.TrimSuffix(pattern, "*")); n > closest {
				service, closest = rule.Service, n
			}
		}
	}
	return service
}

// closeness orders patterns that match: the longer the closer, and without a star
// closest of all. One that does not match is -1.
func closeness(pattern, text string, matches func(text, part string) bool, part string) int {
	switch {
	case pattern == text:
		return len(pattern) + 1<<20
	case part != pattern && matches(text, part):
		return len(part)
	}
	return -1
}

// invalidateCache is an operation without an effect: nothing is cached here.
func invalidateCache(s *Server, c *call) (any, *apiError) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	if path, _ := in["path"].(string); path != "" && !strings.HasPrefix(path, "/") {
		return nil, errInvalid("resource.path", path, "Must begin with a slash.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.idle(c.ref(urlMaps.name))
	if err != nil {
		return nil, err
	}
	uses := s.store.uses[res.ref]
	return s.begin(c, mutation{kind: "invalidateCache", target: res, draft: &draft{ref: res.ref, doc: res.doc, uses: uses}, before: uses}), nil
}

func urlMapMethods(here string) []Method {
	const each = "/urlMaps/{urlMap}/"
	return []Method{
		{ID: "urlMaps.validate", HTTP: http.MethodPost, Path: "projects/{project}/global" + each + "validate", resource: "urlMap", serve: validateURLMap},
		{ID: "regionUrlMaps.validate", HTTP: http.MethodPost, Path: "projects/{project}/" + here + each + "validate", resource: "urlMap", serve: validateURLMap},
		{ID: "urlMaps.invalidateCache", HTTP: http.MethodPost, Path: "projects/{project}/global" + each + "invalidateCache", resource: "urlMap",
			Query: mutationParams, serve: invalidateCache},
	}
}
