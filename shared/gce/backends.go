package gce

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// maxBackends is the most groups that one backend service holds
// (https://cloud.google.com/load-balancing/docs/quotas#backend_services).
const maxBackends = 50

// AddBackends puts groups into a backend service, as entries that carry mark. A group that
// is in it already stays as it is, whoever put it there.
func (c *Client) AddBackends(ctx context.Context, id neg.BackendServiceID, mark string, backends []neg.Backend) error {
	what := "add backends to backend service " + id.String()
	return c.changeEntries(ctx, what, id, time.Time{}, func(o object, entries []json.RawMessage, at map[neg.GroupID]int) ([]json.RawMessage, error) {
		// https://cloud.google.com/load-balancing/docs/negs/zonal-neg-concepts
		if o.text("loadBalancingScheme") == "INTERNAL" {
			return nil, neg.Block("SchemeNotSupported", "%s: its scheme is INTERNAL, that of a passthrough load balancer, which takes no groups of Pods; name one of another scheme", what)
		}
		for _, b := range backends {
			if _, there := at[b.Group]; there {
				continue
			}
			f := neg.Fields{}
			maps.Copy(f, b.Initial)
			maps.Copy(f, b.Fields)
			f["group"], f["description"] = c.groupLink(b.Group), mark
			entry, err := json.Marshal(nested(f))
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
		if len(entries) > maxBackends {
			return nil, neg.Block("BackendServiceFull", "%s: it would have %d backends, it can have %d; use fewer zones or another backend service", what, len(entries), maxBackends)
		}
		return entries, nil
	})
}

// UpdateBackends changes fields of entries that carry mark, or none: those are taken over
// and get it.
func (c *Client) UpdateBackends(ctx context.Context, id neg.BackendServiceID, mark string, backends []neg.Backend) error {
	what := "update backends of backend service " + id.String()
	return c.changeEntries(ctx, what, id, time.Time{}, func(_ object, entries []json.RawMessage, at map[neg.GroupID]int) ([]json.RawMessage, error) {
		for _, b := range backends {
			i, there := at[b.Group]
			if !there {
				continue // it left a moment ago; the next look adds it
			}
			var entry object
			if err := json.Unmarshal(entries[i], &entry); err != nil {
				return nil, err
			}
			if whose := entry.text("description"); whose != mark && whose != "" {
				return nil, neg.Block("BackendTaken", "%s: the entry of group %s says that it is %.60q", what, b.Group, whose)
			}
			f := maps.Clone(b.Fields)
			f["description"] = mark
			changed, err := entry.with(f)
			if err != nil {
				return nil, err
			}
			if entries[i], err = json.Marshal(changed); err != nil {
				return nil, err
			}
		}
		return entries, nil
	})
}

// RemoveBackends takes groups out of a backend service whose entries carry mark; others
// stay. A backend service that is gone is success.
func (c *Client) RemoveBackends(ctx context.Context, id neg.BackendServiceID, mark string, groups []neg.GroupID, notAfter time.Time) error {
	what := "remove backends from backend service " + id.String()
	err := c.changeEntries(ctx, what, id, notAfter, func(_ object, entries []json.RawMessage, at map[neg.GroupID]int) ([]json.RawMessage, error) {
		kept := []json.RawMessage{} // an empty list, not none: a patch without one changes nothing
		for i, raw := range entries {
			var entry object
			if err := json.Unmarshal(raw, &entry); err != nil {
				return nil, err
			}
			wanted := !slices.ContainsFunc(groups, func(g neg.GroupID) bool { j, there := at[g]; return there && i == j })
			if wanted || entry.text("description") != mark {
				kept = append(kept, raw)
			}
		}
		return kept, nil
	})
	var blocked *neg.BlockedError
	if errors.As(err, &blocked) && blocked.Reason == serviceNotFound {
		return nil
	}
	return err
}

type entriesChange func(o object, entries []json.RawMessage, at map[neg.GroupID]int) ([]json.RawMessage, error)

// changeEntries sends the list of backends alone; entries that change leaves are sent byte
// for byte as they were read.
func (c *Client) changeEntries(ctx context.Context, what string, id neg.BackendServiceID, notAfter time.Time, change entriesChange) error {
	return c.patchService(ctx, what, id, notAfter, func(o object) (map[string]any, error) {
		var before []json.RawMessage
		if raw := o["backends"]; raw != nil {
			if err := json.Unmarshal(raw, &before); err != nil {
				return nil, err
			}
		}
		at := map[neg.GroupID]int{}
		for i, raw := range before {
			var entry object
			if err := json.Unmarshal(raw, &entry); err != nil {
				return nil, err
			}
			if group, ok := c.groupOf(entry); ok {
				at[group] = i
			}
		}
		after, err := change(o, slices.Clone(before), at)
		if err != nil || slices.EqualFunc(before, after, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			return nil, err
		}
		return map[string]any{"backends": after}, nil
	})
}
