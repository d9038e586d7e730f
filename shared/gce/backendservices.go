package gce

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

func servicePath(id neg.BackendServiceID) string { return regional(id.Region, "backendServices") }

// BackendService reads a backend service with all its zonal groups, whoever put them in;
// descriptions are among the fields.
func (c *Client) BackendService(ctx context.Context, id neg.BackendServiceID) (service neg.BackendService, exists bool, err error) {
	o, exists, err := c.read(ctx, "get backend service "+id.String(), servicePath(id), id.Name)
	if err != nil || !exists {
		return neg.BackendService{}, false, err
	}
	service, err = c.parseService(id, o)
	return service, err == nil, err
}

// BackendServices lists all of the project, global and regional: the only way to see who
// uses a group. A scope that could not be read makes the whole answer an error. It is a
// heavy-weight read.
func (c *Client) BackendServices(ctx context.Context) ([]neg.BackendService, error) {
	var all []neg.BackendService
	err := c.aggregated(ctx, "backendServices", "", func(region string, o object) error {
		service, err := c.parseService(neg.BackendServiceID{Name: o.text("name"), Region: region}, o)
		all = append(all, service)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list backend services in project %s: %w", c.opts.Project, err)
	}
	return all, nil
}

func (c *Client) parseService(id neg.BackendServiceID, o object) (neg.BackendService, error) {
	s := neg.BackendService{ID: id}
	entries, err := entriesOf(o)
	if err == nil {
		s.Fields, err = fields(o)
	}
	if err != nil {
		return s, neg.Block("UnreadableBackendService", "backend service %s: %w", id, err)
	}
	if policy, ok := s.Fields["securityPolicy"].(string); ok {
		s.Fields["securityPolicy"] = lastOf(policy)
	}
	for _, entry := range entries {
		group, ok := c.groupOf(entry)
		if !ok {
			continue
		}
		f, err := fields(entry)
		if err != nil {
			return s, neg.Block("UnreadableBackendService", "backend service %s: backend %s: %w", id, group, err)
		}
		delete(f, "group")
		s.Backends = append(s.Backends, neg.Backend{Group: group, Fields: f})
	}
	s.Entries = len(entries)
	s.HealthCheck, s.Users = checkOf(o), usersOf(o)
	slices.SortFunc(s.Backends, func(a, b neg.Backend) int { return a.Group.Compare(b.Group) })
	return s, nil
}

func entriesOf(o object) (entries []object, err error) {
	if raw := o["backends"]; raw != nil {
		err = json.Unmarshal(raw, &entries)
	}
	return entries, err
}

// groupOf is the zonal group of this project that an entry is about.
func (c *Client) groupOf(entry object) (neg.GroupID, bool) {
	_, rest, _ := strings.Cut(entry.text("group"), "projects/")
	part := strings.Split(rest, "/")
	if len(part) != 5 || part[0] != c.opts.Project || part[1] != "zones" || part[3] != "networkEndpointGroups" {
		return neg.GroupID{}, false
	}
	return neg.GroupID{Zone: neg.Zone(part[2]), Name: part[4]}, true
}

func (c *Client) groupLink(id neg.GroupID) string {
	return "https://www.googleapis.com/compute/v1/projects/" + c.opts.Project + "/zones/" + string(id.Zone) + "/networkEndpointGroups/" + id.Name
}

func checkOf(o object) neg.HealthCheckID {
	var links []string
	if json.Unmarshal(o["healthChecks"], &links) != nil || len(links) == 0 {
		return neg.HealthCheckID{}
	}
	return neg.HealthCheckID(serviceID(links[0]))
}

func usersOf(o object) []string {
	var usedBy []struct{ Reference string }
	if json.Unmarshal(o["usedBy"], &usedBy) != nil {
		return nil
	}
	var users []string
	for _, u := range usedBy {
		_, path, _ := strings.Cut(u.Reference, "/compute/v1/")
		users = append(users, path)
	}
	return users
}

// policyField is set by a method of its own.
const policyField = "securityPolicy"

// CreateBackendService makes one that says whose it is, without backends. One of that name
// that is already ours is success; anyone else's is blocked.
func (c *Client) CreateBackendService(ctx context.Context, id neg.BackendServiceID, owner neg.Owner, f neg.Fields, check neg.HealthCheckID) error {
	what := "create backend service " + id.String()
	body := nested(withoutPolicy(f))
	body["name"], body["description"] = id.Name, owner.Description()
	body["healthChecks"] = []string{c.checkLink(check)}
	err := c.write(ctx, what, http.MethodPost, servicePath(id), body, time.Time{})
	if kindOf(err) == taken {
		err = c.oursAlready(ctx, what, servicePath(id), id.Name, owner)
	}
	if err != nil {
		return err
	}
	return c.setPolicy(ctx, id, f)
}

func withoutPolicy(f neg.Fields) neg.Fields {
	f = maps.Clone(f)
	delete(f, policyField)
	return f
}

func (c *Client) setPolicy(ctx context.Context, id neg.BackendServiceID, f neg.Fields) error {
	name, ok := f[policyField].(string)
	if !ok {
		return nil
	}
	link := "projects/" + c.opts.Project + "/" + regional(id.Region, "securityPolicies") + "/" + name
	return c.write(ctx, "set the security policy of backend service "+id.String(), http.MethodPost,
		servicePath(id)+"/"+id.Name+"/setSecurityPolicy", map[string]string{"securityPolicy": link}, time.Time{})
}

// UpdateBackendService changes fields of one that is ours, and its health check.
func (c *Client) UpdateBackendService(ctx context.Context, id neg.BackendServiceID, f neg.Fields, check neg.HealthCheckID) error {
	rest := withoutPolicy(f)
	err := c.patchService(ctx, "update backend service "+id.String(), id, time.Time{}, func(o object) (map[string]any, error) {
		if len(rest) == 0 && checkOf(o) == check {
			return nil, nil
		}
		patch := map[string]any{"healthChecks": []string{c.checkLink(check)}}
		changed, err := o.with(rest)
		for name := range nested(rest) {
			patch[name] = changed[name]
		}
		return patch, err
	})
	if err != nil {
		return err
	}
	return c.setPolicy(ctx, id, f)
}

// DeleteBackendService deletes one. One that is gone is success.
func (c *Client) DeleteBackendService(ctx context.Context, id neg.BackendServiceID, notAfter time.Time) error {
	err := c.write(ctx, "delete backend service "+id.String(), http.MethodDelete, servicePath(id)+"/"+id.Name, nil, notAfter)
	switch kindOf(err) {
	case missing:
		return nil
	case inUse:
		return neg.Block("BackendServiceInUse", "%w", err)
	}
	return err
}

const serviceNotFound = "BackendServiceNotFound"

// fingerprintAttempts is how often a patch is made anew after someone else's came first.
const fingerprintAttempts = 5

// patchService reads the backend service and sends what change makes of it, with the
// fingerprint of what was read. Nothing to change is nil.
func (c *Client) patchService(ctx context.Context, what string, id neg.BackendServiceID, notAfter time.Time, change func(object) (map[string]any, error)) error {
	for n := 1; ; n++ {
		o, exists, err := c.read(ctx, what, servicePath(id), id.Name)
		if err != nil {
			return err
		}
		if !exists {
			return neg.Block(serviceNotFound, "%s: there is none of that name in project %s; create it, or correct the annotation", what, c.opts.Project)
		}
		patch, err := change(o)
		if err != nil || patch == nil {
			return err
		}
		patch["fingerprint"] = o["fingerprint"]
		err = c.write(ctx, what, http.MethodPatch, servicePath(id)+"/"+id.Name, patch, notAfter)
		if kindOf(err) != stale || n == fingerprintAttempts {
			return err
		}
	}
}
