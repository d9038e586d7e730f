package fakeapis

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// doc is a resource, a request or an answer.
type doc = map[string]any

// A Server answers for all APIs: their paths do not collide.
type Server struct {
	Project string // the only one with topics and functions; any project has a policy
	Number  string

	mu        sync.Mutex
	resources map[string]doc // by path, as in projects/p/topics/t
	policies  map[string]doc // of IAM, by the path of the resource
	versions  map[string][]string
	uploads   map[string][]byte
	enabled   map[string]bool
	entries   []Entry
	refused   []string
	unknown   []string
}

// New returns the APIs of a project that is empty but for the log sink that every project has.
func New(project, number string) *Server {
	return &Server{
		Project: project, Number: number,
		resources: map[string]doc{"projects/" + project + "/sinks/_Default": {"name": "_Default", "destination": "logging.googleapis.com/projects/" + project + "/locations/global/buckets/_Default"}},
		policies:  map[string]doc{}, versions: map[string][]string{}, uploads: map[string][]byte{}, enabled: map[string]bool{},
	}
}

// A failure is an answer of the APIs' form of errors.
type failure struct {
	code    int
	status  string
	message string
}

func notFound(path string) *failure {
	return &failure{http.StatusNotFound, "NOT_FOUND", path + " was not found"}
}

func invalid(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, "INVALID_ARGUMENT", fmt.Sprintf(format, args...)}
}

// A request is one call, read.
type request struct {
	*http.Request
	base string // of URLs that lead here
	path string // without version: projects/p/topics/t
	verb string // after the colon: getIamPolicy
	body doc
	raw  []byte
}

// last is the last word of the path.
func (r *request) last() string { return r.path[strings.LastIndex(r.path, "/")+1:] }

// collection is the word before a resource's id.
func (r *request) collection() string {
	words := strings.Split(r.path, "/")
	if len(words)%2 == 1 {
		return words[len(words)-1]
	}
	return words[len(words)-2]
}

// named tells whether the path leads to a resource, and not to a collection.
func (r *request) named() bool { return strings.Count(r.path, "/")%2 == 1 }

var version = regexp.MustCompile(`^/(v\d[a-z0-9]*|apis/serving\.knative\.dev/v1)/`)

func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r, err := read(hr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, fail := s.serve(r)
	if fail != nil {
		answer = doc{"error": doc{"code": fail.code, "status": fail.status, "message": fail.message}}
	}
	w.Header().Set("Content-Type", "application/json")
	if fail != nil {
		w.WriteHeader(fail.code)
	}
	_ = json.NewEncoder(w).Encode(answer) // a caller that is gone is told by nothing else either
}

func (s *Server) serve(r *request) (doc, *failure) {
	if strings.HasPrefix(r.URL.Path, "/upload/") && r.Method == http.MethodPut {
		s.uploads[r.last()] = r.raw
		return doc{}, nil
	}
	if !version.MatchString(r.URL.Path) {
		return s.strange(r)
	}
	if fail := s.refuses(r); fail != nil {
		return nil, fail
	}
	switch r.verb {
	case "getIamPolicy":
		if (r.collection() == "topics" || r.collection() == "subscriptions") && s.resources[r.path] == nil {
			return nil, notFound(r.path)
		}
		return s.policy(r), nil
	case "setIamPolicy":
		return s.setPolicy(r)
	case "testIamPermissions":
		return s.testPermissions(r), nil
	}
	if r.Method == http.MethodGet && !r.named() && lists[r.collection()] {
		return s.list(r), nil
	}
	serve := map[string]func(*request) (doc, *failure){
		"projects": s.project, "services": s.service, "serviceAccounts": s.serviceAccount, "roles": s.role,
		"secrets": s.secret, "versions": s.secretVersion, "topics": s.topic, "subscriptions": s.subscription, "jobs": s.job, "sinks": s.sink,
		"functions": s.function, "runtimes": s.runtimes, "operations": s.operation, "defaultServiceAccount": s.buildAccount, "entries": s.logEntries,
	}[r.collection()]
	if serve == nil {
		return s.strange(r)
	}
	return serve(r)
}

// strange remembers a call that nobody here knows.
func (s *Server) strange(r *request) (doc, *failure) {
	s.unknown = append(s.unknown, r.Method+" "+r.URL.String())
	return nil, &failure{http.StatusNotImplemented, "UNIMPLEMENTED", r.Method + " " + r.URL.Path}
}

// plain does what is the same everywhere: get, delete, and a change by mask.
func (s *Server) plain(r *request) (doc, *failure) {
	have := s.resources[r.path]
	if have == nil {
		return nil, notFound(r.path)
	}
	switch r.Method {
	case http.MethodGet:
		return have, nil
	case http.MethodDelete:
		delete(s.resources, r.path)
		delete(s.policies, r.path)
		return doc{}, nil
	}
	return s.strange(r)
}

// add makes a resource.
func (s *Server) add(path string, d doc) (doc, *failure) {
	if s.resources[path] != nil {
		return nil, &failure{http.StatusConflict, "ALREADY_EXISTS", path + " already exists"}
	}
	s.resources[path] = d
	return d, nil
}

// change replaces the fields of a mask by those of the request.
func (s *Server) change(r *request, in doc, mask string) (doc, *failure) {
	have := s.resources[r.path]
	if have == nil {
		return nil, notFound(r.path)
	}
	for field := range strings.SplitSeq(mask, ",") {
		field, _, _ = strings.Cut(camel(field), ".")
		if in[field] == nil {
			delete(have, field)
		} else {
			have[field] = in[field]
		}
	}
	return have, nil
}

// camel turns the underscores of a mask into the spelling of JSON.
func camel(field string) string {
	return regexp.MustCompile(`_[a-z]`).ReplaceAllStringFunc(field, func(s string) string { return strings.ToUpper(s[1:]) })
}

// Resources are the paths of all there is.
func (s *Server) Resources() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.resources))
}

// Resource is one of them as JSON, or null.
func (s *Server) Resource(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.MarshalIndent(s.resources[path], "", "  ")
	if err != nil {
		panic(err) // it came as JSON
	}
	return string(text)
}

// Unknown are the calls that nobody here knows.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unknown)
}

// Enabled are the services that are on.
func (s *Server) Enabled() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.enabled))
}
