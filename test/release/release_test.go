package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// run runs a script of a tree.
func run(t *testing.T, tree string, env []string, name string, args ...string) (out, errs string, status int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join("scripts", name), args...)
	c.Dir, c.Env = tree, append(os.Environ(), env...)
	var o, e strings.Builder
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), status
}

// copied is a copy of what the command is built from, in a folder of its own.
func copied(t *testing.T) string {
	t.Helper()
	tree := t.TempDir()
	c := exec.CommandContext(t.Context(), "cp", "-r", "go.mod", "go.sum", "CHANGELOG.md", "scripts", "cmd", "admission", "infra", "shared", tree)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return tree
}

// TestReproducible: the same sources, in two folders, give the same bytes; another version
// gives others, so that the comparison is about something.
func TestReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command three times; skipped by -short")
	}
	build := func(tree, version string) string {
		out, errs, status := run(t, tree, []string{"COMMIT=0123abc"}, "build-release", version, filepath.Join(tree, "out"))
		if status != 0 {
			t.Fatal(errs)
		}
		data, err := os.ReadFile(strings.TrimSpace(out))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{tree, os.Getenv("HOME") + "/"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("the program names %s", secret)
			}
		}
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	one, other := copied(t), copied(t)
	first := build(one, "v1.2.3")
	if again := build(other, "v1.2.3"); again != first {
		t.Errorf("built in another folder it is another program: %s, %s", first, again)
	}
	if next := build(one, "v1.2.4"); next == first {
		t.Error("another version is the same program")
	}
	said, err := exec.CommandContext(t.Context(), filepath.Join(one, "out", "negfleet_v1.2.3_linux_amd64"), "version", "--json").Output()
	if err != nil {
		t.Skipf("this is no linux/amd64: %v", err)
	}
	var v struct{ Version, Commit string }
	if err := json.Unmarshal(said, &v); err != nil || v.Version != "v1.2.3" || v.Commit != "0123abc" {
		t.Errorf("%s, %v", said, err)
	}
}

// TestNotes: a release without notes is none.
func TestNotes(t *testing.T) {
	tree := copied(t)
	const changelog = "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.3 - 2026-12-01\n\n### Added\n\n- a thing\n\n## 1.2.2 - 2026-11-01\n\n- an older thing\n\n## 1.2.1 - 2026-10-01\n"
	if err := os.WriteFile(filepath.Join(tree, "CHANGELOG.md"), []byte(changelog), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := run(t, tree, nil, "release-notes", "v1.2.3"); status != 0 || out != "### Added\n\n- a thing\n" {
		t.Errorf("%d: %q %s", status, out, errs)
	}
	for _, version := range []string{"v1.2.1", "v1.2.9", "v1.2"} {
		if out, errs, status := run(t, tree, nil, "release-notes", version); status == 0 || !strings.Contains(errs, "CHANGELOG.md has no section") {
			t.Errorf("%s: %d, %q, %q", version, status, out, errs)
		}
		if _, errs, status := run(t, tree, nil, "release", version); status == 0 || !strings.Contains(errs, "CHANGELOG.md has no section") {
			t.Errorf("release %s: %d, %q", version, status, errs)
		}
	}
	if _, errs, status := run(t, tree, nil, "build-release", "1.2.3", tree); status != 2 || !strings.Contains(errs, "want one such as v1.2.3") {
		t.Errorf("%d, %q", status, errs)
	}
}

// TestVulncheck runs govulncheck on a database of one made-up entry, about a function that the
// command does reach: it is found, explained when it is explained, and a database that does
// not answer is no clean bill.
func TestVulncheck(t *testing.T) {
	if testing.Short() {
		t.Skip("builds govulncheck and loads all that ships; skipped by -short")
	}
	database, err := filepath.Abs("testdata/vulndb")
	if err != nil {
		t.Fatal(err)
	}
	explained := filepath.Join(t.TempDir(), "explained")
	write := func(text string) {
		if err := os.WriteFile(explained, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"VULNDB=file://" + database, "VULNCHECK_EXPLAINED=" + explained}
	write("# nothing\n")
	if out, errs, status := run(t, root, env, "vulncheck"); status != 1 || !strings.Contains(errs, "GO-2099-0001 is reached and not explained") {
		t.Errorf("found: %d, %s%s", status, out, errs)
	}
	write("GO-2099-0001 made up for a test\n")
	if out, errs, status := run(t, root, env, "vulncheck"); status != 0 || !strings.Contains(out, "explained: GO-2099-0001 made up") {
		t.Errorf("explained: %d, %s%s", status, out, errs)
	}
	if _, errs, status := run(t, root, []string{"VULNDB=http://127.0.0.1:1"}, "vulncheck"); status != 2 || !strings.Contains(errs, "nothing was checked") {
		t.Errorf("no answer: %d, %s", status, errs)
	}
}

var (
	uses   = regexp.MustCompile(`(?m)^\s*-? ?uses: (\S+)(.*)$`)
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	making = regexp.MustCompile(`\bmake ([a-z-]+)`)
	target = regexp.MustCompile(`(?m)^([a-z-]+):.*## `)
)

// TestWorkflows: each calls make targets that there are, uses actions by their commit, with the
// release beside it, and has no more rights than it says.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		called := making.FindAllStringSubmatch(text, -1)
		if len(called) == 0 {
			t.Errorf("%s calls no make target", file)
		}
		for _, m := range called {
			if !slices.Contains(targets, m[1]) {
				t.Errorf("%s: make %s: there is no such target", file, m[1])
			}
		}
		for _, m := range uses.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(m[1]) || !regexp.MustCompile(`# v\d+\.\d+\.\d+`).MatchString(m[2]) {
				t.Errorf("%s: %s%s: want a commit, and its release beside it", file, m[1], m[2])
			}
		}
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s does not begin with the right to read alone", file)
		}
	}
}
