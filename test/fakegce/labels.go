package fakegce

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
)

// noLabels is the fingerprint of the empty set of labels.
const noLabels = "42WmSpB8rSM="

var (
	labelKey   = regexp.MustCompile(`^\p{Ll}[\p{Ll}\p{Lo}\p{N}_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

const maxLabels = 64

// completeLabels validates labels and gives them their fingerprint, which is the
// same for the same labels.
func (d *draft) completeLabels() *apiError {
	labels, _ := object(d.doc["labels"])
	if labels == nil && d.doc["labels"] != nil {
		return errInvalid("resource.labels", d.doc["labels"], "Labels must be a map.")
	}
	if len(labels) > maxLabels {
		return errInvalid("resource.labels", len(labels), "At most %d labels can be specified.", maxLabels)
	}
	for key, value := range labels {
		text, ok := value.(string)
		if !labelKey.MatchString(key) {
			return errInvalid("resource.labels", key, "Label key does not match the expected pattern.")
		}
		if !ok || !labelValue.MatchString(text) {
			return errInvalid("resource.labels", value, "Label value does not match the expected pattern.")
		}
	}
	if len(labels) == 0 {
		delete(d.doc, "labels")
		d.doc["labelFingerprint"] = noLabels
		return nil
	}
	text, _ := json.Marshal(labels) // keys are sorted
	sum := sha256.Sum256(text)
	d.doc["labelFingerprint"] = base64.StdEncoding.EncodeToString(sum[:8])
	return nil
}

// setLabels replaces all labels of a resource.
func setLabels(f *family) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		return s.change(f, c, "setLabels", func(old, in doc) doc { return old.with("labels", in["labels"]) })
	}
}

// checkLabelFingerprint holds the fingerprint of a setLabels against the
// resource's; none is a wrong one.
func checkLabelFingerprint(res *resource, in doc) *apiError {
	given, _ := in["labelFingerprint"].(string)
	if current, _ := res.doc["labelFingerprint"].(string); sameFingerprint(given, current) {
		return nil
	}
	err := refuse(http.StatusPreconditionFailed, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
	err.locationType, err.location = "header", "If-Match"
	return err
}
