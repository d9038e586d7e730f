package infra

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folders are those with a configuration, from the root.
func folders(t *testing.T) []string {
	t.Helper()
	all := []string{"infra"}
	files, err := filepath.Glob(filepath.Join(root, "infra", "examples", "*", "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		all = append(all, "infra/examples/"+filepath.Base(filepath.Dir(file)))
	}
	return all
}

// examples are the folders of infra/examples that make a deployment, by name.
func examples(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range folders(t)[1:] {
		if strings.Contains(text(t, dir+"/main.tf"), `source = "../.."`) {
			names = append(names, filepath.Base(dir))
		}
	}
	if len(names) < 3 {
		t.Fatalf("there are examples %v; want one project, a Shared VPC, several projects", names)
	}
	return names
}

func TestFormat(t *testing.T) {
	c := exec.CommandContext(t.Context(), installed(t), "fmt", "-check", "-recursive", "-diff", filepath.Join(root, "infra"))
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir()}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: run terraform fmt -recursive infra\n%s", err, out)
	}
}

// TestValidate: Terraform finds nothing wrong with the folder of the deployment and with those of
// the examples, and can plan these as they stand.
func TestValidate(t *testing.T) {
	w := newWorkspace(t)
	for _, dir := range folders(t) {
		w.run(dir, "init", "-no-color", "-input=false")
		w.run(dir, "validate", "-no-color")
		if slices.Contains(examples(t), filepath.Base(dir)) {
			w.run(dir, "plan", "-no-color", "-input=false")
		}
	}
}

// TestWithoutTerraform: what hcl alone can tell of the same folders. Nothing is skipped where
// no Terraform is installed.
func TestWithoutTerraform(t *testing.T) {
	args := []string{"check"}
	for _, dir := range folders(t) {
		args = append(args, filepath.Join(root, dir))
	}
	if out, err := exec.CommandContext(t.Context(), stubprovider(t), args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
