package fakeapis

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// lists are the collections that can be listed, in one page.
var lists = map[string]bool{"functions": true, "subscriptions": true, "jobs": true}

// list finds resources in any location where the path says so by a dash.
func (s *Server) list(r *request) doc {
	before, after, _ := strings.Cut(r.path, "/locations/-/")
	found := []any{}
	for _, path := range slices.Sorted(maps.Keys(s.resources)) {
		parent, _, _ := strings.Cut(path, "/"+r.collection()+"/")
		if after == "" && parent+"/"+r.collection() == r.path ||
			after != "" && strings.HasPrefix(path, before+"/locations/") && strings.Contains(path, "/"+after+"/") {
			found = append(found, s.resources[path])
		}
	}
	return doc{r.collection(): found}
}

// An Entry is a line of a project's log. What filters find it by is no affair of this
// stand-in: it is found by filters that have all of Words.
type Entry struct {
	Project string
	Words   []string
	At      time.Time
}

// Log adds an entry to a log.
func (s *Server) Log(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}

// logEntries answers with the newest one.
func (s *Server) logEntries(r *request) (doc, *failure) {
	if r.verb != "list" {
		return s.strange(r)
	}
	names, _ := r.body["resourceNames"].([]any)
	var newest *Entry
	for i, e := range s.entries {
		all := !slices.ContainsFunc(e.Words, func(w string) bool { return !strings.Contains(text(r.body, "filter"), w) })
		if all && slices.Contains(names, any("projects/"+e.Project)) && (newest == nil || e.At.After(newest.At)) {
			newest = &s.entries[i]
		}
	}
	if newest == nil {
		return doc{}, nil
	}
	return doc{"entries": []any{doc{"timestamp": newest.At.UTC().Format(time.RFC3339Nano)}}}, nil
}

// SetStatus is what a job's last call came to.
func (s *Server) SetStatus(job string, last time.Time, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.resources[job]
	d["state"], d["lastAttemptTime"], d["status"] = "ENABLED", last.UTC().Format(time.RFC3339Nano), doc{"code": code}
}

// actAs starts the tokens of accounts.
const actAs = "token-of-"

func (s *Server) accessToken(r *request) (doc, *failure) {
	path := s.policyPath(r)
	if s.resources[path] == nil {
		return nil, notFound(path)
	}
	return doc{"accessToken": actAs + r.last(), "expireTime": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}, nil
}

// testPermissions tells what the account whose token is shown may do, by the project's
// policy and its custom roles. Without such a token it is nobody.
func (s *Server) testPermissions(r *request) doc {
	account, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "+actAs)
	held := map[string]bool{}
	bindings, _ := s.policies[r.path]["bindings"].([]any)
	for _, each := range bindings {
		binding, _ := each.(doc)
		members, _ := binding["members"].([]any)
		role := s.resources[text(binding, "role")]
		if !slices.Contains(members, any("serviceAccount:"+account)) || role == nil || role["deleted"] == true {
			continue
		}
		permissions, _ := role["includedPermissions"].([]any)
		for _, p := range permissions {
			held[fmt.Sprint(p)] = true
		}
	}
	granted := []any{}
	asked, _ := r.body["permissions"].([]any)
	for _, p := range asked {
		if held[fmt.Sprint(p)] {
			granted = append(granted, p)
		}
	}
	return doc{"permissions": granted}
}

// Refuse answers each call whose path contains part with 403, as to a caller without the right.
func (s *Server) Refuse(part string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, part)
}

func (s *Server) refuses(r *request) *failure {
	for _, part := range s.refused {
		if strings.Contains(r.URL.Path, part) {
			return &failure{http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission"}
		}
	}
	return nil
}
