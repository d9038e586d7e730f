//go:build linux

package sandbox_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/sandbox"
)

// byHand is the block of the README that begins with sourcing the sandbox's environment.
func byHand(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(data), "\n```\n. .sandbox/env\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatal("the README has no block that begins with . .sandbox/env")
	}
	var lines []string
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// checkReadme runs the README's commands for a second terminal as they stand, in a sandbox of
// another folder. What the last of them says is what the README says that it says, once the
// groups are there.
func checkReadme(t *testing.T, w *sandbox.World) {
	bin, err := filepath.Abs(os.Getenv("NEGFLEET_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(line string) (string, error) {
		if _, err := exec.LookPath(strings.Fields(line)[0]); err != nil && !strings.HasPrefix(line, ".sandbox/") {
			t.Logf("not installed, so not run: %s", line)
			return "", nil
		}
		line = strings.Replace(line, ".sandbox/bin/", bin+"/", 1)
		c := exec.CommandContext(t.Context(), "bash", "-c", `. "$1" && eval "$2"`, "-", w.Dir.Path("env"), line)
		c.Dir = "../.."
		out, err := c.CombinedOutput()
		return string(out), err
	}
	lines := byHand(t)
	for _, line := range lines[:len(lines)-1] {
		out, err := run(line)
		if err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	last := lines[len(lines)-1]
	if _, err := exec.LookPath("kubectl"); err != nil {
		return // nothing was applied
	}
	command, says, _ := strings.Cut(last, "#")
	says = strings.Trim(strings.TrimSpace(says), `"`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := run(strings.TrimSpace(command))
		if err == nil && strings.Contains(out, says) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it should say %q: %v\n%s", command, says, err, out)
		case <-tick.C:
		}
	}
}
