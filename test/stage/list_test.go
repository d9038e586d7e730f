package stage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// A function is a line of infra/functions.list.
type function struct{ name, pkg, entry, receives, access string }

// functions reads infra/functions.list.
func functions(t *testing.T) []function {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "infra", "functions.list"))
	if err != nil {
		t.Fatal(err)
	}
	var list []function
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 12 {
			t.Fatalf("infra/functions.list: %d words, want 12: %s", len(words), line)
		}
		list = append(list, function{words[0], words[1], words[2], words[3], words[5]})
	}
	if len(list) == 0 {
		t.Fatal("infra/functions.list names no function")
	}
	return list
}

// TestEachFunctionIsListed: what registers with the framework is deployed.
func TestEachFunctionIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, f := range functions(t) {
		listed[f.pkg] = true
	}
	dirs, err := filepath.Glob(filepath.Join(root, "functions", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(dirs, filepath.Join(root, "admission")) {
		if pkg, _ := filepath.Rel(root, dir); !listed[filepath.ToSlash(pkg)] {
			t.Errorf("%s is in no line of infra/functions.list", pkg)
		}
	}
}
