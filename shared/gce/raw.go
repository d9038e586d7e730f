package gce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/shared/neg"
)

// object is a resource as it is on the wire. The library's types drop fields they do not
// know and zeros that somebody set; what is read to be written again keeps its bytes.
type object map[string]json.RawMessage

// text is a field that is a string; empty when it is not.
func (o object) text(field string) string {
	var s string
	_ = json.Unmarshal(o[field], &s) // what is no text is none
	return s
}

// request sends one call below the project's path and decodes the answer.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	target := c.api.BasePath + "projects/" + url.PathEscape(c.opts.Project) + "/" + path + "?" + query.Encode()
	var reader *bytes.Reader
	if reader = bytes.NewReader(nil); body != nil {
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer googleapi.CloseBody(res)
	if err := googleapi.CheckResponse(res); err != nil {
		return err
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// read gets a resource; it is not there when exists is false. An empty name would be
// answered with a list.
func (c *Client) read(ctx context.Context, what, path, name string) (o object, exists bool, err error) {
	if name == "" {
		return nil, false, neg.Block("InvalidRequest", "%s: it has no name", what)
	}
	err = c.call(ctx, what, func() error {
		o = nil
		return c.request(ctx, http.MethodGet, path+"/"+url.PathEscape(name), nil, nil, &o)
	})
	if kindOf(err) == missing {
		return nil, false, nil
	}
	return o, err == nil, err
}

// write sends a mutation and waits until it is done.
func (c *Client) write(ctx context.Context, what, method, path string, body any, notAfter time.Time) error {
	return c.mutate(ctx, what, notAfter, func(requestID string) (*compute.Operation, error) {
		op := &compute.Operation{}
		err := c.request(ctx, method, path, url.Values{"requestId": {requestID}}, body, op)
		return op, err
	})
}

// regional is where a collection of global and regional resources is.
func regional(region, collection string) string {
	if region == "" {
		return "global/" + collection
	}
	return "regions/" + url.PathEscape(region) + "/" + collection
}

// fields flattens a resource: scalars by their names joined with dots. Lists are left out,
// except the one that a Service can ask for.
func fields(o object) (neg.Fields, error) {
	flat := neg.Fields{}
	for name, raw := range o {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		flatten(flat, name, value)
	}
	if raw := o["customMetrics"]; raw != nil {
		var metrics []neg.CustomMetric
		if err := json.Unmarshal(raw, &metrics); err != nil {
			return nil, fmt.Errorf("field customMetrics: %w", err)
		}
		flat["customMetrics"] = neg.CustomMetrics(metrics)
	}
	return flat, nil
}

func flatten(into neg.Fields, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for inner, each := range v {
			flatten(into, name+"."+inner, each)
		}
	case string, float64, bool:
		into[name] = v
	}
}

// nested is the opposite of fields: dotted names become objects.
func nested(f neg.Fields) map[string]any {
	root := map[string]any{}
	for name, value := range f {
		at, path := root, strings.Split(name, ".")
		for _, part := range path[:len(path)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}
			at = inner
		}
		if list, ok := value.(neg.JSON); ok {
			value = json.RawMessage(list)
		}
		at[path[len(path)-1]] = value
	}
	return root
}

// with is o with fields changed, objects merged, the rest byte for byte.
func (o object) with(f neg.Fields) (object, error) {
	changed := object{}
	for name, raw := range o {
		changed[name] = raw
	}
	for name, value := range nested(f) {
		if inner, ok := value.(map[string]any); ok {
			var old object
			if raw := o[name]; raw != nil {
				if err := json.Unmarshal(raw, &old); err != nil {
					return nil, errors.New("field " + name + ": not an object")
				}
			}
			for part, raw := range old {
				if _, set := inner[part]; !set {
					inner[part] = raw
				}
			}
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		changed[name] = encoded
	}
	return changed, nil
}
