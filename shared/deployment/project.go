package deployment

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/api/cloudfunctions/v2"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/shared/doctor"
)

// APIs tells which of some APIs are on in a project.
func (c *Client) APIs(ctx context.Context, project string, want []string) doctor.APIs {
	var names []string
	for _, api := range want {
		names = append(names, "projects/"+project+"/services/"+api)
	}
	a := doctor.APIs{Project: project, Want: want}
	got, err := c.usage.Services.BatchGet("projects/" + project).Names(names...).Context(ctx).Do()
	if err != nil {
		a.On = doctor.Without[map[string]bool](gap(err, "serviceusage.services.get", project))
		return a
	}
	on := map[string]bool{}
	for _, s := range got.Services {
		on[s.Name[strings.LastIndexByte(s.Name, '/')+1:]] = s.State == "ENABLED"
	}
	a.On = doctor.Got(on)
	return a
}

// prefix starts the names of all that is deployed.
const prefix = "negfleet-"

// Functions lists a project's functions of negfleet, in whatever region.
func (c *Client) Functions(ctx context.Context, project string) doctor.Read[map[string]doctor.Deployed] {
	all := map[string]doctor.Deployed{}
	err := c.functions.Projects.Locations.Functions.List("projects/"+project+"/locations/-").Pages(ctx, func(page *cloudfunctions.ListFunctionsResponse) error {
		for _, f := range page.Functions {
			location, id, _ := strings.Cut(f.Name, "/functions/")
			name, ours := strings.CutPrefix(id, prefix)
			if !ours {
				continue
			}
			d := doctor.Deployed{State: f.State, Region: location[strings.LastIndexByte(location, '/')+1:]}
			if s := f.ServiceConfig; s != nil {
				d.URL, d.Account, d.Service = s.Uri, s.ServiceAccountEmail, s.Service
			}
			all[name] = d
		}
		if len(page.Unreachable) > 0 {
			return fmt.Errorf("locations did not answer: %s", strings.Join(page.Unreachable, ", "))
		}
		return nil
	})
	if err != nil {
		return doctor.Without[map[string]doctor.Deployed](gap(err, "cloudfunctions.functions.list", project))
	}
	return doctor.Got(all)
}

// invokerRoles are the predefined roles that let somebody call a Cloud Run service:
// https://docs.cloud.google.com/run/docs/securing/managing-access
var invokerRoles = map[string]bool{
	"roles/run.invoker": true, "roles/run.servicesInvoker": true, "roles/run.admin": true, "roles/editor": true, "roles/owner": true,
}

// Invokers tells who may call a function's Cloud Run service, by its policy and by the
// project's: allUsers where Cloud Run is told to check nobody.
func (c *Client) Invokers(ctx context.Context, project, service string) doctor.Read[map[string]bool] {
	members := map[string]bool{}
	got, err := c.run.Projects.Locations.Services.Get(service).Context(ctx).Do()
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "run.services.get", project))
	}
	members["allUsers"] = got.InvokerIamDisabled
	policy, err := c.run.Projects.Locations.Services.GetIamPolicy(service).OptionsRequestedPolicyVersion(3).Context(ctx).Do()
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "run.services.getIamPolicy", project))
	}
	for _, b := range policy.Bindings {
		add(members, invokerRoles, b.Role, b.Members, b.Condition != nil)
	}
	c.addInherited(ctx, members, invokerRoles, project)
	return doctor.Got(members)
}

// Held tells which of some permissions an account has in a project: by asking IAM as that
// account where that was wanted, else by the roles that the project's own policy gives it
// without a condition.
func (c *Client) Held(ctx context.Context, account, project string, want []string) (held doctor.Read[map[string]bool], asked bool) {
	if c.opts.Impersonate {
		return c.tested(ctx, account, project, want), true
	}
	policy, err := c.policy(ctx, project)
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "resourcemanager.projects.getIamPolicy", project)), false
	}
	all := map[string]bool{}
	for _, b := range policy.Bindings {
		if b.Condition != nil || !contains(b.Members, "serviceAccount:"+account) {
			continue
		}
		permissions := c.role(ctx, b.Role, project)
		if permissions.Gap != nil {
			return doctor.Without[map[string]bool](*permissions.Gap), false
		}
		for _, p := range permissions.Value {
			all[p] = true
		}
	}
	return doctor.Got(all), false
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if strings.EqualFold(each, one) {
			return true
		}
	}
	return false
}

// tested asks IAM with a token of the account.
func (c *Client) tested(ctx context.Context, account, project string, want []string) doctor.Read[map[string]bool] {
	token, err := c.tokens.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+account,
		&iamcredentials.GenerateAccessTokenRequest{Scope: []string{platform}, Lifetime: "300s"}).Context(ctx).Do()
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "iam.serviceAccounts.getAccessToken on "+account, project))
	}
	service, err := cloudresourcemanager.NewService(ctx, c.as(token.AccessToken)...)
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "", project))
	}
	got, err := service.Projects.TestIamPermissions(project, &cloudresourcemanager.TestIamPermissionsRequest{Permissions: want}).Context(ctx).Do()
	if err != nil {
		return doctor.Without[map[string]bool](gap(err, "resourcemanager.projects.get", project))
	}
	held := map[string]bool{}
	for _, p := range got.Permissions {
		held[p] = true
	}
	return doctor.Got(held)
}

// as are the options of a client that shows another account's token.
func (c *Client) as(token string) []option.ClientOption {
	opts := []option.ClientOption{option.WithHTTPClient(bearer(token))}
	if c.opts.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(c.opts.Endpoint))
	}
	return opts
}

func (c *Client) policy(ctx context.Context, project string) (*cloudresourcemanager.Policy, error) {
	// Version 3 shows conditions; an older one hides that there are some.
	return c.projects.Projects.GetIamPolicy(project, &cloudresourcemanager.GetIamPolicyRequest{
		Options: &cloudresourcemanager.GetPolicyOptions{RequestedPolicyVersion: 3},
	}).Context(ctx).Do()
}

// role reads the permissions of a role, once.
func (c *Client) role(ctx context.Context, name, project string) doctor.Read[[]string] {
	c.mu.Lock()
	known, ok := c.roles[name]
	c.mu.Unlock()
	if ok {
		return known
	}
	known = c.readRole(ctx, name, project)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[name] = known
	return known
}

func (c *Client) readRole(ctx context.Context, name, project string) doctor.Read[[]string] {
	get := func() ([]string, bool, error) {
		if strings.HasPrefix(name, "roles/") {
			r, err := c.iam.Roles.Get(name).Context(ctx).Do()
			if err != nil {
				return nil, false, err
			}
			return r.IncludedPermissions, r.Deleted, nil
		}
		r, err := c.iam.Projects.Roles.Get(name).Context(ctx).Do()
		if err != nil {
			return nil, false, err
		}
		return r.IncludedPermissions, r.Deleted, nil
	}
	permissions, deleted, err := get()
	switch {
	case missing(err), deleted:
		return doctor.Got[[]string](nil) // it gives nothing to anybody
	case err != nil:
		return doctor.Without[[]string](gap(err, "iam.roles.get", project))
	}
	return doctor.Got(permissions)
}

// Number is a project's number.
func (c *Client) Number(ctx context.Context, project string) doctor.Read[string] {
	got, err := c.projects.Projects.Get(project).Context(ctx).Do()
	if err != nil {
		return doctor.Without[string](gap(err, "resourcemanager.projects.get", project))
	}
	return doctor.Got(fmt.Sprint(got.ProjectNumber))
}
