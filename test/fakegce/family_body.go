package fakegce

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
)

// object reads the request's body as a JSON object; none is an empty one.
// Numbers stay as they were written.
func (c *call) object() (doc, *apiError) {
	d := json.NewDecoder(&nesting{r: io.LimitReader(c.req.Body, maxBody)})
	d.UseNumber()
	in := doc{}
	err := d.Decode(&in)
	var shape *json.UnmarshalTypeError
	if errors.Is(err, errNesting) || errors.As(err, &shape) {
		return nil, errPayload(err)
	}
	if err == nil && d.More() || err != nil && err != io.EOF {
		return nil, refuse(http.StatusBadRequest, "parseError", "Parse Error")
	}
	return in, nil
}

// merge is a JSON merge patch (RFC 7396): objects are merged, null removes, and
// all else, arrays among it, replaces.
func merge(old, patch doc) doc {
	out := maps.Clone(old)
	if out == nil {
		out = doc{}
	}
	for field, value := range patch {
		if value == nil {
			delete(out, field)
			continue
		}
		if inner, ok := object(value); ok {
			before, _ := object(out[field])
			value = map[string]any(merge(before, inner))
		}
		out[field] = value
	}
	return out
}

// object is a JSON object in either of its types.
func object(value any) (doc, bool) {
	switch v := value.(type) {
	case doc:
		return v, true
	case map[string]any:
		return v, true
	}
	return nil, false
}

// read decodes the fields that rules know of into v.
func (d *draft) read(v any) *apiError {
	raw, err := json.Marshal(d.doc)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(raw)).Decode(v)
	}
	if err != nil {
		return errPayload(err)
	}
	return nil
}

// fill sets a field that the client left out.
func (d doc) fill(field string, value any) {
	if _, ok := d[field]; !ok {
		d[field] = value
	}
}

// oneOf refuses a value that an enumeration does not have.
func oneOf(field, value string, values ...string) *apiError {
	for _, v := range values {
		if v == value {
			return nil
		}
	}
	return errInvalid(field, value, "Must be one of %s.", strings.Join(values, ", "))
}

// within refuses a number out of bounds.
func within(field string, value, low, high int) *apiError {
	if value < low || value > high {
		return errInvalid(field, value, "Must be between %d and %d, inclusive.", low, high)
	}
	return nil
}

// first is the first refusal, if any.
func first(checks ...*apiError) *apiError {
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}
