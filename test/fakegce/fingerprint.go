package fakegce

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
)

// newFingerprint is one that no resource has had.
func newFingerprint() string {
	raw := make([]byte, 8)
	rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// checkFingerprint holds the fingerprint of a change against the resource's: in
// the body, where patch and update need it, and in If-Match.
func (s *Server) checkFingerprint(f *family, c *call, res *resource, in doc) *apiError {
	if strings.HasSuffix(c.method.ID, ".setLabels") {
		return checkLabelFingerprint(res, in)
	}
	if !f.stamped {
		return nil
	}
	current, _ := res.doc["fingerprint"].(string)
	header := strings.Trim(c.req.Header.Get("If-Match"), `"`)
	if header != "" && header != "*" && !sameFingerprint(header, current) {
		err := errStale()
		err.locationType, err.location = "header", "If-Match"
		return err
	}
	given, _ := in["fingerprint"].(string)
	switch {
	case given != "" && !sameFingerprint(given, current):
		return errStale()
	case given == "" && header == "" && f.guarded && needsFingerprint(c):
		return s.missingFingerprint(c)
	}
	return nil
}

// standard turns the alphabet of URLs into the usual one, without padding.
var standard = strings.NewReplacer("-", "+", "_", "/", "=", "")

// sameFingerprint compares bytes: gcloud sends them back in the alphabet of
// URLs.
func sameFingerprint(a, b string) bool { return standard.Replace(a) == standard.Replace(b) }

// needsFingerprint tells patch and update from the methods that set one field.
func needsFingerprint(c *call) bool {
	return c.req.Method == http.MethodPatch || c.req.Method == http.MethodPut
}

func (s *Server) missingFingerprint(c *call) *apiError {
	switch {
	case s.opts.MissingFingerprint == "optional" && c.req.Method == http.MethodPatch:
		return nil
	case s.opts.MissingFingerprint == "conditionNotMet":
		return errStale()
	}
	return errRequired("resource.fingerprint")
}

func errStale() *apiError {
	return refuse(http.StatusPreconditionFailed, "conditionNotMet", "Invalid fingerprint.")
}
