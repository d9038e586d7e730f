package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/negfleet/negfleet/"

// own is, for each package of the product, the packages of this module that it may import.
// A new package gets a line here, and by it a place in the order
//
//	neg ← plan ← reconcile ← functions/*
//	neg ← gce, kube, event, audit ← functions/*
//
// in which adapters never import each other; fleet opens clusters and so imports kube and
// gke, scope wires them all.
var own = map[string][]string{
	"shared/neg":        {},
	"shared/telemetry":  {},
	"shared/plan":       {"shared/neg"},
	"shared/readiness":  {"shared/neg", "shared/plan"},
	"shared/caller":     {"shared/neg"},
	"shared/audit":      {"shared/neg"},
	"shared/config":     {"shared/neg"},
	"shared/gce":        {"shared/neg"},
	"shared/kube":       {"shared/neg", "shared/object"},
	"shared/object":     {"shared/neg"},
	"shared/event":      {"shared/neg", "shared/telemetry"},
	"shared/reconcile":  {"shared/neg", "shared/plan"},
	"shared/resync":     {"shared/neg"},
	"shared/sweep":      {"shared/neg", "shared/presence"},
	"shared/drain":      {"shared/neg", "shared/resync"},
	"shared/gke":        {"shared/neg"},
	"shared/presence":   {"shared/neg"},
	"shared/fleet":      {"shared/neg", "shared/config", "shared/gke", "shared/kube", "shared/presence"},
	"shared/scope":      {"shared/neg", "shared/config", "shared/drain", "shared/fleet", "shared/gce", "shared/kube", "shared/plan", "shared/presence", "shared/readiness", "shared/reconcile", "shared/resync", "shared/sweep"},
	"shared/doctor":     {"shared/neg"},
	"shared/deployment": {"shared/doctor"},
	"shared/rbac":       {"infra"},
	"shared/lazy":       {"shared/telemetry"},
	"infra":             {},

	"admission/mutate":       {"shared/neg", "shared/object"},
	"admission/fresh":        {},
	"admission/registration": {"infra"},
	"admission/cluster":      {"admission/mutate", "shared/neg", "shared/object"},
	"admission": {
		"admission/cluster", "admission/fresh", "admission/mutate",
		"shared/caller", "shared/config", "shared/event", "shared/fleet", "shared/lazy", "shared/neg", "shared/telemetry",
	},
	"functions/events": {
		"shared/audit", "shared/caller", "shared/config", "shared/event", "shared/fleet", "shared/kube", "shared/lazy", "shared/neg", "shared/telemetry",
	},
	"functions/readiness": {
		"shared/config", "shared/event", "shared/lazy", "shared/neg", "shared/readiness", "shared/scope", "shared/telemetry",
	},
	"functions/reconcile": {
		"shared/config", "shared/event", "shared/lazy", "shared/neg", "shared/plan", "shared/reconcile", "shared/scope", "shared/telemetry",
	},
	"functions/sweep": {
		"shared/config", "shared/event", "shared/lazy", "shared/neg", "shared/resync", "shared/scope", "shared/sweep", "shared/telemetry",
	},
	"cmd/negfleet": {
		"admission/registration", "infra", "shared/caller", "shared/config", "shared/deployment", "shared/doctor", "shared/drain", "shared/event", "shared/fleet", "shared/gce", "shared/kube", "shared/neg", "shared/plan", "shared/presence", "shared/rbac", "shared/readiness", "shared/reconcile", "shared/resync", "shared/scope", "shared/sweep", "shared/telemetry",
	},
}

