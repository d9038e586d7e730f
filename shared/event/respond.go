package event

import (
	"errors"
	"io"
	"net/http"

	"github.com/negfleet/negfleet/shared/neg"
)

// Status is the answer to a delivery whose work ended with err: 204 acknowledges it
// (done, or blocked until someone acts), 503 asks Pub/Sub to send it again. A request
// that was no delivery gets the status of its RequestError.
func Status(err error) int {
	var request *RequestError
	switch {
	case errors.As(err, &request):
		return request.Status
	case neg.OutcomeOf(err) == neg.Again:
		return http.StatusServiceUnavailable
	}
	return http.StatusNoContent
}

// Respond answers a delivery whose work ended with err and returns the outcome, for the
// log line. The body names the status alone: errors may quote what callers must not see.
func Respond(w http.ResponseWriter, err error) neg.Outcome {
	status := Status(err)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return neg.OutcomeOf(err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)+"\n")
	return neg.Again
}
