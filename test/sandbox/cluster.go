//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/negfleet/negfleet/infra"
)

// The Kubernetes users that the functions are, as infra/rbac binds them.
const (
	userReconcile = "negfleet-reconcile"
	userEvents    = "negfleet-events"
	userAudit     = "negfleet-audit"
	userAdmission = "negfleet-admission"
	userReadiness = "negfleet-readiness"
	userSweep     = "negfleet-sweep"
)

var users = []string{userReconcile, userEvents, userAudit, userAdmission, userReadiness, userSweep}

// A Cluster is a running control plane.
type Cluster struct {
	Name       string            `json:"name"`
	Server     string            `json:"server"`
	Kubeconfig string            `json:"kubeconfig"` // of the administrator
	Users      map[string]string `json:"users"`      // kubeconfigs by user
	UID        string            `json:"uid"`
	PodOctet   int               `json:"podOctet"`
	Nodes      []Node            `json:"nodes"`

	process *process
}

// A Node is a simulated node and the instance behind it.
type Node struct {
	Name       string `json:"name"`
	Instance   string `json:"instance"`
	Zone       string `json:"zone"`
	PodCIDR    string `json:"podCIDR"`
	InternalIP string `json:"internalIP"`
}

// Config is an administrator's client configuration.
func (c *Cluster) Config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	config.QPS = -1
	return config, nil
}

// startCluster starts a control plane whose audit webhook posts to auditURL. With apiPort 0
// its API server takes a free port.
func (w *World) startCluster(name, auditURL string, apiPort int) (*Cluster, error) {
	dir := w.Dir.Path("cluster", name)
	policy, webhook := w.Dir.Path("run", "audit-policy.yaml"), w.Dir.Path("run", name+"-audit-webhook.kubeconfig")
	if err := copyInfra("audit-policy.yaml", policy); err != nil {
		return nil, err
	}
	if err := writeWebhookConfig(webhook, auditURL); err != nil {
		return nil, err
	}
	argv := []string{
		w.opts.ControlPlane, "up", "--dir", dir, "--name", name, "--project", Project,
		"--zones", strings.Join(Zones, ","), "--nodes", fmt.Sprint(w.opts.Nodes), "--api-port", fmt.Sprint(apiPort),
		"--audit-policy", policy, "--audit-webhook-config", webhook,
	}
	if w.opts.AuditLog {
		if err := logUsers(policy); err != nil {
			return nil, err
		}
		argv = append(argv, "--audit-log", w.auditLog(name))
	}
	for _, u := range users {
		argv = append(argv, "--user", u)
	}
	p, err := w.launch.start(w.Dir.Path("log"), "cluster-"+name, nil, argv...)
	if err != nil {
		return nil, err
	}
	return &Cluster{Name: name, process: p}, nil
}

// await waits for the cluster's ready.json and reads it.
func (c *Cluster) await(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ready := path.Join(dir, "ready.json")
	err := c.process.until(ctx, func() bool { _, err := os.Stat(ready); return err == nil })
	if err != nil {
		return err
	}
	data, err := os.ReadFile(ready)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	return json.Unmarshal(data, c)
}

// writeWebhookConfig writes the kubeconfig by which an API server finds its audit webhook.
func writeWebhookConfig(file, url string) error {
	config := api.NewConfig()
	config.Clusters["audit"] = &api.Cluster{Server: url}
	config.Contexts["audit"] = &api.Context{Cluster: "audit"}
	config.CurrentContext = "audit"
	return clientcmd.WriteToFile(*config, file)
}

func copyInfra(name, to string) error {
	data, err := fs.ReadFile(infra.Files, name)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// mergeKubeconfigs writes one kubeconfig with a context for each cluster, the first one
// current.
func mergeKubeconfigs(file string, clusters []*Cluster) error {
	merged := api.NewConfig()
	for _, c := range clusters {
		one, err := clientcmd.LoadFromFile(c.Kubeconfig)
		if err != nil {
			return fmt.Errorf("kubeconfig of cluster %s: %w", c.Name, err)
		}
		context := one.Contexts[one.CurrentContext]
		merged.Clusters[c.Name] = one.Clusters[context.Cluster]
		merged.AuthInfos[c.Name] = one.AuthInfos[context.AuthInfo]
		merged.Contexts[c.Name] = &api.Context{Cluster: c.Name, AuthInfo: c.Name}
	}
	merged.CurrentContext = clusters[0].Name
	return clientcmd.WriteToFile(*merged, file)
}
