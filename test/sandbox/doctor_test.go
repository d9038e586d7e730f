//go:build linux

package sandbox_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/test/sandbox"
)

// checkDoctor: negfleet doctor, as a person runs it in a sandbox, is content with it; when
// nothing renews a Lease, and when the webhook is down, it says so.
func checkDoctor(t *testing.T, w *sandbox.World) {
	code, found := examine(t, w)
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, f := range found {
		if f.Status == doctor.Problem || f.Status == doctor.Warning || f.Status == doctor.Unknown {
			t.Errorf("%+v", f)
		}
	}
	for _, name := range []string{
		"webhook cluster-1", "webhook cluster-2", "lease cluster-1", "firewall cluster-2", "vpc-native cluster-2", "reach cluster-1", "clock cluster-2", "rbac cluster-1", "rbac cluster-2",
		"quota sandbox us-central1", "subscriptions negfleet-keys-reconcile", "subscriptions negfleet-clusters-sweep",
	} {
		if found[name].Status != doctor.OK {
			t.Errorf("%s: %+v, want ok", name, found[name])
		}
	}

	if err := w.RenewLease(t.Context(), w.Clusters[0], time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.StopFunction("admission")
	code, found = examine(t, w, "cluster-1")
	if lease, webhook := found["lease cluster-1"], found["webhook cluster-1"]; code != 1 || lease.Status != doctor.Problem || webhook.Status != doctor.Problem {
		t.Errorf("exit %d, %+v, %+v", code, lease, webhook)
	}
	if _, asked := found["lease cluster-2"]; asked {
		t.Error("it examined a cluster that was not named")
	}
	if err := w.StartFunction(t.Context(), "admission"); err != nil {
		t.Fatal(err)
	}
	if err := w.RenewLease(t.Context(), w.Clusters[0], time.Now()); err != nil {
		t.Fatal(err)
	}
}

func examine(t *testing.T, w *sandbox.World, clusters ...string) (code int, found map[string]doctor.Finding) {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("NEGFLEET_BIN"), "negfleet"), append([]string{"doctor", "--json"}, clusters...)...)
	c.Env = os.Environ()
	for name, value := range w.Env() {
		c.Env = append(c.Env, name+"="+value)
	}
	out, err := c.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
		t.Logf("%s", exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var all []doctor.Finding
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found = map[string]doctor.Finding{}
	for _, f := range all {
		found[f.Check+" "+f.Subject] = f
	}
	return code, found
}
