//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/test/fakecontainer"
)

// startContainer starts the emulator of the GKE API, which is a witness of who is there.
func (w *World) startContainer(ctx context.Context) error {
	addr, err := w.address("container")
	if err != nil {
		return err
	}
	w.containerURL = "http://" + addr
	p, err := w.launch.start(w.Dir.Path("log"), "fakecontainer", nil, filepath.Join(w.opts.Bin, "fakecontainer"), "--listen", addr)
	if err != nil {
		return err
	}
	w.processes["fakecontainer"] = p
	if err := p.until(ctx, accepts(addr)); err != nil {
		return err
	}
	w.say("container API: emulator at %s", w.containerURL)
	return nil
}

// resource is which GKE cluster a cluster of the sandbox is.
func resource(cluster string) string {
	return "projects/" + Project + "/locations/" + Region + "/clusters/" + cluster
}

// seedContainer makes every cluster one of GKE's, VPC-native and without GKE's own NEG
// controller.
func (w *World) seedContainer(ctx context.Context) error {
	var seed fakecontainer.Seed
	for _, c := range w.fleet() {
		seed.Clusters = append(seed.Clusters, fakecontainer.Cluster{
			Project: Project, Location: Region, Name: c.Name,
			Cluster: map[string]any{
				"addonsConfig":       map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}},
				"ipAllocationPolicy": map[string]any{"useIpAliases": true},
			},
		})
	}
	body, err := json.Marshal(seed)
	if err != nil {
		return err
	}
	return w.askContainer(ctx, http.MethodPost, "/_emu/seed", body)
}

func (w *World) askContainer(ctx context.Context, method, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, w.containerURL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what there is of a reason
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return nil
}

// DeleteCluster deletes a cluster through the container API, as gcloud does. Its control
// plane ends and its instances go, Cloud Logging tells of the beginning and the end, and what
// its load balancers were made of stays.
func (w *World) DeleteCluster(ctx context.Context, c *Cluster) error {
	if err := w.logDeletion(ctx, c, "first"); err != nil {
		return err
	}
	if w.Guest != nil && w.Guest.Cluster == c {
		w.Guest.server.Close()
	} else {
		c.process.stop()
	}
	if err := w.deleteInstances(ctx, c); err != nil {
		return err
	}
	if err := w.askContainer(ctx, http.MethodDelete, "/v1/"+resource(c.Name), nil); err != nil {
		return err
	}
	return w.logDeletion(ctx, c, "last")
}

// deleteInstances deletes those of a cluster's nodes and waits until they are gone.
func (w *World) deleteInstances(ctx context.Context, c *Cluster) error {
	api, err := w.Compute(ctx)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, n := range c.Nodes {
		g.Go(func() error {
			op, err := api.Instances.Delete(Project, n.Zone, n.Instance).Context(ctx).Do()
			for err == nil && op.Status != "DONE" {
				op, err = api.ZoneOperations.Wait(Project, n.Zone, op.Name).Context(ctx).Do()
			}
			if err != nil {
				return fmt.Errorf("delete instance %s/%s: %w", n.Zone, n.Instance, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// logDeletion publishes what a log sink would: the first or the last entry of the operation.
func (w *World) logDeletion(ctx context.Context, c *Cluster, part string) error {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	entry, err := json.Marshal(map[string]any{
		"insertId": "delete-" + c.Name + "-" + part, "logName": "projects/" + Project + "/logs/cloudaudit.googleapis.com%2Factivity", "timestamp": now,
		"resource":  map[string]any{"type": "gke_cluster", "labels": map[string]string{"project_id": Project, "location": Region, "cluster_name": c.Name}},
		"operation": map[string]any{"id": "operation-" + strings.ReplaceAll(c.Name, "cluster-", "delete-"), "producer": "container.googleapis.com", part: true},
		"protoPayload": map[string]any{
			"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "container.googleapis.com",
			"methodName": "google.container.v1.ClusterManager.DeleteCluster", "resourceName": resource(c.Name),
		},
	})
	if err != nil {
		return err
	}
	return w.PubSub.Publish(ctx, event.TopicAudit, entry, map[string]string{"logging.googleapis.com/timestamp": now})
}
