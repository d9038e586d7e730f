package fakeapis

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// policyPath is where a policy is kept. An account is asked for in any project.
func (s *Server) policyPath(r *request) string {
	return strings.Replace(r.path, "projects/-/", "projects/"+s.Project+"/", 1)
}

func (s *Server) policy(r *request) doc {
	if p := s.policies[s.policyPath(r)]; p != nil {
		return p
	}
	return doc{"etag": "BwA="}
}

// setPolicy refuses members and roles that IAM would refuse. The pseudo-members that a
// product keeps, as Pub/Sub's agent, are taken to exist.
func (s *Server) setPolicy(r *request) (doc, *failure) {
	path := s.policyPath(r)
	if r.collection() != "projects" && s.resources[path] == nil {
		return nil, notFound(path)
	}
	policy, _ := r.body["policy"].(doc)
	bindings, _ := policy["bindings"].([]any)
	for _, each := range bindings {
		binding, _ := each.(doc)
		role := text(binding, "role")
		if strings.HasPrefix(role, "projects/") && (s.resources[role] == nil || s.resources[role]["deleted"] == true) {
			return nil, invalid("Role %s does not exist", role)
		}
		members, _ := binding["members"].([]any)
		for _, m := range members {
			email, own := strings.CutPrefix(fmt.Sprint(m), "serviceAccount:")
			if own && strings.HasSuffix(email, "@"+s.Project+".iam.gserviceaccount.com") && s.resources["projects/"+s.Project+"/serviceAccounts/"+email] == nil {
				return nil, invalid("Service account %s does not exist", email)
			}
		}
	}
	s.policies[path] = policy
	return policy, nil
}

// Grants are all bindings, as RESOURCE ROLE MEMBER.
func (s *Server) Grants() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, path := range slices.Sorted(maps.Keys(s.policies)) {
		bindings, _ := s.policies[path]["bindings"].([]any)
		for _, each := range bindings {
			binding, _ := each.(doc)
			members, _ := binding["members"].([]any)
			for _, m := range members {
				list = append(list, fmt.Sprint(path, " ", binding["role"], " ", m))
			}
		}
	}
	slices.Sort(list)
	return list
}

func (s *Server) serviceAccount(r *request) (doc, *failure) {
	if r.verb == "generateAccessToken" {
		return s.accessToken(r)
	}
	if r.named() {
		r.path = s.policyPath(r)
		return s.plain(r)
	}
	email := text(r.body, "accountId") + "@" + s.Project + ".iam.gserviceaccount.com"
	d := doc{"name": r.path + "/" + email, "email": email, "projectId": s.Project, "displayName": text(r.body, "serviceAccount", "displayName")}
	return s.add(r.path+"/"+email, d)
}

// role keeps a deleted one, as IAM does for weeks.
func (s *Server) role(r *request) (doc, *failure) {
	if !r.named() {
		d, _ := r.body["role"].(doc)
		d["name"] = r.path + "/" + text(r.body, "roleId")
		return s.add(text(d, "name"), d)
	}
	have := s.resources[r.path]
	switch {
	case have == nil:
		return nil, notFound(r.path)
	case r.verb == "undelete":
		delete(have, "deleted")
		return have, nil
	case r.Method == http.MethodGet:
		return have, nil
	case have["deleted"] == true:
		return nil, &failure{http.StatusBadRequest, "FAILED_PRECONDITION", "role " + r.path + " is deleted"}
	case r.Method == http.MethodDelete:
		have["deleted"] = true
		return have, nil
	}
	name := have["name"]
	maps.Copy(have, r.body)
	have["name"] = name
	return have, nil
}

func (s *Server) project(r *request) (doc, *failure) {
	return doc{"projectId": r.last(), "projectNumber": s.Number, "name": r.last(), "lifecycleState": "ACTIVE"}, nil
}

// service is one of Service Usage, or of Cloud Run.
func (s *Server) service(r *request) (doc, *failure) {
	if strings.Contains(r.path, "/locations/") || strings.HasPrefix(r.URL.Path, "/apis/") {
		return s.runService(r)
	}
	if r.verb == "batchEnable" {
		ids, _ := r.body["serviceIds"].([]any)
		for _, id := range ids {
			s.enabled[fmt.Sprint(id)] = true
		}
		return doc{"name": "operations/noop.DONE_OPERATION", "done": true, "response": doc{"@type": "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse"}}, nil
	}
	if r.verb == "batchGet" {
		var all []any
		for _, name := range r.URL.Query()["names"] {
			all = append(all, s.usage(name))
		}
		return doc{"services": all}, nil
	}
	if r.named() && r.Method == http.MethodGet {
		return s.usage(r.path), nil
	}
	return s.strange(r)
}

// usage is a service of Service Usage by its path.
func (s *Server) usage(path string) doc {
	state := "DISABLED"
	if s.enabled[path[strings.LastIndex(path, "/")+1:]] {
		state = "ENABLED"
	}
	return doc{"name": path, "state": state}
}
