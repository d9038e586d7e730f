package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// Reads are what is asked of a cluster. asked is when the request came in: what may not
// be older than that is told by the cache that answers.
type Reads interface {
	// Namespace returns what was read of a namespace: lately if that is enough, else by a
	// read that began after asked.
	Namespace(ctx context.Context, cluster, namespace string, asked time.Time, enough func(mutate.Namespace) bool) (mutate.Namespace, error)
	// Alive reports whether something that opens gates has renewed the Lease in time.
	Alive(ctx context.Context, cluster string, asked time.Time) (bool, error)
	// Sleep reports whether the API server knows the preStop sleep action.
	Sleep(ctx context.Context, cluster string, asked time.Time) (bool, error)
}

// Options are a handler's parts; all but Project are required.
type Options struct {
	Keys    caller.Keys
	Policy  func(cluster, namespace string) (mutate.Policy, error)
	Reads   Reads
	Publish func(ctx context.Context, topic string, messages ...event.Message) error
	Log     *slog.Logger
	Project string // of the logs' traces
	Now     func() time.Time
}

// A Handler answers API servers.
type Handler struct {
	Options
	hints hints
}

// New returns the handler that Options describe.
func New(o Options) (*Handler, error) {
	if o.Policy == nil || o.Reads == nil || o.Publish == nil || o.Log == nil || o.Now == nil {
		return nil, errors.New("build admission handler: Policy, Reads, Publish, Log and Now are required")
	}
	if _, err := o.Keys.Sign("any"); err != nil {
		return nil, errors.New("NEGFLEET_CALLER_KEYS: missing; want the keys of the webhook's path")
	}
	return &Handler{Options: o, hints: hints{publish: o.Publish, now: o.Now}}, nil
}

const (
	// maxBody bounds a review: two objects of the 3 MiB that a kube-apiserver takes, and
	// what is around them.
	maxBody = 8 << 20
	// defaultTimeout is that of infra/webhook.yaml, for callers that name none.
	defaultTimeout = 3 * time.Second
	maxTimeout     = 30 * time.Second
	// margin is what is left of the deadline for the answer's way back: a tenth, or this.
	margin = 50 * time.Millisecond
)

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := h.Now()
	cluster, err := h.Keys.Verify(r.URL.Path)
	if err != nil {
		status(w, http.StatusNotFound)
		return
	}
	request, code := readRequest(w, r)
	if code != 0 {
		status(w, code)
		return
	}
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	// The API server's time began before the body came, however slowly.
	ctx, cancel := context.WithTimeout(ctx, budget(r.URL.Query().Get("timeout"))-h.Now().Sub(asked))
	defer cancel()
	a := h.review(ctx, cluster, request, asked)
	hinted := false
	if request.DryRun == nil || !*request.DryRun {
		hinted = h.hints.send(ctx, cluster, request, a.Services)
	}
	write(w, request, a)
	h.report(ctx, cluster, request, a, asked, hinted)
}

// readRequest reads the review's request, or returns the status of what is none.
func readRequest(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionRequest, int) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge
	}
	var review admissionv1.AdmissionReview
	// As API servers read: field names keep their case, so that a patch meets what was read.
	if err != nil || utiljson.Unmarshal(body, &review) != nil {
		return nil, http.StatusBadRequest
	}
	if review.Kind != "AdmissionReview" || review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Request == nil || review.Request.UID == "" {
		return nil, http.StatusBadRequest
	}
	return review.Request, 0
}

// budget is how long an answer may take, of the API server's own time-out.
func budget(timeout string) time.Duration {
	d, err := time.ParseDuration(timeout)
	if err != nil || d <= 0 {
		d = defaultTimeout
	}
	d = min(d, maxTimeout)
	return d - min(max(d/10, margin), d/2)
}

// write answers: always allowed.
func write(w http.ResponseWriter, request *admissionv1.AdmissionRequest, a answer) {
	response := &admissionv1.AdmissionResponse{UID: request.UID, Allowed: true, Warnings: a.Warnings}
	if a.Missed != "" {
		response.AuditAnnotations = map[string]string{"missed": string(a.Missed)}
	}
	if len(a.Patch) > 0 {
		patch, err := json.Marshal(a.Patch)
		if err != nil {
			panic(fmt.Sprintf("marshal patch: %v", err)) // add made each value from what marshals
		}
		kind := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &kind
	}
	review := admissionv1.AdmissionReview{Response: response}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // a caller that is gone gets no answer
}

// report is the one line that a request leaves. missed is counted by it.
func (h *Handler) report(ctx context.Context, cluster string, request *admissionv1.AdmissionRequest, a answer, asked time.Time, hinted bool) {
	level, text := slog.LevelInfo, "reviewed"
	attrs := []slog.Attr{
		slog.String("cluster", cluster), slog.String("namespace", request.Namespace), slog.String("resource", request.Resource.Resource),
		slog.String("operation", string(request.Operation)), slog.String("name", request.Name), slog.String("uid", string(request.UID)),
		slog.Int("patched", len(a.Patch)), slog.Int("warnings", len(a.Warnings)), slog.Bool("hinted", hinted),
		slog.Bool("dry_run", request.DryRun != nil && *request.DryRun), slog.Float64("took_ms", float64(h.Now().Sub(asked).Microseconds())/1000),
		telemetry.Trace(ctx, h.Project),
	}
	if a.skipped != "" {
		attrs = append(attrs, slog.String("why", a.skipped))
	}
	if a.Missed != "" {
		level, text = slog.LevelWarn, "missed"
		attrs = append(attrs, slog.String("reason", string(a.Missed)))
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", a.err.Error()))
	}
	h.Log.LogAttrs(ctx, level, text, attrs...)
}

func status(w http.ResponseWriter, code int) { http.Error(w, http.StatusText(code), code) }
