package fakeapis

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxUpload bounds a request; a source archive is the largest.
const maxUpload = 256 << 20

// read takes a call apart. Cloud Run's older API says namespaces where others say projects.
func read(hr *http.Request) (*request, error) {
	raw, err := io.ReadAll(io.LimitReader(hr.Body, maxUpload))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	r := &request{Request: hr, base: "http://" + hr.Host, raw: raw}
	path, err := url.PathUnescape(version.ReplaceAllString(hr.URL.Path, ""))
	if err != nil {
		return nil, fmt.Errorf("read path: %w", err)
	}
	path = strings.Replace(path, "namespaces/", "projects/", 1)
	r.path, r.verb, _ = strings.Cut(path, ":")
	if len(raw) > 0 && strings.HasPrefix(hr.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &r.body); err != nil {
			return nil, fmt.Errorf("read body: %w", err)
		}
	}
	return r, nil
}

// at reads a path of fields; nil if one is missing.
func at(d doc, fields ...string) any {
	var v any = d
	for _, field := range fields {
		m, ok := v.(doc)
		if !ok {
			return nil
		}
		v = m[field]
	}
	return v
}

// text is a string field; empty if it is missing.
func text(d doc, fields ...string) string {
	v, _ := at(d, fields...).(string)
	return v
}
