package fakeapis

import (
	"net/http"
	"strings"
)

func (s *Server) topic(r *request) (doc, *failure) {
	if r.Method == http.MethodPut {
		return s.add(r.path, doc{"name": r.path})
	}
	return s.plain(r)
}

func (s *Server) subscription(r *request) (doc, *failure) {
	in := r.body
	if r.Method == http.MethodPatch {
		in, _ = r.body["subscription"].(doc)
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPatch {
		for _, topic := range []string{text(in, "topic"), text(in, "deadLetterPolicy", "deadLetterTopic")} {
			if topic != "" && s.resources[topic] == nil {
				return nil, notFound(topic)
			}
		}
		if email := text(in, "pushConfig", "oidcToken", "serviceAccountEmail"); email != "" && s.resources["projects/"+s.Project+"/serviceAccounts/"+email] == nil {
			return nil, invalid("service account %s does not exist", email)
		}
	}
	switch r.Method {
	case http.MethodPut:
		in["name"] = r.path
		return s.add(r.path, in)
	case http.MethodPatch:
		return s.change(r, in, text(r.body, "updateMask"))
	}
	return s.plain(r)
}

func (s *Server) job(r *request) (doc, *failure) {
	switch r.Method {
	case http.MethodPost:
		return s.add(text(r.body, "name"), r.body)
	case http.MethodPatch:
		return s.change(r, r.body, r.URL.Query().Get("updateMask"))
	}
	return s.plain(r)
}

// sink gives each sink a writer of its own.
func (s *Server) sink(r *request) (doc, *failure) {
	switch r.Method {
	case http.MethodPost:
		project, _, _ := strings.Cut(strings.TrimPrefix(r.path, "projects/"), "/")
		r.body["writerIdentity"] = "serviceAccount:service-" + s.Number + "@gcp-sa-logging." + project + ".iam.gserviceaccount.com"
		return s.add(r.path+"/"+text(r.body, "name"), r.body)
	case http.MethodPatch, http.MethodPut:
		return s.change(r, r.body, r.URL.Query().Get("updateMask"))
	}
	return s.plain(r)
}
