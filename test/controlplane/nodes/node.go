package nodes

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

const (
	leaseNamespace = "kube-node-lease"
	leaseSeconds   = 40
	renewEvery     = 10 * time.Second
)

// node is one simulated machine.
type node struct {
	layout.Node
	pool      *ipPool
	lost      atomic.Bool
	gone      atomic.Bool  // its Node object was deleted
	changedAt atomic.Int64 // when lost changed, Unix nanoseconds
}

// register creates the Node objects and their leases.
func (s *Simulator) register(ctx context.Context) error {
	for _, n := range s.nodes {
		_, err := s.client.CoreV1().Nodes().Create(ctx, nodeObject(n.Node), metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return fmt.Errorf("register node %s: %w", n.Name, err)
		}
		// Admission taints every new node as not ready. Taking that away is
		// the node lifecycle controller's part.
		untaint := []byte(`{"spec":{"taints":null}}`)
		_, err = s.client.CoreV1().Nodes().Patch(ctx, n.Name, types.MergePatchType, untaint, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("untaint node %s: %w", n.Name, err)
		}
		if err := s.createLease(ctx, n); err != nil {
			return fmt.Errorf("create lease of node %s: %w", n.Name, err)
		}
	}
	return nil
}

func nodeObject(n layout.Node) *v1.Node {
	capacity := v1.ResourceList{
		v1.ResourceCPU:              resource.MustParse("64"),
		v1.ResourceMemory:           resource.MustParse("256Gi"),
		v1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		v1.ResourcePods:             *resource.NewQuantity(layout.PodsPerNode, resource.DecimalSI),
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: nodeLabels(n)},
		Spec:       v1.NodeSpec{ProviderID: n.ProviderID, PodCIDR: n.PodCIDR, PodCIDRs: []string{n.PodCIDR}},
		Status: v1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Addresses: []v1.NodeAddress{
				{Type: v1.NodeInternalIP, Address: n.InternalIP},
				{Type: v1.NodeHostName, Address: n.Name},
			},
			Conditions: nodeConditions(time.Now()),
			NodeInfo: v1.NodeSystemInfo{
				KubeletVersion: version.Get().GitVersion, OperatingSystem: "linux", Architecture: "amd64",
				ContainerRuntimeVersion: "simulated://1", OSImage: "simulated", KernelVersion: "simulated",
			},
		},
	}
}

func nodeLabels(n layout.Node) map[string]string {
	return map[string]string{
		v1.LabelHostname:                n.Name,
		v1.LabelArchStable:              "amd64",
		v1.LabelOSStable:                "linux",
		v1.LabelTopologyZone:            n.Zone,
		v1.LabelTopologyRegion:          n.Region,
		v1.LabelInstanceTypeStable:      "e2-standard-4",
		"cloud.google.com/gke-nodepool": "pool-1",
	}
}

func nodeConditions(now time.Time) []v1.NodeCondition {
	at := metav1.NewTime(now)
	condition := func(t v1.NodeConditionType, s v1.ConditionStatus, reason string) v1.NodeCondition {
		return v1.NodeCondition{Type: t, Status: s, Reason: reason, LastHeartbeatTime: at, LastTransitionTime: at}
	}
	return []v1.NodeCondition{
		condition(v1.NodeReady, v1.ConditionTrue, "KubeletReady"),
		condition(v1.NodeMemoryPressure, v1.ConditionFalse, "KubeletHasSufficientMemory"),
		condition(v1.NodeDiskPressure, v1.ConditionFalse, "KubeletHasNoDiskPressure"),
		condition(v1.NodePIDPressure, v1.ConditionFalse, "KubeletHasSufficientPID"),
		condition(v1.NodeNetworkUnavailable, v1.ConditionFalse, "RouteCreated"),
	}
}

func (s *Simulator) createLease(ctx context.Context, n *node) error {
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Namespace: leaseNamespace},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To(n.Name),
			LeaseDurationSeconds: ptr.To[int32](leaseSeconds),
			RenewTime:            ptr.To(metav1.NowMicro()),
		},
	}
	// The API server makes the namespace a moment after it says it is ready.
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true,
		func(ctx context.Context) (bool, error) {
			_, err := s.client.CoordinationV1().Leases(leaseNamespace).Create(ctx, lease, metav1.CreateOptions{})
			switch {
			case err == nil || errors.IsAlreadyExists(err):
				return true, nil
			case errors.IsNotFound(err):
				return false, nil
			}
			return false, err
		})
}

// renewLeases keeps the leases of the nodes that are there.
func (s *Simulator) renewLeases(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		for _, n := range s.nodes {
			if n.lost.Load() || n.gone.Load() {
				continue
			}
			renewed := fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
			_, err := s.client.CoordinationV1().Leases(leaseNamespace).Patch(ctx, n.Name,
				types.MergePatchType, []byte(renewed), metav1.PatchOptions{})
			if err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "renew lease", "node", n.Name)
			}
		}
	}, renewEvery)
}
