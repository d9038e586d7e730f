//go:build linux

package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// A deployment is one function as it is deployed: entry point, Kubernetes user, settings.
type deployment struct {
	name   string
	target string
	user   string
	env    map[string]string
	own    bool // has a program to itself, called as it is
}

// The audit function is the events function deployed apart: one is public, one is not.
var functions = []deployment{
	{name: "reconcile", target: "Reconcile", user: userReconcile},
	{name: "events", target: "Events", user: userEvents, env: map[string]string{"NEGFLEET_EVENTS_ACCEPT": "push"}},
	{name: "audit", target: "Events", user: userAudit, env: map[string]string{"NEGFLEET_EVENTS_ACCEPT": "audit"}},
	{name: "readiness", target: "Readiness", user: userReadiness},
	{name: "sweep", target: "Sweep", user: userSweep},
	{name: "admission", target: "Admission", user: userAdmission, own: true},
}

// startPubSub starts the stand-in for Pub/Sub with the subscriptions of a deployment.
func (w *World) startPubSub(ctx context.Context) error {
	push := func(topic, function, path string) pubsub.Subscription {
		return pubsub.Subscription{
			Topic: topic, Name: topic + "-" + function, Endpoint: w.urls[function] + path,
			AckDeadline: 600 * time.Second, MinBackoff: time.Second, MaxBackoff: time.Minute,
			DeadLetterTopic: event.TopicDead, MaxDeliveryAttempts: 20, MaxOutstanding: 500,
		}
	}
	listen := "" // a free port, which it finds itself
	if port := w.opts.Ports["pubsub"]; port != 0 {
		listen = fmt.Sprintf("127.0.0.1:%d", port)
	}
	server, err := pubsub.Start(ctx, pubsub.Options{
		Project: Project, Listen: listen, Emulator: w.opts.PubSub,
		Subscriptions: []pubsub.Subscription{
			push(event.TopicAudit, "events", "/"), push(event.TopicNotifications, "events", "/"), push(event.TopicKeys, "reconcile", "/"),
			push(event.TopicGates, "readiness", "/"), push(event.TopicClusters, "sweep", "/clusters"),
			{Topic: event.TopicDead, Name: event.TopicDead}, // pulled by negfleet replay
		},
	})
	if err != nil {
		return err
	}
	w.PubSub = server
	w.running.Store(server)
	w.say("pubsub: %s", server.Addr())
	return nil
}

// startFunctions starts one process per function.
func (w *World) startFunctions(ctx context.Context) error {
	for _, f := range functions {
		if err := w.startFunction(ctx, f); err != nil {
			return err
		}
		w.say("function %s: %s, as Kubernetes user %s", f.name, w.urls[f.name], f.user)
	}
	return nil
}

func (w *World) startFunction(ctx context.Context, f deployment) error {
	addr := strings.TrimPrefix(w.urls[f.name], "http://")
	env := map[string]string{
		"FUNCTION_TARGET": f.target, "PORT": addr[strings.LastIndexByte(addr, ':')+1:],
		"PUBSUB_EMULATOR_HOST": w.PubSub.Addr(), "PUBSUB_PROJECT_ID": Project,
		"NEGFLEET_FLEET": w.fleetFile(f.name), "NEGFLEET_COMPUTE_ENDPOINT": w.gceURL + "/compute/v1/", "NEGFLEET_CONTAINER_ENDPOINT": w.containerURL,
		"NEGFLEET_DELETION_GRACE": w.opts.Grace.String(), "NEGFLEET_CALLER_KEYS": w.keys,
		"NEGFLEET_IDENTITIES": strings.Join(users, ","),
	}
	for k, v := range f.env {
		env[k] = v
	}
	program := "function"
	if f.own {
		program = f.name
	}
	p, err := w.launch.start(w.Dir.Path("log"), f.name, env, filepath.Join(w.opts.Bin, program))
	if err != nil {
		return err
	}
	w.processes[f.name] = p
	return p.until(ctx, accepts(addr))
}

func (w *World) fleetFile(name string) string { return w.Dir.Path("fleet", name+".yaml") }

// writeFleetFiles writes a fleet file for each function, with its own user's kubeconfigs,
// and one for the operator.
func (w *World) writeFleetFiles() error {
	operator := w.fleetText(func(c *Cluster) string { return c.Kubeconfig })
	if err := writeFile(w.fleetFile("fleet"), []byte(operator)); err != nil {
		return err
	}
	for _, f := range functions {
		text := w.fleetText(func(c *Cluster) string { return c.Users[f.user] })
		if err := writeFile(w.fleetFile(f.name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) fleetText(kubeconfig func(*Cluster) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nproject: %s\nnetwork: %s\nsubnetwork: default\nclusters:\n", Project, Network)
	for _, c := range w.fleet() {
		fmt.Fprintf(&b, "- name: %s\n  uid: %s\n  zones: [%s]\n  connect: {kubeconfig: %q}\n  resource: %s\n", c.Name, c.UID, strings.Join(Zones, ", "), kubeconfig(c), resource(c.Name))
		for _, line := range w.entries[c.Name] {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return b.String()
}

// Env is what a person sources to work in the sandbox with their own tools.
func (w *World) Env() map[string]string {
	return map[string]string{
		"KUBECONFIG":           w.Dir.Path("kubeconfig"),
		"PUBSUB_EMULATOR_HOST": w.PubSub.Addr(), "PUBSUB_PROJECT_ID": Project,
		"NEGFLEET_COMPUTE_ENDPOINT":   w.gceURL + "/compute/v1/",
		"NEGFLEET_CONTAINER_ENDPOINT": w.containerURL,
		"NEGFLEET_FLEET":              w.fleetFile("fleet"),
		"NEGFLEET_DELETION_GRACE":     w.opts.Grace.String(),
		"NEGFLEET_RECONCILE_URL":      w.urls["reconcile"], "NEGFLEET_EVENTS_URL": w.urls["events"], "NEGFLEET_AUDIT_URL": w.urls["audit"],
		"NEGFLEET_ADMISSION_URL": w.front.URL,

		"CLOUDSDK_CONFIG":                                 w.Dir.Path("gcloud"),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE":         w.gceURL + "/compute/v1/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER":       w.containerURL + "/",
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS":               "true",
		"CLOUDSDK_CORE_PROJECT":                           Project,
		"CLOUDSDK_CORE_DISABLE_PROMPTS":                   "1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING":           "true",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
		"CLOUDSDK_SURVEY_DISABLE_PROMPTS":                 "true",
	}
}

// Denied returns the log lines in which a cluster refused a function something: each
// is a permission that infra/rbac lacks.
func (w *World) Denied() ([]string, error) {
	var lines []string
	for _, f := range functions {
		data, err := os.ReadFile(w.Dir.Path("log", f.name+".log"))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "ClusterPermissionDenied") || strings.Contains(line, "is forbidden") {
				lines = append(lines, f.name+": "+strings.TrimSpace(line))
			}
		}
	}
	return lines, nil
}
