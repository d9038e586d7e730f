package neg

import (
	"fmt"
	"time"
)

// AnnotationKeepServing on a Service is how long a Pod that was told to stop stays in its
// groups while it still answers. Without it such a Pod leaves at once.
const AnnotationKeepServing = "negfleet.dev/keep-serving"

// ParseKeepServing reads the annotation; none is 0.
func ParseKeepServing(annotations map[string]string) (time.Duration, error) {
	value, ok := annotations[AnnotationKeepServing]
	if !ok {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > MaxDrain || d%time.Second != 0 {
		return 0, fmt.Errorf("annotation %s: %q: want whole seconds from 1s to %s", AnnotationKeepServing, clip(value), MaxDrain)
	}
	return d, nil
}
