//go:build linux

package sandbox

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/negfleet/negfleet/admission/registration"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/neg"
)

// startWebhook puts TLS before the admission function, as the platform does, and has every
// cluster ask it.
func (w *World) startWebhook(ctx context.Context) error {
	to, err := url.Parse(w.urls["admission"])
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // that the function is down is what the story is about
	w.front = httptest.NewTLSServer(proxy)
	keys, err := caller.ParseKeys(w.keys)
	if err != nil {
		return err
	}
	for _, c := range w.Clusters {
		if err := w.register(ctx, c, keys); err != nil {
			return fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	w.say("webhook: %s, registered in every cluster; opt in with kubectl label namespace NAME %s=%s", w.front.URL, neg.Inject, neg.InjectEnabled)
	return nil
}

func (w *World) register(ctx context.Context, c *Cluster, keys caller.Keys) error {
	path, err := keys.Sign(c.Name)
	if err != nil {
		return err
	}
	at, err := registration.URL(w.front.URL, path)
	if err != nil {
		return err
	}
	if err := registration.Probe(ctx, w.front.Client(), at); err != nil {
		return err
	}
	config, err := c.Config()
	if err != nil {
		return err
	}
	return registration.Apply(ctx, config, registration.Webhook{URL: at, CA: w.WebhookCA()})
}

// WebhookCA is the certificate, in PEM, by which the webhook's URL is trusted.
func (w *World) WebhookCA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.front.Certificate().Raw})
}

// CallerKeys are the keys of the path MAC that the functions accept.
func (w *World) CallerKeys() string { return w.keys }

// SetCallerKeys starts the admission function anew with other keys.
func (w *World) SetCallerKeys(ctx context.Context, keys string) error {
	w.keys = keys
	w.StopFunction("admission")
	return w.StartFunction(ctx, "admission")
}

// RenewLease says in a cluster that something was alive at that time to open gates, as the
// sweep does.
func (w *World) RenewLease(ctx context.Context, c *Cluster, at time.Time) error {
	config, err := c.Config()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	leases := client.CoordinationV1().Leases(neg.LeaseNamespace)
	lease, err := leases.Get(ctx, neg.LeaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseName}}
		lease, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("cluster %s: lease: %w", c.Name, err)
	}
	lease.Spec.RenewTime = &metav1.MicroTime{Time: at}
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// StopFunction ends a function, and StartFunction starts it anew.
func (w *World) StopFunction(name string) { w.processes[name].stop() }

// StartFunction starts a function that StopFunction ended. Its log begins anew.
func (w *World) StartFunction(ctx context.Context, name string) error {
	for _, f := range functions {
		if f.name == name {
			return w.startFunction(ctx, f)
		}
	}
	return fmt.Errorf("no function %s", name)
}
