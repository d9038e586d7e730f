package stage

import (
	"bytes"
	"cmp"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/stage/tree"
)

const framework = "github.com/GoogleCloudPlatform/functions-framework-go"

// TestBuildpack: each tree is what the buildpack takes, and becomes a server that runs the
// function's own code.
func TestBuildpack(t *testing.T) {
	done := map[string]bool{}
	for _, f := range functions(t) {
		if done[f.Package] { // the same tree
			continue
		}
		done[f.Package] = true
		if testing.Short() && len(done) > 1 {
			continue // one tree is enough for the inner loop
		}
		t.Run(f.Name, func(t *testing.T) {
			dir := stage(t, f)
			holdsOnlyWhatIsLinked(t, dir, f)
			name := discover(t, dir)
			if testing.Short() {
				t.Skip("not built: -short")
			}
			binary := build(t, dir, name)
			info, err := os.Stat(binary)
			if err != nil {
				t.Fatal(err)
			}
			packages, err := tree.Packages(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("negfleet-%s: %d packages, a binary of %.1f MB", f.Name, packages, float64(info.Size())/1e6)
			unconfigured(t, binary, f)
			configured(t, binary, f)
		})
	}
}

// stage runs scripts/stage.
func stage(t *testing.T, f tree.Function) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "serverless_function_source_code")
	if err := tree.Stage(t.Context(), root, f.Name, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs the go command in a tree as a build without a network does.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := tree.Go(t.Context(), dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// holdsOnlyWhatIsLinked: the packages of this module in the tree are those that the function
// reaches, and beside Go sources nothing is there that was not asked for.
func holdsOnlyWhatIsLinked(t *testing.T, dir string, f tree.Function) {
	t.Helper()
	module := run(t, root, "list", "-m")
	want := map[string]bool{}
	for _, path := range strings.Fields(run(t, root, "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", "./"+f.Package)) {
		want[strings.TrimPrefix(path, module+"/")] = true
	}
	got := map[string]bool{}
	for _, file := range files(t, dir) {
		switch {
		case strings.HasSuffix(file, "_test.go"), strings.Contains(file, "testdata/"), strings.HasPrefix(filepath.Base(file), "go.work"):
			t.Errorf("%s is staged", file)
		case strings.HasPrefix(file, "vendor/"):
		case strings.HasSuffix(file, ".go") && strings.Contains(file, "/"):
			got[filepath.ToSlash(filepath.Dir(file))] = true
		case !slices.Contains([]string{".gcloudignore", "LICENSE", "function.go", "go.mod", "go.sum"}, file):
			t.Errorf("%s is staged", file)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("staged packages %v, linked %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// files lists a tree's files, from its root.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path) // both are below dir
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// discover finds the tree's package as the buildpack does: all Go files of the root,
// whatever their build tags, must be of one package. It returns the import path that the
// generated main uses.
func discover(t *testing.T, dir string) string {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, imports := "", map[string]bool{}
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if name = cmp.Or(name, file.Name.Name); file.Name.Name != name {
			t.Fatalf("multiple packages in the root: %s and %s", name, file.Name.Name)
		}
		for _, each := range file.Imports {
			imports[strings.Trim(each.Path.Value, `"`)] = true
		}
	}
	if name == "" || name == "main" {
		t.Fatalf("package %q in the root; want one that is not main", name)
	}
	// Without it the buildpack writes a main that calls an exported symbol.
	if !imports[framework+"/functions"] {
		t.Errorf("the root package imports %v, not the framework's functions", slices.Sorted(maps.Keys(imports)))
	}
	if _, err := os.Stat(filepath.Join(dir, "vendor", framework, "funcframework")); err != nil {
		t.Errorf("vendored dependencies must include funcframework: %v", err)
	}
	if version := run(t, dir, "list", "-m", "-f", "{{.Version}}", framework); version == "" {
		t.Error("go.mod does not name the framework")
	}
	module := run(t, dir, "list", "-m")
	if first, _, _ := strings.Cut(module, "/"); !strings.Contains(first, ".") {
		t.Errorf("module %s: the first element needs a dot", module)
	}
	return module
}

func build(t *testing.T, dir, path string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "main")
	if err := tree.Build(t.Context(), dir, path, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// unconfigured: the entry point is the function's own, which refuses to work without an
// environment and says what is missing.
func unconfigured(t *testing.T, binary string, f tree.Function) {
	t.Helper()
	url, stop := serve(t, binary, f)
	status := post(t, url)
	if log := stop(); status != http.StatusServiceUnavailable || !strings.Contains(log, "NEGFLEET_FLEET") {
		t.Errorf("without an environment: %d, want 503 and NEGFLEET_FLEET in the log:\n%s", status, log)
	}
}

const fleetFile = `version: 1
project: my-project
network: n
subnetwork: s
clusters:
- name: one
  uid: 87283654-ec2f-4d45-a6a2-9d879f3f4151
  connect: {gke: projects/my-project/locations/europe-west1/clusters/one}
`

// configured: a message that nobody can read is taken and dropped; an unknown path is not
// there. What is called on schedule would set out for the clusters.
func configured(t *testing.T, binary string, f tree.Function) {
	t.Helper()
	if strings.Contains(f.Receives, "schedule") {
		return
	}
	fleet := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(fleet, []byte(fleetFile), 0o600); err != nil {
		t.Fatal(err)
	}
	path, want := "/", http.StatusNoContent
	if f.Access == "public" {
		path, want = "/v1/one/wrong", http.StatusNotFound
	}
	url, stop := serve(t, binary, f, "NEGFLEET_FLEET="+fleet, "PUBSUB_PROJECT_ID=my-project", "NEGFLEET_CALLER_KEYS="+strings.Repeat("ab", 32),
		"PUBSUB_EMULATOR_HOST=127.0.0.1:1")
	status := post(t, url+path)
	if log := stop(); status != want {
		t.Errorf("no message, to %s: %d, want %d\n%s", path, status, want, log)
	}
}

// serve starts the binary as Cloud Run does and waits until it listens. stop ends it and
// returns what it logged.
func serve(t *testing.T, binary string, f tree.Function, env ...string) (url string, stop func() string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // only its number was wanted
	_, port, _ := net.SplitHostPort(address)

	var log bytes.Buffer
	c := exec.CommandContext(t.Context(), binary)
	c.Env = append([]string{"PORT=" + port, "FUNCTION_TARGET=" + f.Entry}, env...)
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceValue(func() string {
		_ = c.Process.Kill() // it serves until then
		_ = c.Wait()
		return log.String()
	})
	t.Cleanup(func() { stop() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return "http://" + address, stop
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v\n%s", f.Name, err, stop())
		}
	}
}

func post(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader("no message"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // the status is all that counts
	return answer.StatusCode
}
