//go:build linux

package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/sandbox"
)

// neighbours fills the second cluster, and the guest, which has no audit log: its key is
// asked for.
func neighbours(ctx context.Context, t *teller) (string, error) {
	began, guest, second := time.Now(), t.world.Guest, t.second
	for _, manifest := range []string{"shop.yaml", "neighbour.yaml"} {
		if err := second.apply(ctx, manifest); err != nil {
			return "", err
		}
	}
	if err := second.annotate(ctx, "web", map[string]string{neg.AnnotationBackendService: asksForBackendService}); err != nil {
		return "", err
	}
	if err := fillGuest(guest); err != nil {
		return "", err
	}
	if err := t.ask(ctx, t.ofGuest()); err != nil {
		return "", err
	}
	if err := second.exact(ctx, "web", second.group("web", 80), 8080, 3); err != nil {
		return "", err
	}
	name := t.guestGroup()
	if err := t.until(ctx, func() (string, error) { return missing(t.cloud.members(name), len(sandbox.Zones)), nil }); err != nil {
		return "", err
	}
	took, err := held(began)
	if err != nil {
		return "", err
	}
	gates, _, err := second.makePod(ctx, "before", metav1.CreateOptions{})
	if err == nil && len(gates) == 0 {
		err = fmt.Errorf("a Pod of %s has no gate", second.cluster.Name)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s of %s, %s of %s: filled after %s", second.group("web", 80), second.cluster.Name, name, guest.Cluster.Name, took), nil
}

func fillGuest(g *sandbox.Guest) error {
	ports := []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}
	err := g.World.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: len(sandbox.Zones), Ports: ports})
	if err != nil {
		return err
	}
	return g.World.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	})
}

func (t *teller) ofGuest() neg.Key {
	return neg.Key{Cluster: t.world.Guest.Cluster.Name, Namespace: "shop", Service: "web"}
}

func (t *teller) guestGroup() string {
	return neg.GroupName(t.world.Guest.Cluster.UID, t.ofGuest(), 80)
}

// missing says how many endpoints the groups of a name lack.
func missing(members map[string][]string, want int) string {
	n := 0
	for _, m := range members {
		n += len(m)
	}
	if n == want {
		return ""
	}
	return fmt.Sprintf("%d endpoints, want %d", n, want)
}

// clusterDeleted deletes the guest as a person does who forgets its load balancers. The audit
// entries bring the sweep of that cluster; its groups are told of and stay. Then the fleet
// file is changed: some steps later every function has seen it.
func clusterDeleted(ctx context.Context, t *teller) (string, error) {
	guest, name := t.world.Guest.Cluster, t.guestGroup()
	if err := t.age(ctx, name); err != nil {
		return "", err
	}
	if err := t.world.DeleteCluster(ctx, guest); err != nil {
		return "", err
	}
	for function, parts := range map[string][]string{
		"events": {"published cluster", guest.Name, `"reason":"deleted"`}, "sweep": {`"swept"`, guest.Name, `"orphan of a gone cluster"`},
	} {
		if err := t.logged(ctx, function, parts...); err != nil {
			return "", err
		}
	}
	report, err := t.world.Sweep(ctx)
	if err != nil {
		return "", err
	}
	evidence := found(report, "orphan of a gone cluster", name)
	if !strings.Contains(evidence, "say gone: delete for cluster "+guest.Name) || report.Published["orphans"] != 0 {
		return "", fmt.Errorf("the sweep found %v and published %v; want the groups of %s reported, and how to go on", report.Findings, report.Published, guest.Name)
	}
	if left := t.cloud.members(name); len(left) != len(sandbox.Zones) {
		return "", fmt.Errorf("groups %s were touched: %d are left", name, len(left))
	}
	err = errors.Join(t.world.SetEntry(guest.Name, "gone: delete"), t.world.SetEntry(t.second.cluster.Name, "state: draining"))
	return fmt.Sprintf("%s: %s\nthe fleet file says gone: delete for %s now, and state: draining for %s", name, evidence, guest.Name, t.second.cluster.Name), err
}

// logged waits for a line in a function's log.
func (t *teller) logged(ctx context.Context, function string, parts ...string) error {
	return t.until(ctx, func() (string, error) {
		line, err := t.world.LogLine(function, parts...)
		if err != nil || line != "" {
			return "", err
		}
		return fmt.Sprintf("%s logged nothing of %q", function, parts), nil
	})
}

// own are the names of all groups but the stranger's and those of the other clusters.
func (t *teller) own() []string {
	return slices.DeleteFunc(t.cloud.names(), func(name string) bool {
		return name == strangers || strings.HasPrefix(name, neg.ClusterToken(t.second.cluster.UID)) || strings.HasPrefix(name, neg.ClusterToken(t.world.Guest.Cluster.UID))
	})
}