// others are the packages of other modules, by prefix, that few may import, and who.
var others = map[string][]string{
	"google.golang.org/api/compute":   {"shared/gce"},
	"google.golang.org/api/container": {"shared/gke"},
	"golang.org/x/oauth2":             {"shared/fleet", "shared/deployment"},
	// For a person's machine alone: the functions must not carry them.
	"google.golang.org/api/cloudfunctions":                  {"shared/deployment"},
	"google.golang.org/api/cloudresourcemanager":            {"shared/deployment"},
	"google.golang.org/api/cloudscheduler":                  {"shared/deployment"},
	"google.golang.org/api/iam":                             {"shared/deployment"},
	"google.golang.org/api/logging":                         {"shared/deployment"},
	"google.golang.org/api/pubsub":                          {"shared/deployment"},
	"google.golang.org/api/run":                             {"shared/deployment"},
	"google.golang.org/api/serviceusage":                    {"shared/deployment"},
	"k8s.io/":                                               {"shared/kube", "shared/object", "shared/fleet", "shared/rbac", "admission", "admission/cluster", "admission/mutate", "admission/registration", "cmd/negfleet"},
	"cloud.google.com/go/pubsub":                            {"shared/event"},
	"github.com/cloudevents/":                               {"shared/event"},
	"go.yaml.in/":                                           {"shared/config"},
	"github.com/GoogleCloudPlatform/functions-framework-go": {"functions/events", "functions/readiness", "functions/reconcile", "functions/sweep", "admission"},
}

// never is what a package may not reach over any number of imports.
var never = map[string][]string{
	"shared/neg":       {"*"},
	"shared/plan":      {"*"},
	"shared/readiness": {"k8s.io/", "google.golang.org/", "cloud.google.com/"},
	"shared/caller":    {"*"},
	"shared/audit":     {"*"},
	"shared/telemetry": {"*"},
	"infra":            {"*"},
	"shared/resync":    {"k8s.io/", "google.golang.org/", "cloud.google.com/"},
	"shared/drain":     {"k8s.io/", "google.golang.org/", "cloud.google.com/"},
	"shared/reconcile": {"k8s.io/", "google.golang.org/", "cloud.google.com/"},
	"shared/presence":  {"*"},
	"shared/doctor":    {"*"},
	"shared/sweep":     {"k8s.io/", "google.golang.org/", "cloud.google.com/"},
	"shared/gke":       {"k8s.io/", "cloud.google.com/go/pubsub", "google.golang.org/api/compute"},
	"shared/gce":       {"k8s.io/", "cloud.google.com/go/pubsub"},
	"shared/kube":      {"google.golang.org/api/", "cloud.google.com/go/pubsub"},
	"shared/event":     {"k8s.io/", "google.golang.org/api/compute"},
	"functions/events": {"google.golang.org/api/compute", module + "shared/plan", module + "shared/reconcile"},
	// The admission webhook answers an API server that waits: no cloud, no plans. Its
	// packages are held to this from their first day.
	"admission": {
		"google.golang.org/api/compute",
		module + "shared/gce", module + "shared/plan", module + "shared/reconcile",
	},
}

type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// product tells whether a package ships.
func (p pkg) product() bool { return p.name() != "test" && !strings.HasPrefix(p.name(), "test/") }

// packages lists this module's.
func packages(t *testing.T) []pkg {
	t.Helper()
	var all []pkg
	d := json.NewDecoder(bytes.NewReader(output(t, "list", "-deps", "-json=ImportPath,Imports,Deps", "./...")))
	for {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		case strings.HasPrefix(p.ImportPath, module):
			all = append(all, p)
		}
	}
}

// output runs the go command at the module's root.
func output(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = filepath.Join("..", "..")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out
}

// standard tells a package of the standard library by its path.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// in tells whether a package of the table is the one named or a folder above it.
func in(name, entry string) bool { return name == entry || strings.HasPrefix(name, entry+"/") }

