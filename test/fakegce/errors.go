package fakegce

import (
	"fmt"
	"net/http"
)

// apiError is a refusal at call time. A failure after acceptance is an
// OperationError instead.
type apiError struct {
	status  int
	reason  string
	domain  string
	message string

	locationType, location string // of what is wrong, where it is not the body
	details                []any
}

func (e *apiError) body() doc {
	item := doc{"message": e.message, "domain": e.domain, "reason": e.reason}
	if e.location != "" {
		item["locationType"], item["location"] = e.locationType, e.location
	}
	body := doc{"code": e.status, "message": e.message, "errors": []doc{item}}
	if len(e.details) > 0 {
		body["details"] = e.details
		if name := statusName[e.status]; name != "" {
			body["status"] = name
		}
	}
	return doc{"error": body}
}

// inWords gives a refusal whose text nobody has documented the words that the switch asks
// for; what others than people read stays.
func (s *Server) inWords(body any) any {
	err, ok := body.(*apiError)
	if !ok || s.opts.Texts != "other" || err.status != http.StatusBadRequest || err.reason != "invalid" && err.reason != "required" {
		return body
	}
	other := *err
	other.message = "The request cannot be served as it is."
	return &other
}

func refuse(status int, reason, format string, args ...any) *apiError {
	return &apiError{status: status, reason: reason, domain: "global", message: fmt.Sprintf(format, args...)}
}

func errNotFound(path string) *apiError {
	return refuse(http.StatusNotFound, "notFound", "The resource '%s' was not found", path)
}

func errExists(path string) *apiError {
	return refuse(http.StatusConflict, "alreadyExists", "The resource '%s' already exists", path)
}

func errNotReady(path string) *apiError {
	return refuse(http.StatusBadRequest, "resourceNotReady", "The resource '%s' is not ready", path)
}

func errRequired(field string) *apiError {
	return refuse(http.StatusBadRequest, "required", "Required field '%s' not specified", field)
}

func errInvalid(field string, value any, why string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "invalid",
		"Invalid value for field '%s': '%v'. %s", field, value, fmt.Sprintf(why, args...))
}

// OperationError is a failure inside an accepted operation.
type OperationError struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	HTTPStatus int    `json:"httpStatus"`
	Details    []any  `json:"details,omitempty"`
}
