package event

import (
	"context"
	"net/http"
	"regexp"

	"github.com/negfleet/negfleet/shared/telemetry"
)

type traceparentKey struct{}

// traceparents is the W3C header: version, trace, parent and flags.
var traceparents = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// WithTraceparent returns ctx in the trace of traceparent, for telemetry and for what is
// published with ctx. Anything that is not a traceparent leaves ctx as it is.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if !traceparents.MatchString(traceparent) {
		return ctx
	}
	ctx = telemetry.WithTrace(ctx, http.Header{"Traceparent": {traceparent}})
	return context.WithValue(ctx, traceparentKey{}, traceparent)
}

func traceparent(ctx context.Context) string {
	s, _ := ctx.Value(traceparentKey{}).(string)
	return s
}
