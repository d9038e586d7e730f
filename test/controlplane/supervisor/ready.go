package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

const readyFile = "ready.json"

// Ready is the content of ready.json.
type Ready struct {
	Name       string            `json:"name"`
	Server     string            `json:"server"`
	Kubeconfig string            `json:"kubeconfig"`
	Users      map[string]string `json:"users"`
	UID        string            `json:"uid"`
	PodOctet   int               `json:"podOctet"`
	Nodes      []layout.Node     `json:"nodes"`
	PID        int               `json:"pid"`
}

// probe asks the API server whether the cluster is ready.
type probe struct {
	client kubernetes.Interface
}

func newProbe(kubeconfig string) (*probe, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", kubeconfig, err)
	}
	config.Timeout = 5 * time.Second
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", kubeconfig, err)
	}
	return &probe{client}, nil
}

func (p *probe) apiReady(ctx context.Context) bool {
	_, err := p.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil
}

// clusterReady says whether Pods can be created and every node takes them.
func (p *probe) clusterReady(want int) func(context.Context) bool {
	return func(ctx context.Context) bool {
		_, err := p.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if err != nil {
			return false
		}
		nodes, err := p.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false
		}
		ready := 0
		for i := range nodes.Items {
			if nodeReady(&nodes.Items[i]) == v1.ConditionTrue && len(nodes.Items[i].Spec.Taints) == 0 {
				ready++
			}
		}
		return ready == want
	}
}

func nodeReady(n *v1.Node) v1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status
		}
	}
	return ""
}

// writeReady publishes the cluster. A reader sees all of it or nothing.
func (c *cluster) writeReady(ctx context.Context, p *probe) error {
	system, err := p.client.CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("identity of cluster: read kube-system: %w", err)
	}
	users := map[string]string{}
	for _, user := range c.Users {
		users[user] = c.userPath(user)
	}
	data, err := json.MarshalIndent(Ready{
		Name: c.Name, Server: c.server, Kubeconfig: c.path("admin.kubeconfig"), Users: users,
		UID: string(system.UID), PodOctet: c.Octet, Nodes: c.NodeList(), PID: os.Getpid(),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: encode: %w", readyFile, err)
	}
	draft := c.path(readyFile + ".tmp")
	if err := os.WriteFile(draft, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("%s: write: %w", readyFile, err)
	}
	if err := os.Rename(draft, c.path(readyFile)); err != nil {
		return fmt.Errorf("%s: publish: %w", readyFile, err)
	}
	return nil
}

// readReady reads what a running cluster published.
func readReady(dir string) (*Ready, error) {
	data, err := os.ReadFile(filepath.Join(dir, readyFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("directory %q: no cluster is ready there", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", dir, err)
	}
	var r Ready
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("directory %q: decode %s: %w", dir, readyFile, err)
	}
	return &r, nil
}
