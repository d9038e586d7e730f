package supervisor

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/negfleet/negfleet/test/controlplane/nodes"
)

const lostTimeout = 5 * time.Minute

// SetLost takes a node away or brings it back, and returns when its Ready
// condition says so.
func SetLost(ctx context.Context, dir, node string, lost bool) error {
	r, err := readReady(dir)
	if err != nil {
		return err
	}
	p, err := newProbe(r.Kubeconfig)
	if err != nil {
		return err
	}
	value, want := "null", v1.ConditionTrue
	if lost {
		value, want = `"true"`, v1.ConditionUnknown
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, nodes.LostAnnotation, value)
	_, err = p.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("node %s: annotate: %w", node, err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, lostTimeout, true,
		func(ctx context.Context) (bool, error) {
			n, err := p.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
			return err == nil && nodeReady(n) == want, nil
		})
	if err != nil {
		return fmt.Errorf("node %s: wait for ready %s: %w", node, want, err)
	}
	fmt.Printf("node %s: ready is %s\n", node, want)
	return nil
}
