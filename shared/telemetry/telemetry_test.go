package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// TestLine: a line is one JSON object under the names that Cloud Logging reads.
func TestLine(t *testing.T) {
	for level, severity := range map[slog.Level]string{slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR"} {
		var b bytes.Buffer
		New(&b, slog.LevelInfo).Log(t.Context(), level, "looked", "key", "c1/shop/web", slog.Group("more", "msg", "kept"))
		var line map[string]any
		if err := json.Unmarshal(b.Bytes(), &line); err != nil || strings.Count(b.String(), "\n") != 1 {
			t.Fatalf("%v: %s", err, b.String())
		}
		more, _ := line["more"].(map[string]any)
		if line["severity"] != severity || line["message"] != "looked" || line["key"] != "c1/shop/web" || line["time"] == nil || more["msg"] != "kept" {
			t.Errorf("got %s", b.String())
		}
	}
}

func TestLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "WARN": slog.LevelWarn, "error": slog.LevelError, "loud": slog.LevelInfo} {
		if got := level(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	var b bytes.Buffer
	New(&b, slog.LevelWarn).Info("quiet")
	if b.Len() != 0 {
		t.Errorf("below the level: %s", b.String())
	}
}

// TestTrace: the request's trace, from either header, as Cloud Logging links it.
func TestTrace(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for name, c := range map[string]struct {
		header, value, project, want string
	}{
		"traceparent":  {"traceparent", "00-" + id + "-b7ad6b7169203331-01", "demo", "projects/demo/traces/" + id},
		"cloud":        {"X-Cloud-Trace-Context", id + "/123;o=1", "demo", "projects/demo/traces/" + id},
		"no project":   {"traceparent", "00-" + id + "-b7ad6b7169203331-01", "", ""},
		"no header":    {"X-Other", "x", "demo", ""},
		"short":        {"X-Cloud-Trace-Context", "123/4", "demo", ""},
		"not a header": {"traceparent", "00-" + id, "demo", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h.Set(c.header, c.value)
			attr := Trace(WithTrace(context.Background(), h), c.project)
			if got := attr.Value.String(); c.want == "" && !attr.Equal(slog.Attr{}) || c.want != "" && got != c.want {
				t.Errorf("got %v, want %q", attr, c.want)
			}
		})
	}
}
