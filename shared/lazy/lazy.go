// Package lazy is how a function begins: its handler is made of the environment at the first
// request, when the files and secrets that the platform mounts are there.
//
// It must not decide how requests are answered, but for those that come before there is a
// handler.
package lazy

import (
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/negfleet/negfleet/shared/telemetry"
)

// A Handler makes another at the first request, and again at the next one if that failed: the
// instance outlives the trouble. Until then the answer is 503, after which Pub/Sub and API
// servers come again.
type Handler struct {
	build func() (http.Handler, error)
	log   *slog.Logger

	mu   sync.Mutex
	made http.Handler
}

// Of is the handler that fromEnv makes of this process's environment.
func Of[H http.Handler](fromEnv func(getenv func(string) string, log *slog.Logger) (H, error)) *Handler {
	log := telemetry.Logger()
	return &Handler{log: log, build: func() (http.Handler, error) { return fromEnv(os.Getenv, log) }}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	made, err := h.get()
	if err != nil {
		h.log.Error("the function cannot start", "reason", "Misconfigured", "error", err.Error())
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable) // the error may quote what callers must not see
		return
	}
	made.ServeHTTP(w, r)
}

func (h *Handler) get() (http.Handler, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.made != nil {
		return h.made, nil
	}
	made, err := h.build()
	if err != nil {
		return nil, err
	}
	h.made = made
	return made, nil
}