// goneRemoved sweeps until the changed fleet file is in force, and reconcile believes no more
// that it has the cluster open, as the Scheduler would ten minutes later.
func goneRemoved(ctx context.Context, t *teller) (string, error) {
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	name, mark, published, swept := t.guestGroup(), t.cloud.mark(), 0, time.Time{}
	err := t.until(ctx, func() (string, error) {
		left := t.cloud.members(name)
		if len(left) == 0 {
			return "", nil
		}
		if time.Since(swept) > time.Second {
			swept = time.Now()
			report, err := t.world.Sweep(ctx)
			if err != nil {
				return "", err
			}
			published += report.Published["orphans"]
		}
		return fmt.Sprintf("%d groups %s are left", len(left), name), nil
	})
	if err != nil {
		return "", err
	}
	if err := t.onlyOf(mark, neg.ClusterToken(t.world.Guest.Cluster.UID)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is gone from %d zones; it took %d messages", name, len(sandbox.Zones), published), t.untouched()
}

// onlyOf tells whether nothing changed since but groups of that token.
func (t *teller) onlyOf(mark int, token string) error {
	for _, tr := range t.cloud.since(mark) {
		if !strings.HasPrefix(tr.Group, token+"-") {
			return fmt.Errorf("%s %s/%s %s: not of %s", tr.Event, tr.Zone, tr.Group, tr.Endpoint, token)
		}
	}
	return nil
}

// drained has the operator's command empty the second cluster, after it has refused the
// first, which the fleet file does not say drains.
func drained(ctx context.Context, t *teller) (string, error) {
	_, refused, code, err := t.world.Negfleet(ctx, "drain", t.cluster.Name, "--wait")
	if err == nil && (code != 1 || !strings.Contains(refused, "write a line state: draining below uid: "+t.cluster.UID)) {
		err = fmt.Errorf("drain %s: exit status %d: %s", t.cluster.Name, code, refused)
	}
	if err != nil {
		return "", err
	}
	second, mark := t.second, t.cloud.mark()
	token := neg.ClusterToken(second.cluster.UID)
	before := t.ofToken(token)
	out, told, code, err := t.world.Negfleet(ctx, "drain", second.cluster.Name, "--wait", "--timeout", patience.String())
	if err == nil && (code != 0 || before == 0) {
		err = fmt.Errorf("drain %s, which had groups of %d names: exit status %d: %s", second.cluster.Name, before, code, out)
	}
	if err != nil {
		return told, err
	}
	if err := second.nothingLeft(ctx, token); err != nil {
		return told, err
	}
	if err := errors.Join(t.onlyOf(mark, token), t.untouched()); err != nil {
		return told, err
	}
	gates, _, err := second.makePod(ctx, "after", metav1.CreateOptions{})
	if err == nil && len(gates) != 0 {
		err = fmt.Errorf("a Pod of %s has gates %v, want none", second.cluster.Name, gates)
	}
	if err != nil {
		return told, err
	}
	return strings.TrimSpace(refused) + "\n" + told + out + "exit status 0; a Pod that is made there now is not gated", t.deleteStranger(ctx)
}

// ofToken counts the names of groups that carry it.
func (t *teller) ofToken(token string) (n int) {
	for _, name := range t.cloud.names() {
		if strings.HasPrefix(name, token+"-") {
			n++
		}
	}
	return n
}

// nothingLeft asks the cloud itself, by names and by descriptions, and the Service.
func (t *teller) nothingLeft(ctx context.Context, token string) error {
	if err := t.until(ctx, func() (string, error) {
		if n := t.ofToken(token); n > 0 {
			return fmt.Sprintf("groups of %d names of %s in the timeline", n, t.cluster.Name), nil
		}
		return "", nil
	}); err != nil {
		return err
	}
	state, err := t.world.GCE.State(ctx)
	if err != nil {
		return err
	}
	for _, g := range state.Groups {
		if strings.Contains(g.Description, t.cluster.UID) {
			return fmt.Errorf("group %s/%s is left of %s", g.Zone, g.Name, t.cluster.Name)
		}
	}
	for _, r := range state.Resources {
		if strings.HasPrefix(r.Name, token+"-") {
			return fmt.Errorf("%s %s is left of %s", r.Collection, r.Name, t.cluster.Name)
		}
	}
	s, err := t.client.CoreV1().Services("shop").Get(ctx, "web", metav1.GetOptions{})
	if err == nil && (s.Annotations[neg.AnnotationStatus] != "" || s.Annotations[neg.AnnotationNEG] == "") {
		err = fmt.Errorf("the Service's annotations are %v; want what it asks for, and no status", s.Annotations)
	}
	return err
}

// deleteStranger ends the stranger's part in the story.
func (t *teller) deleteStranger(ctx context.Context) error {
	api, err := t.world.Compute(ctx)
	if err != nil {
		return err
	}
	_, err = api.NetworkEndpointGroups.Delete(sandbox.Project, sandbox.Zones[0], strangers).Context(ctx).Do()
	return err
}
