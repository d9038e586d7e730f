package deployment

import (
	"context"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/cloudscheduler/v1"
	"google.golang.org/api/logging/v2"
	"google.golang.org/api/pubsub/v1"

	"github.com/negfleet/negfleet/shared/doctor"
)

func bearer(token string) *http.Client {
	return &http.Client{
		Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}), Base: http.DefaultTransport},
		Timeout:   callTimeout,
	}
}

// publisherRoles are the predefined roles that let somebody publish.
var publisherRoles = map[string]bool{
	"roles/pubsub.publisher": true, "roles/pubsub.editor": true, "roles/pubsub.admin": true, "roles/editor": true, "roles/owner": true,
}

// Topic tells who may publish to a topic, by its policy and by the project's.
func (c *Client) Topic(ctx context.Context, project string, t doctor.Topic) doctor.Topic {
	got, err := c.pubsub.Projects.Topics.GetIamPolicy("projects/" + project + "/topics/" + t.Name).Context(ctx).Do()
	switch {
	case missing(err):
		t.Missing = true
		return t
	case err != nil:
		t.Members = doctor.Without[map[string]bool](gap(err, "pubsub.topics.getIamPolicy", project))
		return t
	}
	members := map[string]bool{}
	for _, b := range got.Bindings {
		add(members, publisherRoles, b.Role, b.Members, b.Condition != nil)
	}
	c.addInherited(ctx, members, publisherRoles, project)
	t.Members = doctor.Got(members)
	return t
}

// addInherited adds those who have a role by the project's policy. Who may read the policy of
// a resource may mostly not read the project's: what that adds is left out then.
func (c *Client) addInherited(ctx context.Context, members, roles map[string]bool, project string) {
	policy, err := c.policy(ctx, project)
	if err != nil {
		return
	}
	for _, b := range policy.Bindings {
		add(members, roles, b.Role, b.Members, b.Condition != nil)
	}
}

func add(members, roles map[string]bool, role string, some []string, conditional bool) {
	if !roles[role] || conditional {
		return
	}
	for _, m := range some {
		members[m] = true
	}
}

// Subscriptions lists a project's subscriptions of negfleet's topics.
func (c *Client) Subscriptions(ctx context.Context, project string) doctor.Read[map[string]doctor.Subscription] {
	all := map[string]doctor.Subscription{}
	err := c.pubsub.Projects.Subscriptions.List("projects/"+project).Pages(ctx, func(page *pubsub.ListSubscriptionsResponse) error {
		for _, s := range page.Subscriptions {
			if id := s.Name[strings.LastIndexByte(s.Name, '/')+1:]; strings.HasPrefix(id, prefix) {
				all[id] = subscription(s)
			}
		}
		return nil
	})
	if err != nil {
		return doctor.Without[map[string]doctor.Subscription](gap(err, "pubsub.subscriptions.list", project))
	}
	return doctor.Got(all)
}

func subscription(s *pubsub.Subscription) doctor.Subscription {
	d := doctor.Subscription{Topic: s.Topic, State: s.State, AckDeadline: time.Duration(s.AckDeadlineSeconds) * time.Second}
	if r := s.RetryPolicy; r != nil {
		d.MinBackoff, d.MaxBackoff = span(r.MinimumBackoff), span(r.MaximumBackoff)
	}
	if l := s.DeadLetterPolicy; l != nil {
		d.DeadLetterTopic, d.MaxAttempts = l.DeadLetterTopic, int(l.MaxDeliveryAttempts)
	}
	if p := s.PushConfig; p != nil {
		d.Endpoint = p.PushEndpoint
		if p.OidcToken != nil {
			d.Account, d.Audience = p.OidcToken.ServiceAccountEmail, p.OidcToken.Audience
		}
	}
	// Without a policy a subscription expires after 31 days; with an empty one, never.
	d.Expires = s.ExpirationPolicy == nil || s.ExpirationPolicy.Ttl != ""
	return d
}

// span reads a duration as JSON writes it; what is none is zero.
func span(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d
}

