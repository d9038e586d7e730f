package fakeapis

import (
	"encoding/base64"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

func (s *Server) secret(r *request) (doc, *failure) {
	switch {
	case !r.named():
		path := r.path + "/" + r.URL.Query().Get("secretId")
		r.body["name"] = path
		return s.add(path, r.body)
	case r.verb == "addVersion":
		if s.resources[r.path] == nil {
			return nil, notFound(r.path)
		}
		s.versions[r.path] = append(s.versions[r.path], text(r.body, "payload", "data"))
		return doc{"name": r.path + "/versions/" + strconv.Itoa(len(s.versions[r.path])), "state": "ENABLED", "clientSpecifiedPayloadChecksum": true}, nil
	case r.Method == http.MethodDelete:
		delete(s.versions, r.path)
	}
	return s.plain(r)
}

// secretVersion lists, and knows the latest.
func (s *Server) secretVersion(r *request) (doc, *failure) {
	secret, _, _ := strings.Cut(r.path, "/versions")
	n := len(s.versions[secret])
	if !r.named() {
		var list []any
		for i := range n {
			list = append(list, doc{"name": secret + "/versions/" + strconv.Itoa(i+1), "state": "ENABLED"})
		}
		return doc{"versions": list}, nil
	}
	if n == 0 || r.last() != "latest" {
		return nil, notFound(r.path)
	}
	name := secret + "/versions/" + strconv.Itoa(n)
	if r.verb != "access" {
		return doc{"name": name, "state": "ENABLED"}, nil
	}
	data := s.versions[secret][n-1]
	plain, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, invalid("payload: %v", err)
	}
	sum := crc32.Checksum(plain, crc32.MakeTable(crc32.Castagnoli))
	return doc{"name": name, "payload": doc{"data": data, "dataCrc32c": strconv.FormatUint(uint64(sum), 10)}}, nil
}

// Secret is all versions of one.
func (s *Server) Secret(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, data := range s.versions["projects/"+s.Project+"/secrets/"+name] {
		plain, _ := base64.StdEncoding.DecodeString(data) // what is no base64 is empty
		list = append(list, string(plain))
	}
	return list
}
