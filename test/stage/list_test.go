package stage

import (
	"path/filepath"
	"testing"

	"github.com/negfleet/negfleet/test/stage/tree"
)

const root = "../.."

// functions reads infra/functions.list.
func functions(t *testing.T) []tree.Function {
	t.Helper()
	list, err := tree.Functions(root)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestEachFunctionIsListed: what registers with the framework is deployed.
func TestEachFunctionIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, f := range functions(t) {
		listed[f.Package] = true
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
