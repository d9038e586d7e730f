//go:build linux

package story

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox"
)

const asksForBackendService = `{"80":{"timeoutSec":60,"drainingTimeoutSec":1,"healthCheck":{"checkIntervalSec":1,"timeoutSec":1}}}`

// managedBackendService asks for a backend service, puts a load balancer before it as a
// user's Terraform would, and waits until the health checks have found every Pod.
func managedBackendService(ctx context.Context, t *teller) (string, error) {
	began, name := time.Now(), t.group("web", 80)
	if err := t.annotate(ctx, "web", map[string]string{neg.AnnotationBackendService: asksForBackendService}); err != nil {
		return "", err
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	if err := t.until(ctx, func() (string, error) { return backendsMissing(ctx, api, name) }); err != nil {
		return "", err
	}
	made, err := held(began)
	if err != nil {
		return made, err
	}
	if err := leadTo(ctx, api, name); err != nil {
		return "", err
	}
	began = time.Now()
	if err := t.until(ctx, func() (string, error) { return t.unhealthy(ctx, name) }); err != nil {
		return "", err
	}
	text := fmt.Sprintf("backend service %s with a health check and 3 groups after %s\nbehind a URL map, proxy and forwarding rule all 3 Pods are HEALTHY after %s",
		name, made, time.Since(began).Round(time.Millisecond))
	said, err := t.gcloudHealth(ctx, name)
	return text + "\n" + said, err
}

// gcloudHealth asks as a person would, where gcloud is installed.
func (t *teller) gcloudHealth(ctx context.Context, service string) (string, error) {
	program, err := exec.LookPath("gcloud")
	if err != nil {
		return "gcloud is not installed: not asked", nil
	}
	gcloud := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, program, append([]string{"compute", "backend-services"}, args...)...)
		cmd.Env = os.Environ()
		for name, value := range t.world.Env() {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("gcloud %s: %w: %s", args[0], err, exit.Stderr)
		}
		return string(out), err
	}
	if out, err := gcloud("describe", service, "--global", "--format=value(timeoutSec)"); err != nil || strings.TrimSpace(out) != "60" {
		return "", fmt.Errorf("gcloud describes the backend service with a time-out of %q, want 60: %w", out, err)
	}
	out, err := gcloud("get-health", service, "--global")
	if healthy := strings.Count(out, "healthState: HEALTHY"); err != nil || healthy != 3 {
		return "", fmt.Errorf("gcloud get-health finds %d Pods HEALTHY, want 3: %w\n%s", healthy, err, out)
	}
	return "gcloud compute backend-services get-health: HEALTHY three times", nil
}

// backendsMissing says what the backend service still lacks of every zone's group.
func backendsMissing(ctx context.Context, api *compute.Service, name string) (string, error) {
	s, err := api.BackendServices.Get(sandbox.Project, name).Context(ctx).Do()
	if notFound(err) {
		return "no backend service " + name, nil
	}
	if err != nil {
		return "", err
	}
	if len(s.Backends) != len(sandbox.Zones) || s.TimeoutSec != 60 || len(s.HealthChecks) != 1 {
		return fmt.Sprintf("backend service %s has %d backends and %d health checks", name, len(s.Backends), len(s.HealthChecks)), nil
	}
	return "", nil
}

func notFound(err error) bool {
	e, ok := err.(*googleapi.Error)
	return ok && e.Code == http.StatusNotFound
}

// leadTo makes a URL map, a proxy and a forwarding rule.
func leadTo(ctx context.Context, api *compute.Service, service string) error {
	at := "projects/" + sandbox.Project + "/global/"
	rule := &compute.ForwardingRule{Name: "shop", Target: at + "targetHttpProxies/shop", PortRange: "80", LoadBalancingScheme: "EXTERNAL_MANAGED"}
	return inOrder(ctx, api,
		api.UrlMaps.Insert(sandbox.Project, &compute.UrlMap{Name: "shop", DefaultService: at + "backendServices/" + service}).Context(ctx),
		api.TargetHttpProxies.Insert(sandbox.Project, &compute.TargetHttpProxy{Name: "shop", UrlMap: at + "urlMaps/shop"}).Context(ctx),
		api.GlobalForwardingRules.Insert(sandbox.Project, rule).Context(ctx),
	)
}

// inOrder sends each call when the operation of the one before is done.
func inOrder(ctx context.Context, api *compute.Service, calls ...interface {
	Do(...googleapi.CallOption) (*compute.Operation, error)
}) error {
	for _, call := range calls {
		op, err := call.Do()
		for err == nil && op.Status != "DONE" {
			op, err = api.GlobalOperations.Wait(sandbox.Project, op.Name).Context(ctx).Do()
		}
		if err != nil {
			return err
		}
		if op.Error != nil {
			return fmt.Errorf("%s %s: %s", op.OperationType, op.TargetLink, op.Error.Errors[0].Message)
		}
	}
	return nil
}

// unhealthy says what is not HEALTHY of the three Pods behind the backend service.
func (t *teller) unhealthy(ctx context.Context, service string) (string, error) {
	list, err := t.world.GCE.Health(ctx, "")
	if err != nil {
		return "", err
	}
	var states []string
	for _, h := range list {
		if strings.HasSuffix(h.BackendService, "/"+service) && h.State != neg.Draining {
			states = append(states, h.Endpoint+" "+h.State)
		}
	}
	if len(states) == 3 && !slices.ContainsFunc(states, func(s string) bool { return !strings.HasSuffix(s, " "+neg.Healthy) }) {
		return "", nil
	}
	return "endpoints behind the backend service: " + strings.Join(states, ", "), nil
}

// backendServiceInUse takes the wish away while the URL map still refers to it, then the
// load balancer too, and has the Service looked at.
func backendServiceInUse(ctx context.Context, t *teller) (string, error) {
	name := t.group("web", 80)
	if err := t.annotate(ctx, "web", map[string]string{neg.AnnotationBackendService: "{}"}); err != nil {
		return "", err
	}
	message, err := t.event(ctx, "web", "BackendServiceInUse")
	if err != nil {
		return "", err
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return message, err
	}
	if s, err := api.BackendServices.Get(sandbox.Project, name).Context(ctx).Do(); err != nil || len(s.Backends) != 0 {
		return message, fmt.Errorf("backend service %s in use: want it emptied: %w", name, err)
	}
	if err := withoutLoadBalancer(ctx, api); err != nil {
		return message, err
	}
	began := time.Now()
	if err := t.hint(ctx, "web"); err != nil {
		return message, err
	}
	err = t.until(ctx, func() (string, error) {
		if _, err := api.HealthChecks.Get(sandbox.Project, name).Context(ctx).Do(); !notFound(err) {
			return "the health check " + name + " is left", err
		}
		return "", nil
	})
	if err != nil {
		return message, err
	}
	took, err := held(began)
	return fmt.Sprintf("Event BackendServiceInUse: %s\nwithout the URL map, the backend service and its health check are gone %s later", message, took), err
}

// withoutLoadBalancer undoes leadTo.
func withoutLoadBalancer(ctx context.Context, api *compute.Service) error {
	return inOrder(ctx, api,
		api.GlobalForwardingRules.Delete(sandbox.Project, "shop").Context(ctx),
		api.TargetHttpProxies.Delete(sandbox.Project, "shop").Context(ctx),
		api.UrlMaps.Delete(sandbox.Project, "shop").Context(ctx),
	)
}
