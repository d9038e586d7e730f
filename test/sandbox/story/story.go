//go:build linux

// Package story walks through what negfleet does, on a real control plane: it applies real
// manifests, waits for what should come of them, and prints each step with what was
// observed and whether it held.
//
// What the cloud did is judged by the emulator's timeline of membership, which has every
// transition with its time, and never by asking now and then.
package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/test/sandbox"
)

// patience is how long a step waits for its outcome before it has failed. It is far past
// every target: a slow machine must not fail the story.
const patience = 60 * time.Second

// Clusters is how many real ones the story needs, beside the guest.
const Clusters = 2

// A Step is one thing that the story shows. It returns what was observed, in a few words.
type step struct {
	title string
	run   func(context.Context, *teller) (string, error)
}

// Steps of the webhook, which are also told alone.
var admissionSteps = []step{
	{"a namespace is opted in, Services and every kind of workload applied at once: each Pod is gated, once", gatedWorkloads},
	{"no load balancer leads to these Pods: their gates open, and say so", gatesOpen},
	{"a backend service that no load balancer uses: gates open after the settle time, and say so", unusedBackendService},
	{"12 gated Pods behind a load balancer, a rolling update with maxUnavailable 0: only healthy Pods take over", gatedRollout},
	{"scale to zero and back, into a zone that is new to the backend service: no gate opens before it says healthy", zeroAndBack},
	{"Pods that never answer: the rollout stalls, the old Pods serve on", brokenRollout},
	{"readiness is stopped during a rollout, and started again", readinessStopped},
	{"a dry run shows the gate and leaves nothing behind", gateDryRun},
	{"the webhook is down: a Pod is made all the same, within the time-out", webhookDown},
	{"the Lease is stale: no gate; renewed: gated again", leaseStale},
}

var steps = slices.Concat(reconcileSteps, admissionSteps, []step{
	{"gone: delete is in force: the sweep has the groups of the gone cluster removed, and no other", goneRemoved},
	{"negfleet drain --wait, for a cluster with state: draining: nothing of it is left, nothing else is touched", drained},
	{"nobody was denied anything, and no message was given up", nobodyDenied},
})

var reconcileSteps = []step{
	{"apply the sample: a Deployment of 3 Pods in 3 zones and a Service with cloud.google.com/neg", applySample},
	{"groups in every zone hold exactly the Pods, each with its instance; neg-status says so", exactGroups},
	{"two more clusters of the fleet, the same Services in them: each gets its own groups", neighbours},
	{"scale to 12, 2, 0 and 3", scale},
	{"a rolling update of 12 Pods", rollingUpdate},
	{"a leak, an endpoint detached by hand, and a group of a stranger: the sweep has the first removed and the second put right, and leaves the third", swept},
	{"a cluster is deleted before its load balancers: proved gone, its groups are reported; the fleet file then says gone: delete", clusterDeleted},
	{"a second port, with a custom group name", secondPort},
	{"an endpoint detached by hand: the next look attaches it again", detachedByHand},
	{"an instance vanishes between listing and attaching: the other 400 endpoints get in", vanishedInstance},
	{"an Ingress that references a {\"ingress\":true} Service", ingressService},
	{"kubectl replace --force: nothing is torn down", replaceForce},
	{"a malformed annotation: an Event says what is wrong, the cloud stays as it is", malformedAnnotation},
	{"policy observe: a plan in the log, no write", observePolicy},
	{"a backend service by annotation, a load balancer of the user's before it: its health checks find every Pod", managedBackendService},
	{"the annotation goes: the groups leave, what the URL map still uses is told, and goes with it", backendServiceInUse},
	{"delete the Services: no group remains, the custom-named included", deleteServices},
}

// Tell runs the story in w and prints it. The error says which steps did not hold.
func Tell(ctx context.Context, w *sandbox.World, out io.Writer) error {
	if len(w.Clusters) < Clusters || w.Guest == nil {
		return fmt.Errorf("the story needs %d clusters and a guest", Clusters)
	}
	return tell(ctx, w, out, steps)
}

// TellAdmission runs the steps of the webhook alone.
func TellAdmission(ctx context.Context, w *sandbox.World, out io.Writer) error {
	return tell(ctx, w, out, admissionSteps)
}

func tell(ctx context.Context, w *sandbox.World, out io.Writer, steps []step) error {
	t, err := newTeller(ctx, w)
	if err != nil {
		return err
	}
	defer t.close()
	var failed []string
	started := time.Now()
	for i, s := range steps {
		fmt.Fprintf(out, "\n%2d  %s\n", i+1, s.title)
		began := time.Now()
		observed, err := s.run(ctx, t)
		took := time.Since(began).Round(10 * time.Millisecond)
		for line := range strings.Lines(observed) {
			fmt.Fprintf(out, "      %s\n", strings.TrimRight(line, "\n"))
		}
		if err != nil {
			fmt.Fprintf(out, "    FAILED after %s: %v\n", took, err)
			failed = append(failed, fmt.Sprint(i+1))
			if errors.Is(err, context.Canceled) {
				break
			}
			continue
		}
		fmt.Fprintf(out, "    held (%s)\n", took)
	}
	if len(failed) > 0 {
		return fmt.Errorf("step %s did not hold", strings.Join(failed, ", "))
	}
	fmt.Fprintf(out, "\nall %d steps held, in %s\n", len(steps), time.Since(started).Round(100*time.Millisecond))
	return nil
}
