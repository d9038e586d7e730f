// Package registration is how a cluster comes to ask the admission webhook, and how it
// stops: the MutatingWebhookConfiguration of infra/webhook.yaml.tmpl, applied, found and
// removed. The function itself does not import it.
//
// The URL in that object is a secret: nothing here puts it into an error.
package registration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/template"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	typed "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/infra"
)

// Name is that of the MutatingWebhookConfiguration.
const Name = "negfleet"

const manager = "negfleet-webhook" // field manager

// A Webhook is what differs from cluster to cluster.
type Webhook struct {
	URL        string // with the cluster's path
	CA         []byte // PEM; empty: the API server's own roots
	Unlabelled bool   // namespaces without the label are opted in too
}

// URL joins the function's URL and a cluster's path. API servers take https alone, and no
// query.
func URL(base, path string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("the function's URL: want https://HOST, without path, query or user")
	}
	return "https://" + u.Host + path, nil
}

// Render fills in infra/webhook.yaml.tmpl.
func Render(w Webhook) ([]byte, error) {
	t, err := template.ParseFS(infra.Files, "webhook.yaml.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		URL, CA    string
		Unlabelled bool
	}{w.URL, base64.StdEncoding.EncodeToString(w.CA), w.Unlabelled})
	return out.Bytes(), err
}

// Apply registers the webhook by server-side apply.
func Apply(ctx context.Context, config *rest.Config, w Webhook) error {
	manifest, err := Render(w)
	if err != nil {
		return err
	}
	body, err := yaml.ToJSON(manifest)
	if err != nil {
		return fmt.Errorf("read infra/webhook.yaml.tmpl: %w", err)
	}
	client, err := typed.NewForConfig(config)
	if err != nil {
		return err
	}
	force := true
	_, err = client.MutatingWebhookConfigurations().Patch(ctx, Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager, Force: &force})
	if err != nil {
		return fmt.Errorf("apply MutatingWebhookConfiguration %s: %w", Name, err)
	}
	return nil
}

// Current returns the path that the cluster asks by; empty when it is not registered.
func Current(ctx context.Context, config *rest.Config) (path string, err error) {
	client, err := typed.NewForConfig(config)
	if err != nil {
		return "", err
	}
	found, err := client.MutatingWebhookConfigurations().Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get MutatingWebhookConfiguration %s: %w", Name, err)
	}
	return pathOf(found), nil
}

// A Registered webhook is what a cluster calls.
type Registered struct {
	URL           string // secret
	CA            []byte // PEM; empty: the API server's own roots
	FailurePolicy string
}

// Read returns what the cluster calls; nil when it is not registered.
func Read(ctx context.Context, config *rest.Config) (*Registered, error) {
	client, err := typed.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := client.MutatingWebhookConfigurations().Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get MutatingWebhookConfiguration %s: %w", Name, err)
	}
	if len(found.Webhooks) == 0 {
		return nil, nil
	}
	w := found.Webhooks[0]                                                                    // all are of one function
	r := &Registered{CA: w.ClientConfig.CABundle, FailurePolicy: string(registrationv1.Fail)} // the API's default
	if w.ClientConfig.URL != nil {
		r.URL = *w.ClientConfig.URL
	}
	if w.FailurePolicy != nil {
		r.FailurePolicy = string(*w.FailurePolicy)
	}
	return r, nil
}

func pathOf(c *registrationv1.MutatingWebhookConfiguration) string {
	for _, w := range c.Webhooks {
		if w.ClientConfig.URL == nil {
			continue
		}
		if u, err := url.Parse(*w.ClientConfig.URL); err == nil {
			return u.Path
		}
	}
	return ""
}

// Remove ends the cluster's asking. It is done when the webhook is not registered.
func Remove(ctx context.Context, config *rest.Config) error {
	client, err := typed.NewForConfig(config)
	if err != nil {
		return err
	}
	err = client.MutatingWebhookConfigurations().Delete(ctx, Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete MutatingWebhookConfiguration %s: %w", Name, err)
	}
	return nil
}

// Probe asks the function about nothing, as an API server would: a webhook is registered
// only when it answers.
func Probe(ctx context.Context, client *http.Client, webhook string) error {
	const uid = "negfleet-webhook-probe"
	dry := true
	review := admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{UID: uid, Operation: admissionv1.Connect, DryRun: &dry}}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	body, err := json.Marshal(review)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("probe the function: bad URL")
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error // whose text has the URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("probe the function: %w", err)
	}
	defer answer.Body.Close()
	var got admissionv1.AdmissionReview
	data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return errors.New("probe the function: 404: it does not accept this cluster's path; deploy it with the key that signs first")
	case err != nil || answer.StatusCode != http.StatusOK:
		return fmt.Errorf("probe the function: status %d", answer.StatusCode)
	case json.Unmarshal(data, &got) != nil || got.Response == nil || got.Response.UID != uid || !got.Response.Allowed:
		return errors.New("probe the function: the answer is no AdmissionReview; is the URL the admission function's?")
	case got.Response.AuditAnnotations["missed"] != "":
		return fmt.Errorf("probe the function: it answers, but can do nothing for this cluster: %s; see its log", got.Response.AuditAnnotations["missed"])
	}
	return nil
}