// Jobs lists negfleet's jobs in a region.
func (c *Client) Jobs(ctx context.Context, project, region string) doctor.Read[map[string]doctor.Job] {
	all := map[string]doctor.Job{}
	err := c.scheduler.Projects.Locations.Jobs.List("projects/"+project+"/locations/"+region).Pages(ctx, func(page *cloudscheduler.ListJobsResponse) error {
		for _, j := range page.Jobs {
			if name, ours := strings.CutPrefix(j.Name[strings.LastIndexByte(j.Name, '/')+1:], prefix); ours {
				all[name] = job(j)
			}
		}
		return nil
	})
	if err != nil {
		return doctor.Without[map[string]doctor.Job](gap(err, "cloudscheduler.jobs.list", project))
	}
	return doctor.Got(all)
}

func job(j *cloudscheduler.Job) doctor.Job {
	d := doctor.Job{State: j.State, Last: moment(j.LastAttemptTime)}
	if j.HttpTarget != nil {
		d.URI = j.HttpTarget.Uri
		if j.HttpTarget.OidcToken != nil {
			d.Account = j.HttpTarget.OidcToken.ServiceAccountEmail
		}
	}
	if j.Status != nil {
		d.Code, d.Text = j.Status.Code, j.Status.Message
	}
	return d
}

// moment reads a time; what is none is the zero time.
func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// sinkName is that of the log sink in each project with clusters.
const sinkName = "negfleet-audit"

// Sink reads the log sink of a project and when GKE last logged what it should send on, and
// returns the sink's writer too. filter is what the sink should have.
func (c *Client) Sink(ctx context.Context, project, topic, filter string) (s doctor.Sink, writer string) {
	s = doctor.Sink{Project: project, WantTopic: topic, WantFilter: filter}
	got, err := c.logging.Projects.Sinks.Get("projects/" + project + "/sinks/" + sinkName).Context(ctx).Do()
	switch {
	case missing(err):
		s.Destination = doctor.Got("")
	case err != nil:
		s.Destination = doctor.Without[string](gap(err, "logging.sinks.get", project))
	default:
		s.Destination, s.Filter, s.Disabled = doctor.Got(got.Destination), got.Filter, got.Disabled
		writer = got.WriterIdentity
	}
	s.Written = c.newest(ctx, project, filter)
	return s, writer
}

// Delivered tells when the events function last took a delivery: the platform logs each
// request that it answers.
func (c *Client) Delivered(ctx context.Context, project string) doctor.Read[time.Time] {
	return c.newest(ctx, project, `resource.type="cloud_run_revision" AND resource.labels.service_name="negfleet-events"`+
		` AND logName:"run.googleapis.com%2Frequests" AND httpRequest.status<300`)
}

// Posted tells when the audit function last published keys: the platform's request log of it is
// switched off, as its paths are secrets.
func (c *Client) Posted(ctx context.Context, project string) doctor.Read[time.Time] {
	return c.newest(ctx, project, `resource.type="cloud_run_revision" AND resource.labels.service_name="negfleet-audit" AND jsonPayload.message="published keys"`)
}

// newest is the time of the newest entry of the last day that a filter finds; zero: none.
func (c *Client) newest(ctx context.Context, project, filter string) doctor.Read[time.Time] {
	since := c.opts.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	ask := &logging.ListLogEntriesRequest{
		ResourceNames: []string{"projects/" + project}, OrderBy: "timestamp desc", PageSize: 1,
		Filter: `timestamp>="` + since + `" AND (` + filter + `)`,
	}
	for range pages {
		got, err := c.logging.Entries.List(ask).Context(ctx).Do()
		switch {
		case err != nil:
			return doctor.Without[time.Time](gap(err, "logging.logEntries.list", project))
		case len(got.Entries) > 0:
			return doctor.Got(moment(got.Entries[0].Timestamp))
		case got.NextPageToken == "":
			return doctor.Got(time.Time{})
		}
		ask.PageToken = got.NextPageToken
	}
	return doctor.Without[time.Time](doctor.Gap{Why: "the search of the log did not end", Need: "time: ask again"})
}

// pages is how often a search of the log is gone on with: a page may be empty and not the last.
const pages = 10
