package kube

import (
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// FromContext returns the cluster of a context of the caller's own kubeconfig, found as
// kubectl finds it. It makes no call.
func FromContext(context string, now func() time.Time) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: context %q: %w", context, err)
	}
	return New(context, config, now)
}
