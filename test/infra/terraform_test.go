package infra

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// build makes the program that stands in for the providers, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "negfleet-stubprovider")
	if err != nil {
		return "", err
	}
	stub := filepath.Join(dir, "stubprovider")
	c := exec.Command("go", "build", "-C", "stubprovider", "-o", stub, ".")
	c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if out, err := c.CombinedOutput(); err != nil {
		return dir, trouble("build stubprovider", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built {
		if dir, _ := build(); dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

var built bool

// stubprovider is the path of that program.
func stubprovider(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a program of another module; skipped by -short")
	}
	built = true
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "stubprovider")
}

// installed is the path of terraform.
func installed(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed; TestWithoutTerraform reads the same files")
	}
	return path
}

// A workspace is a copy of infra/ and of what it reads, where Terraform may leave things.
type workspace struct {
	t   *testing.T
	dir string // of the copy
	env []string
}

// newWorkspace is ready for each folder of infra/ to be initialised.
func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	terraform := installed(t)
	stub := stubprovider(t)
	w := &workspace{t: t, dir: t.TempDir()}
	w.copy("infra")
	for _, name := range functions {
		// What make stage puts there is not compiled here.
		w.write("build/stage/"+name+"/function.go", "package function\n")
	}
	mirror := filepath.Join(w.dir, "mirror")
	for name, version := range map[string]string{"google": "7.46.0", "archive": "2.7.0", "random": "3.7.2"} {
		dir := filepath.Join(mirror, "registry.terraform.io", "hashicorp", name, version, runtime.GOOS+"_"+runtime.GOARCH)
		w.check(os.MkdirAll(dir, 0o755))
		w.check(os.Symlink(stub, filepath.Join(dir, "terraform-provider-"+name)))
	}
	w.write("terraformrc", "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = \""+mirror+"\"\n  }\n}\n")
	// The one program that Terraform itself runs says what it was told.
	w.write("bin/gcloud", "#!/bin/sh\necho \"gcloud $*\" >>\""+filepath.Join(w.dir, "gcloud.log")+"\"\n")
	w.check(os.Chmod(filepath.Join(w.dir, "bin", "gcloud"), 0o755))
	w.env = []string{
		"PATH=" + filepath.Join(w.dir, "bin") + ":" + filepath.Dir(terraform) + ":/usr/bin:/bin", "HOME=" + w.dir,
		"TF_CLI_CONFIG_FILE=" + filepath.Join(w.dir, "terraformrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
	}
	return w
}

// functions are those that there is a file for.
var functions = []string{"events", "audit", "reconcile", "readiness", "admission", "sweep"}

func (w *workspace) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) copy(dir string) {
	w.t.Helper()
	w.check(os.CopyFS(filepath.Join(w.dir, dir), os.DirFS(filepath.Join(root, dir))))
	// What somebody's own run has left is no part of it.
	for _, pattern := range []string{"*/.terraform*", "*/*/.terraform*", "*/*/*/.terraform*", "*/terraform.tfstate*"} {
		left, err := filepath.Glob(filepath.Join(w.dir, pattern))
		w.check(err)
		for _, path := range left {
			w.check(os.RemoveAll(path))
		}
	}
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.check(os.MkdirAll(filepath.Dir(path), 0o755))
	w.check(os.WriteFile(path, []byte(text), 0o644))
}

// try runs terraform in a folder.
func (w *workspace) try(dir string, args ...string) (string, error) {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), "terraform", args...)
	c.Path = installed(w.t)
	c.Dir, c.Env = filepath.Join(w.dir, dir), w.env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), trouble("terraform "+strings.Join(args, " "), err, errs.Bytes())
	}
	return out.String(), nil
}

func (w *workspace) run(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.try(dir, args...)
	w.check(err)
	return out
}

// trouble is one error of a command that failed and of what it said.
func trouble(what string, err error, said []byte) error { return failed{what, err, string(said)} }

type failed struct {
	what string
	err  error
	said string
}

func (f failed) Error() string { return f.what + ": " + f.err.Error() + "\n" + f.said }

func (w *workspace) settings(values map[string]any) {
	w.t.Helper()
	data, err := json.Marshal(values)
	w.check(err)
	w.write("infra/settings.auto.tfvars.json", string(data))
}

// applied is the state after Terraform has made everything, as it prints it.
func (w *workspace) applied() []resource {
	w.t.Helper()
	w.run("infra", "init", "-no-color", "-input=false")
	w.run("infra", "apply", "-no-color", "-input=false", "-auto-approve")
	return w.state("infra")
}

// A resource is one of the state.
type resource struct {
	Address string         `json:"address"`
	Mode    string         `json:"mode"`
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Index   any            `json:"index"`
	Values  map[string]any `json:"values"`
}

func (w *workspace) state(dir string) []resource {
	w.t.Helper()
	type module struct {
		Resources []resource `json:"resources"`
		Modules   []module   `json:"child_modules"`
	}
	var state struct {
		Values struct {
			Root module `json:"root_module"`
		} `json:"values"`
	}
	w.check(json.Unmarshal([]byte(w.run(dir, "show", "-json")), &state))
	var all []resource
	var walk func(module)
	walk = func(m module) {
		all = append(all, m.Resources...)
		for _, child := range m.Modules {
			walk(child)
		}
	}
	walk(state.Values.Root)
	if len(all) == 0 {
		w.t.Fatal("there is nothing in the state")
	}
	return all
}
