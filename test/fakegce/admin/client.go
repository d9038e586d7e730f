// Package admin talks to the /_emu/ side of a fakegce in another process. Its
// methods are those of fakegce.Server, with a context and an error.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// Client is an emulator at Base, as in "http://127.0.0.1:9080".
type Client struct {
	Base string
	HTTP *http.Client // http.DefaultClient if nil
}

// Seed adds a seed.
func (c *Client) Seed(ctx context.Context, seed fakegce.Seed) error {
	return c.do(ctx, http.MethodPost, "seed", nil, seed, nil)
}

// Reset makes the emulator as new.
func (c *Client) Reset(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "reset", nil, nil, nil)
}

// State takes a snapshot.
func (c *Client) State(ctx context.Context) (state fakegce.State, err error) {
	err = c.do(ctx, http.MethodGet, "state", nil, nil, &state)
	return state, err
}

// Stats reads the counts of calls.
func (c *Client) Stats(ctx context.Context) (stats fakegce.Stats, err error) {
	err = c.do(ctx, http.MethodGet, "stats", nil, nil, &stats)
	return stats, err
}

// Calls reads the journal.
func (c *Client) Calls(ctx context.Context, f fakegce.CallFilter) (calls []fakegce.Call, err error) {
	q := url.Values{"verb": {f.Verb}, "since": {strconv.FormatUint(f.Since, 10)}}
	if f.Since == 0 && !f.From.IsZero() {
		q.Set("since", f.From.Format(time.RFC3339Nano))
	}
	err = c.do(ctx, http.MethodGet, "calls", q, nil, &calls)
	return calls, err
}

// ClearCalls empties the journal.
func (c *Client) ClearCalls(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "calls", nil, nil, nil)
}

// Timeline reads the transitions after a sequence number. When there are none
// it waits for one, up to wait.
func (c *Client) Timeline(ctx context.Context, since uint64, wait time.Duration) (list []fakegce.Transition, err error) {
	q := url.Values{"since": {strconv.FormatUint(since, 10)}, "wait": {wait.String()}}
	err = c.do(ctx, http.MethodGet, "timeline", q, nil, &list)
	return list, err
}

// AddFaults arms faults.
func (c *Client) AddFaults(ctx context.Context, faults ...fakegce.Fault) error {
	return c.do(ctx, http.MethodPost, "faults", nil, faults, nil)
}

// Faults lists what is armed.
func (c *Client) Faults(ctx context.Context) (list []fakegce.Fault, err error) {
	err = c.do(ctx, http.MethodGet, "faults", nil, nil, &list)
	return list, err
}

// ClearFaults disarms the named faults, or all.
func (c *Client) ClearFaults(ctx context.Context, names ...string) error {
	return c.do(ctx, http.MethodDelete, "faults", url.Values{"name": names}, nil, nil)
}

// Health lists what backend services say of a group's endpoints; an empty path
// means all groups.
func (c *Client) Health(ctx context.Context, group string) (list []fakegce.EndpointHealth, err error) {
	err = c.do(ctx, http.MethodGet, "health", url.Values{"group": {group}}, nil, &list)
	return list, err
}

// ForceHealth sets or lifts a rule.
func (c *Client) ForceHealth(ctx context.Context, rule fakegce.HealthRule) error {
	return c.do(ctx, http.MethodPost, "health", nil, rule, nil)
}

// Age makes resources older.
func (c *Client) Age(ctx context.Context, a fakegce.Ageing) error {
	return c.do(ctx, http.MethodPost, "age", nil, a, nil)
}

// Advance moves a manual clock.
func (c *Client) Advance(ctx context.Context, by time.Duration) error {
	in := map[string]fakegce.Duration{"advance": fakegce.Duration(by)}
	return c.do(ctx, http.MethodPost, "clock", nil, in, nil)
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+"/_emu/"+path+"?"+q.Encode(), body)
	if err != nil {
		return err
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fakegce: %s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(raw))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
