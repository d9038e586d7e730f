// Package docs holds the documentation against the repository: links lead somewhere, and
// what the code reads, refuses or depends on is described.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// pages are the Markdown files, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(file string) {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(data)
	}
	for _, file := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "test/controlplane/README.md"} {
		add(file)
	}
	for _, file := range files(t, "docs", ".md") {
		add(file)
	}
	return all
}

// files lists the files under dir whose names end so, by path from the root.
func files(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			rel, _ := filepath.Rel(root, path) // both are below root
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// anchors are the names that GitHub gives a page's headings.
func anchors(page string) []string {
	var list []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		text := link.ReplaceAllString(m[1], "]")
		list = append(list, strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(text), ""), " ", "-"))
	}
	return list
}

func TestLinks(t *testing.T) {
	all := pages(t)
	for name, page := range all {
		text := code.ReplaceAllString(fence.ReplaceAllString(page, ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if problem := follow(all, name, m[1]); problem != "" {
				t.Errorf("%s: link %s: %s", name, m[1], problem)
			}
		}
	}
}

// follow says what is wrong with a relative link.
func follow(all map[string]string, from, target string) string {
	path, anchor, _ := strings.Cut(target, "#")
	file := from
	if path != "" {
		file = filepath.Join(filepath.Dir(from), path)
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		return "no such file"
	}
	if anchor != "" && !slices.Contains(anchors(all[file]), anchor) {
		return fmt.Sprintf("no such heading; there are %q", anchors(all[file]))
	}
	return ""
}

// mentioned reports what is not on any of the pages, in backquotes or otherwise whole.
func mentioned(t *testing.T, what string, names []string, texts ...string) {
	t.Helper()
	if len(names) == 0 {
		t.Fatalf("found no %s at all", what)
	}
	for _, name := range names {
		whole := regexp.MustCompile(`(^|[^A-Za-z0-9_])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9_])`)
		if !slices.ContainsFunc(texts, whole.MatchString) {
			t.Errorf("%s %s is not documented", what, name)
		}
	}
}

// matches collects the first group of each match in the product's sources.
func matches(t *testing.T, list []string, patterns ...string) []string {
	t.Helper()
	var found []string
	for _, file := range list {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text := read(t, file)
		for _, p := range patterns {
			for _, m := range regexp.MustCompile(p).FindAllStringSubmatch(text, -1) {
				found = append(found, m[1])
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestVariables(t *testing.T) {
	var list []string
	for _, dir := range []string{"admission", "cmd", "functions", "shared", "test"} {
		list = append(list, files(t, dir, ".go")...)
	}
	list = append(append(list, files(t, "scripts", "")...), "Makefile")
	var texts []string
	for name, page := range pages(t) {
		if strings.HasPrefix(name, "docs/") {
			texts = append(texts, page)
		}
	}
	mentioned(t, "variable", matches(t, list, `\b(NEGFLEET_[A-Z][A-Z_]*[A-Z])\b`), texts...)
}

func TestReasons(t *testing.T) {
	list := append(files(t, "shared", ".go"), files(t, "functions", ".go")...)
	reasons := matches(t, list,
		`\bBlock\("([A-Z]\w+)"`, `\bProblem\{"([A-Z]\w+)"`, `\bfail\("([A-Z]\w+)"`, `\bReason: +"([A-Z]\w+)"`,
		`"reason", "([A-Z]\w+)"`, `\bReason[A-Z]\w* *= "([A-Z]\w+)"`)
	reasons = append(reasons, matches(t, []string{"shared/gce/retry.go"}, `(?m)^\t[a-zA-Z]+: +"([A-Z]\w+)",$`)...)
	mentioned(t, "reason", reasons, read(t, "docs/operators/events-and-outcomes.md"))
	missed := matches(t, files(t, "admission", ".go"), `\bBlock\("([A-Z]\w+)"`, `\bReason[A-Z]\w* *= "([A-Z]\w+)"`, `Missed = "([A-Z]\w+)"`)
	mentioned(t, "reason", missed, read(t, "docs/operators/admission.md"))
}

func TestDependencies(t *testing.T) {
	direct := matches(t, []string{"go.mod", "test/controlplane/go.mod", "test/conformance/cloudprovider/go.mod", "test/fakegce/browser/go.mod", "test/infra/stubprovider/go.mod"}, `(?m)^\t(\S+\.\S+/\S+) v[^ \n]+$`)
	// A tool is a package; its module is required beside it.
	for _, file := range []string{"test/lint/go.mod", "test/supply/go.mod"} {
		for _, tool := range matches(t, []string{file}, `(?m)^(?:tool |\t)(\S+/cmd/\S+)$`) {
			for _, module := range matches(t, []string{file}, `(?m)^\t(\S+) v\S+ // indirect$`) {
				if strings.HasPrefix(tool, module+"/") {
					direct = append(direct, module)
				}
			}
		}
	}
	mentioned(t, "dependency", direct, read(t, "docs/dependencies.md"))
}

// TestCommandPage: every command and each of its variables is on the page about them.
func TestCommandPage(t *testing.T) {
	page, source := read(t, "docs/operators/commands.md"), []string{"cmd/negfleet/main.go"}
	commands := matches(t, source, `(?m)^\tcase "([a-z]+)":$`)
	for i, command := range commands {
		commands[i] = "negfleet " + command
	}
	mentioned(t, "command", commands, page)
	mentioned(t, "variable", matches(t, source, `(?m)^  ([A-Z][A-Z_]+) {2,}`), page)
}

// TestRightsPage: every role that is shipped is on the page about rights.
func TestRightsPage(t *testing.T) {
	var names []string
	for _, file := range append(files(t, "infra/rbac", ".yaml"), files(t, "infra/roles", ".yaml")...) {
		names = append(names, filepath.Base(file))
	}
	mentioned(t, "role", names, read(t, "docs/operators/functions.md"))
}

func TestMakeTargets(t *testing.T) {
	targets := matches(t, []string{"Makefile"}, `(?m)^([a-z-]+):.*## `)
	for i, target := range targets {
		targets[i] = "make " + target
	}
	mentioned(t, "target", targets, read(t, "docs/contributors/building.md"))
}

// TestCommands: what the CI script runs is what the README says.
func TestCommands(t *testing.T) {
	commands := matches(t, []string{".ci/run"}, `(?m)^(make \w+)$`)
	mentioned(t, "command", commands, read(t, "README.md"))
}
