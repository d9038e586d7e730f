package fakecontainer

import (
	"fmt"
	"net/http"
)

type doc = map[string]any

// An apiError is a refusal in the form of Google's APIs.
type apiError struct {
	status  int
	reason  string
	message string
}

func refuse(status int, reason, format string, args ...any) *apiError {
	return &apiError{status, reason, fmt.Sprintf(format, args...)}
}

// codes are the google.rpc.Code names of HTTP statuses.
var codes = map[int]string{
	http.StatusBadRequest:          "FAILED_PRECONDITION",
	http.StatusUnauthorized:        "UNAUTHENTICATED",
	http.StatusForbidden:           "PERMISSION_DENIED",
	http.StatusNotFound:            "NOT_FOUND",
	http.StatusConflict:            "ALREADY_EXISTS",
	http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
	http.StatusInternalServerError: "INTERNAL",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
	http.StatusGatewayTimeout:      "DEADLINE_EXCEEDED",
}

func (e *apiError) body() doc {
	item := doc{"message": e.message, "domain": "global", "reason": e.reason}
	return doc{"error": doc{"code": e.status, "message": e.message, "errors": []doc{item}, "status": codes[e.status]}}
}

func notFound(k key) *apiError {
	return refuse(http.StatusNotFound, "notFound", "Not found: %s.", k)
}
