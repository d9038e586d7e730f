package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/admission/registration"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/fleet"
)

// webhookTimeout bounds a command: a person waits for it.
const webhookTimeout = time.Minute

// A webhookCall is one call of the command, read.
type webhookCall struct {
	cluster config.Cluster
	keys    caller.Keys
	webhook registration.Webhook
	client  *http.Client // as the API server will call
	config  *rest.Config // of the cluster; nil for render
}

func webhookCommand(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	if len(args) == 0 {
		return usageError{"webhook: want render, register, rotate or remove"}
	}
	f := newFlags("webhook")
	var base, ca string
	f.StringVar(&base, "url", getenv("NEGFLEET_ADMISSION_URL"), "")
	f.StringVar(&ca, "ca-file", "", "")
	rest, err := f.parse(args[1:])
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usageError{"webhook " + args[0] + ": want one CLUSTER"}
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	switch args[0] {
	case "render", "register", "rotate":
		call, err := readWebhookCall(ctx, getenv, rest[0], base, ca, args[0] != "render")
		if err != nil {
			return err
		}
		return map[string]func(context.Context, io.Writer) error{"render": call.render, "register": call.register, "rotate": call.rotate}[args[0]](ctx, out)
	case "remove":
		return removeWebhook(ctx, getenv, rest[0], out)
	}
	return usageError{fmt.Sprintf("webhook: unknown command %q", args[0])}
}

func readWebhookCall(ctx context.Context, getenv func(string) string, name, base, ca string, reach bool) (*webhookCall, error) {
	c := &webhookCall{client: &http.Client{Timeout: 10 * time.Second}}
	var err error
	if c.keys, err = caller.ParseKeys(getenv("NEGFLEET_CALLER_KEYS")); err != nil {
		return nil, fmt.Errorf("NEGFLEET_CALLER_KEYS: %w", err)
	}
	f, err := openFleet(getenv)
	if err != nil {
		return nil, err
	}
	if c.cluster, c.config, err = openCluster(ctx, f, name, reach); err != nil {
		return nil, err
	}
	if reach {
		if err := callsOut(ctx, f, c.cluster); err != nil {
			return nil, err
		}
	}
	path, err := c.keys.Sign(name)
	if err != nil {
		return nil, err
	}
	if c.webhook.URL, err = registration.URL(base, path); err != nil {
		return nil, fmt.Errorf("--url or NEGFLEET_ADMISSION_URL: %w", err)
	}
	c.webhook.Unlabelled = c.cluster.Inject.Unlabelled
	if ca == "" {
		return c, nil
	}
	if c.webhook.CA, err = os.ReadFile(ca); err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.webhook.CA) {
		return nil, fmt.Errorf("--ca-file %s: no certificate in it", ca)
	}
	c.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return c, nil
}

func openFleet(getenv func(string) string) (*fleet.Fleet, error) {
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return nil, err
	}
	google := fleet.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}
	return fleet.New(env.FleetFile, slog.New(slog.DiscardHandler), time.Now, fleet.WithGoogle(google))
}

// openCluster finds the cluster's entry and, where it is to be reached, the way to it.
func openCluster(ctx context.Context, f *fleet.Fleet, name string, reach bool) (config.Cluster, *rest.Config, error) {
	if reach {
		return f.Config(ctx, name)
	}
	file, err := f.File()
	if err != nil {
		return config.Cluster{}, nil, err
	}
	entry, ok := file.Cluster(name)
	if !ok {
		return entry, nil, fmt.Errorf("cluster %q is not in the fleet file", name)
	}
	return entry, nil, nil
}

// callsOut refuses a GKE cluster whose control plane could not call the function.
func callsOut(ctx context.Context, f *fleet.Fleet, entry config.Cluster) error {
	out, err := f.CallsOut(ctx, entry)
	if err != nil {
		return fmt.Errorf("cluster %s: whether its control plane calls URLs outside: %w", entry.Name, err)
	}
	if !out {
		return fmt.Errorf("cluster %s: its control plane has egress NONE and calls no webhook by URL; change it: gcloud container clusters update --control-plane-egress=VIA_CONTROL_PLANE", entry.Name)
	}
	return nil
}

func (c *webhookCall) render(_ context.Context, out io.Writer) error {
	manifest, err := registration.Render(c.webhook)
	if err == nil {
		_, err = out.Write(manifest)
	}
	return err
}

// register has the cluster ask the function, once the function answers.
func (c *webhookCall) register(ctx context.Context, out io.Writer) error {
	if err := registration.Probe(ctx, c.client, c.webhook.URL); err != nil {
		return err
	}
	if err := registration.Apply(ctx, c.config, c.webhook); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "cluster %s asks the webhook\n", c.cluster.Name)
	return err
}

// rotate gives a registered cluster the path of the key that signs.
func (c *webhookCall) rotate(ctx context.Context, out io.Writer) error {
	path, err := registration.Current(ctx, c.config)
	if err != nil {
		return err
	}
	if path == "" {
		return fmt.Errorf("cluster %s does not ask the webhook; register it", c.cluster.Name)
	}
	if signed, err := c.keys.Sign(c.cluster.Name); err == nil && signed == path {
		_, err := fmt.Fprintf(out, "cluster %s uses the first key already\n", c.cluster.Name)
		return err
	}
	if known, err := c.keys.Verify(path); err != nil || known != c.cluster.Name {
		return errors.New("the path in use was made with none of the keys in NEGFLEET_CALLER_KEYS: the function refuses this cluster already; register it anew")
	}
	if err := c.register(ctx, out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "drop the old key from the function when every cluster has been rotated")
	return err
}

func removeWebhook(ctx context.Context, getenv func(string) string, name string, out io.Writer) error {
	f, err := openFleet(getenv)
	if err != nil {
		return err
	}
	_, config, err := openCluster(ctx, f, name, true)
	if err != nil {
		return err
	}
	if err := registration.Remove(ctx, config); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "cluster %s does not ask the webhook any more\n", name)
	return err
}
