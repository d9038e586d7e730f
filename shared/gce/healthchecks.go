package gce

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

func checkPath(id neg.HealthCheckID) string { return regional(id.Region, "healthChecks") }

func (c *Client) checkLink(id neg.HealthCheckID) string {
	return "projects/" + c.opts.Project + "/" + checkPath(id) + "/" + id.Name
}

// HealthCheck reads a health check; its description is among its fields.
func (c *Client) HealthCheck(ctx context.Context, id neg.HealthCheckID) (check neg.HealthCheck, exists bool, err error) {
	o, exists, err := c.read(ctx, "get health check "+id.String(), checkPath(id), id.Name)
	if err != nil || !exists {
		return neg.HealthCheck{}, false, err
	}
	check = neg.HealthCheck{ID: id}
	check.Fields, err = fields(o)
	return check, err == nil, err
}

// CreateHealthCheck makes one that says whose it is. One of that name that is already
// ours is success; anyone else's is blocked.
func (c *Client) CreateHealthCheck(ctx context.Context, id neg.HealthCheckID, owner neg.Owner, f neg.Fields) error {
	what := "create health check " + id.String()
	body := nested(f)
	body["name"], body["description"] = id.Name, owner.Description()
	err := c.write(ctx, what, http.MethodPost, checkPath(id), body, time.Time{})
	if kindOf(err) != taken {
		return err
	}
	return c.oursAlready(ctx, what, checkPath(id), id.Name, owner)
}

// oursAlready decides about a name that is taken.
func (c *Client) oursAlready(ctx context.Context, what, path, name string, owner neg.Owner) error {
	o, exists, err := c.read(ctx, what+": see whose it is", path, name)
	theirs, parseErr := neg.ParseOwner(o.text("description"))
	switch {
	case err != nil:
		return err
	case exists && parseErr == nil && theirs == owner:
		return nil
	case exists && parseErr == nil:
		return neg.Block("NameTaken", "%s: the name belongs to Service %s/%s of cluster %s; choose another", what, theirs.Namespace, theirs.Service, theirs.Cluster)
	}
	return neg.Block("NameTaken", "%s: one of that name exists and is not ours; choose another, or delete that one", what)
}

// UpdateHealthCheck changes fields. With another type the settings of the old one go.
func (c *Client) UpdateHealthCheck(ctx context.Context, id neg.HealthCheckID, f neg.Fields) error {
	what := "update health check " + id.String()
	o, exists, err := c.read(ctx, what, checkPath(id), id.Name)
	if err != nil {
		return err
	}
	if !exists {
		return neg.Block("NotFound", "%s: it is gone", what)
	}
	if _, changes := f["type"]; changes {
		for name := range o {
			if strings.HasSuffix(name, "HealthCheck") {
				delete(o, name)
			}
		}
	}
	if o, err = o.with(f); err != nil {
		return err
	}
	return c.write(ctx, what, http.MethodPut, checkPath(id)+"/"+id.Name, o, time.Time{})
}

// DeleteHealthCheck deletes one, after nothing uses it any more. One that is gone is success.
func (c *Client) DeleteHealthCheck(ctx context.Context, id neg.HealthCheckID, notAfter time.Time) error {
	err := c.write(ctx, "delete health check "+id.String(), http.MethodDelete, checkPath(id)+"/"+id.Name, nil, notAfter)
	switch kindOf(err) {
	case missing:
		return nil
	case inUse:
		return neg.Block("HealthCheckInUse", "%w", err)
	}
	return err
}
