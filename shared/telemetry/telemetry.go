// Package telemetry writes structured logs the way Cloud Logging reads them: one JSON
// object a line on stderr with severity, message and time, and the trace of the request
// that caused it. Counters are log fields, turned into metrics by log-based metrics, so
// that nothing has to be exported between requests.
//
// It must not know what is being logged about, and never logs a request's URL, which
// may carry a caller's secret.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
)

// Logger returns a logger for Cloud Logging, at the level that LOG_LEVEL names
// (debug, info, warn, error; info when unset).
func Logger() *slog.Logger { return New(os.Stderr, level(os.Getenv("LOG_LEVEL"))) }

// New returns a logger that writes entries of at least min to w.
func New(w io.Writer, min slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: min, ReplaceAttr: rename}))
}

func level(s string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// rename gives the built-in attributes the names of
// https://cloud.google.com/logging/docs/structured-logging.
func rename(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		severity := a.Value.String()
		if severity == "WARN" {
			severity = "WARNING"
		}
		return slog.String("severity", severity)
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}

type traceKey struct{}

// WithTrace returns a context that carries the request's trace, as TRACE of
// "projects/PROJECT/traces/TRACE", from traceparent or X-Cloud-Trace-Context.
func WithTrace(ctx context.Context, h http.Header) context.Context {
	if id := traceID(h); id != "" {
		return context.WithValue(ctx, traceKey{}, id)
	}
	return ctx
}

func traceID(h http.Header) string {
	if parts := strings.Split(h.Get("traceparent"), "-"); len(parts) == 4 && len(parts[1]) == 32 {
		return parts[1]
	}
	id, _, _ := strings.Cut(h.Get("X-Cloud-Trace-Context"), "/")
	if len(id) == 32 {
		return id
	}
	return ""
}

// Trace is the log attribute of ctx's trace; empty, and so left out of a log line's
// meaning, when there is none.
func Trace(ctx context.Context, project string) slog.Attr {
	id, _ := ctx.Value(traceKey{}).(string)
	if id == "" || project == "" {
		return slog.Attr{}
	}
	return slog.String("logging.googleapis.com/trace", "projects/"+project+"/traces/"+id)
}
