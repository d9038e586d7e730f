package fakeapis

import (
	"fmt"
	"net/http"
	"strings"
)

// function makes, changes and deletes at once what the real API does in minutes.
func (s *Server) function(r *request) (doc, *failure) {
	switch {
	case r.verb == "generateUploadUrl":
		object := fmt.Sprintf("source-%d.zip", len(s.uploads)+1)
		return doc{"uploadUrl": r.base + "/upload/" + object, "storageSource": doc{"bucket": "gcf-v2-uploads", "object": object}}, nil
	case r.Method == http.MethodPost:
		path := r.path + "/" + r.URL.Query().Get("functionId")
		if fail := s.runnable(r.body); fail != nil {
			return nil, fail
		}
		if _, fail := s.add(path, s.deployed(path, r.body)); fail != nil {
			return nil, fail
		}
		return s.working(path), nil
	case r.Method == http.MethodPatch:
		if s.resources[r.path] == nil {
			return nil, notFound(r.path)
		}
		if fail := s.runnable(r.body); fail != nil {
			return nil, fail
		}
		changed, _ := s.change(r, r.body, r.URL.Query().Get("updateMask")) // it is there
		s.resources[r.path] = s.deployed(r.path, changed)
		return s.working(r.path), nil
	case r.Method == http.MethodDelete:
		delete(s.resources, s.runPath(r.path))
		delete(s.policies, s.runPath(r.path))
		if _, fail := s.plain(r); fail != nil {
			return nil, fail
		}
		return s.working(r.path), nil
	}
	return s.plain(r)
}

// runnable refuses a function whose accounts or secrets are missing.
func (s *Server) runnable(f doc) *failure {
	for _, account := range []string{text(f, "serviceConfig", "serviceAccountEmail"), text(f, "buildConfig", "serviceAccount")} {
		email := account[strings.LastIndex(account, "/")+1:]
		if email == "" || s.resources["projects/"+s.Project+"/serviceAccounts/"+email] == nil {
			return invalid("service account %q does not exist", email)
		}
	}
	volumes, _ := at(f, "serviceConfig", "secretVolumes").([]any)
	variables, _ := at(f, "serviceConfig", "secretEnvironmentVariables").([]any)
	for _, each := range append(volumes, variables...) {
		d, _ := each.(doc)
		if len(s.versions["projects/"+s.Project+"/secrets/"+text(d, "secret")]) == 0 {
			return invalid("secret %s has no version", text(d, "secret"))
		}
	}
	if s.uploads[text(f, "buildConfig", "source", "storageSource", "object")] == nil {
		return invalid("source %v was not uploaded", at(f, "buildConfig", "source"))
	}
	return nil
}

// deployed is a function that runs, with its Cloud Run service beside it.
func (s *Server) deployed(path string, f doc) doc {
	id := path[strings.LastIndex(path, "/")+1:]
	f["name"], f["state"], f["environment"] = path, "ACTIVE", "GEN_2"
	service, _ := f["serviceConfig"].(doc)
	service["uri"], service["service"] = "https://"+id+"-abc.a.run.app", s.runPath(path)
	if s.resources[s.runPath(path)] == nil {
		s.resources[s.runPath(path)] = doc{
			"apiVersion": "serving.knative.dev/v1", "kind": "Service",
			"metadata": doc{"name": id, "namespace": s.Number, "generation": 1, "annotations": doc{}},
			"spec":     doc{"template": doc{"spec": doc{"containers": []any{doc{"image": "source"}}}}},
			"status":   doc{"observedGeneration": 1, "conditions": []any{doc{"type": "Ready", "status": "True"}}, "url": service["uri"]},
		}
	}
	return f
}

// runPath is that of a function's service.
func (s *Server) runPath(function string) string {
	return strings.Replace(function, "/functions/", "/services/", 1)
}

// runService finds a service by the paths of both APIs of Cloud Run.
func (s *Server) runService(r *request) (doc, *failure) {
	for path, d := range s.resources {
		if strings.Contains(path, "/locations/") && strings.HasSuffix(path, "/services/"+r.last()) {
			if strings.HasPrefix(r.URL.Path, "/v2/") {
				unchecked := text(d, "metadata", "annotations", "run.googleapis.com/invoker-iam-disabled") == "true"
				return doc{"name": path, "uri": text(d, "status", "url"), "invokerIamDisabled": unchecked}, nil
			}
			if r.Method == http.MethodPut {
				s.resources[path] = r.body
				r.body["status"] = d["status"]
				return r.body, nil
			}
			return d, nil
		}
	}
	return nil, notFound(r.path)
}

// working is an operation on path that is done when it is asked for.
func (s *Server) working(path string) doc {
	location, function, _ := strings.Cut(path, "/functions/")
	return doc{"name": location + "/operations/" + function, "done": false, "metadata": stages(path)}
}

func stages(target string) doc {
	var list []any
	for _, name := range []string{"BUILD", "SERVICE"} {
		list = append(list, doc{"name": name, "state": "COMPLETE", "message": "done"})
	}
	return doc{"@type": "type.googleapis.com/google.cloud.functions.v2.OperationMetadata", "target": target, "stages": list}
}

func (s *Server) operation(r *request) (doc, *failure) {
	target := strings.Replace(r.path, "/operations/", "/functions/", 1)
	response := doc{"@type": "type.googleapis.com/google.protobuf.Empty"}
	if f := s.resources[target]; f != nil {
		response = doc{"@type": "type.googleapis.com/google.cloud.functions.v2.Function", "name": target}
	}
	return doc{"name": r.path, "done": true, "metadata": stages(target), "response": response}, nil
}

func (s *Server) runtimes(*request) (doc, *failure) {
	return doc{"runtimes": []any{doc{"name": "go126", "displayName": "Go 1.26", "stage": "GA", "environment": "GEN_2"}}}, nil
}

func (s *Server) buildAccount(r *request) (doc, *failure) {
	return doc{"name": r.path, "serviceAccountEmail": "projects/" + s.Project + "/serviceAccounts/" + s.Number + "-compute@developer.gserviceaccount.com"}, nil
}

// Source is the archive that a function was last deployed from; nil if there is none.
func (s *Server) Source(function string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[text(s.resources[function], "buildConfig", "source", "storageSource", "object")]
}
