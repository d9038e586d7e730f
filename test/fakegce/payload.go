package fakegce

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
)

// errPayload is the refusal of a body that is no JSON, or JSON of another shape.
func errPayload(err error) *apiError {
	const lead = "Invalid JSON payload received. "
	var shape *json.UnmarshalTypeError
	switch {
	case errors.Is(err, errNesting):
		return refuse(http.StatusBadRequest, "badRequest", lead+"Message too deep. Max recursion depth reached")
	case errors.As(err, &shape) && shape.Field == "":
		return refuse(http.StatusBadRequest, "badRequest", lead+`Unknown name "": Root element must be a message.`)
	case errors.As(err, &shape):
		return refuse(http.StatusBadRequest, "badRequest", lead+"Invalid value at '%s': %s is wanted, not %s",
			shape.Field[strings.LastIndex(shape.Field, ".")+1:], typeWord(shape.Type), shape.Value)
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, unknown := strings.CutPrefix(text, "unknown field "); unknown {
		return refuse(http.StatusBadRequest, "badRequest", lead+"Unknown name %s: Cannot find field.", name)
	}
	return refuse(http.StatusBadRequest, "badRequest", lead+"%s", text)
}

// typeWord is how people call what a Go type is written as.
func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "an integer"
}