func TestImportRules(t *testing.T) {
	all := packages(t)
	for _, p := range all {
		if !p.product() {
			continue
		}
		allowed, listed := own[p.name()]
		if !listed {
			t.Errorf("%s is new: say in test/imports which packages it may import", p.name())
		}
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, module)
			if ours && listed && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s; it may import %v", p.name(), name, allowed)
			}
			for prefix, who := range others {
				if strings.HasPrefix(path, prefix) && !slices.Contains(who, p.name()) {
					t.Errorf("%s imports %s; of the product only %v may", p.name(), path, who)
				}
			}
		}
		for _, path := range p.Deps {
			if strings.HasPrefix(path, module+"test/") {
				t.Errorf("%s ships and reaches %s", p.name(), path)
			}
			for entry, forbidden := range never {
				if in(p.name(), entry) && reaches(path, forbidden) {
					t.Errorf("%s must not reach %s", p.name(), path)
				}
			}
		}
	}
}

// reaches tells whether path is forbidden; * is all that is neither of the standard library
// nor neg.
func reaches(path string, forbidden []string) bool {
	return slices.ContainsFunc(forbidden, func(f string) bool {
		if f == "*" {
			return !standard(path) && path != module+"shared/neg"
		}
		return strings.HasPrefix(path, f)
	})
}

// TestRulesAreAboutSomething: each package that a rule names is there, and does import what
// it alone may, so that no rule outlives its subject.
func TestRulesAreAboutSomething(t *testing.T) {
	all := packages(t)
	find := func(name string) *pkg {
		for i := range all {
			if all[i].name() == name {
				return &all[i]
			}
		}
		t.Fatalf("no package %s", name)
		return nil
	}
	for name, imports := range own {
		find(name)
		for _, each := range imports {
			find(each)
		}
	}
	for name := range never {
		find(name)
	}
	for prefix, who := range others {
		for _, name := range who {
			if !slices.ContainsFunc(find(name).Imports, func(path string) bool { return strings.HasPrefix(path, prefix) }) {
				t.Errorf("%s does not import %s", name, prefix)
			}
		}
	}
}

// budget is how many packages each function may reach: what it carries is what it starts
// with, and what has to be kept free of vulnerabilities.
var budget = map[string]int{
	"admission": 920, "functions/events": 920, "functions/readiness": 930, "functions/reconcile": 930, "functions/sweep": 930,
}

// TestFunctionsAreSmall holds the functions to their budget. docs/benchmarks.md has what they
// weigh, and how fast they start, which is measured and not tested.
func TestFunctionsAreSmall(t *testing.T) {
	for _, p := range packages(t) {
		most, listed := budget[p.name()]
		switch {
		case !listed && strings.HasPrefix(p.name(), "functions/") && p.product():
			t.Errorf("%s has no budget: give it one", p.name())
		case listed && len(p.Deps) > most:
			t.Errorf("%s reaches %d packages, at most %d are wanted", p.name(), len(p.Deps), most)
		}
	}
}

// TestAdmissionIsSmall: the webhook's process starts while an API server waits, and what it
// carries is what it starts with.
func TestAdmissionIsSmall(t *testing.T) {
	const maxBytes = 58 << 20
	if testing.Short() {
		t.Skip("builds a program")
	}
	t.Setenv("CGO_ENABLED", "0")
	program := filepath.Join(t.TempDir(), "admission")
	output(t, "build", "-ldflags=-s -w", "-o", program, "./test/sandbox/cmd/admission")
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBytes {
		t.Errorf("the program has %d bytes, at most %d are wanted", info.Size(), maxBytes)
	}
	t.Logf("%.1f MB", float64(info.Size())/1e6)
}

// TestControlPlaneStandsAlone: the control plane is a module of its own, and takes nothing
// from this one.
func TestControlPlaneStandsAlone(t *testing.T) {
	root := filepath.Join("..", "controlplane")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasSuffix(line, `"`) && strings.Contains(line, `"`+module) && !strings.Contains(line, module+"test/controlplane") {
				t.Errorf("%s: %s", path, line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDependenciesAreExplained: docs/dependencies.md names every direct dependency of
// go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(output(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	for _, r := range mod.Require {
		if !r.Indirect && !bytes.Contains(text, []byte("`"+r.Path+"`")) {
			t.Errorf("docs/dependencies.md does not say why %s is there", r.Path)
		}
	}
}
