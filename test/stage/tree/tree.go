// Package tree makes a function of infra/functions.list as a deployment does: scripts/stage
// puts its sources together, and the Go buildpack's steps make a program of them, without a
// network. The test of staging and the benchmarks use it.
package tree

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Function is a line of infra/functions.list.
type Function struct{ Name, Package, Entry, Receives, Access string }

// Functions reads infra/functions.list of the repository at root.
func Functions(root string) ([]Function, error) {
	data, err := os.ReadFile(filepath.Join(root, "infra", "functions.list"))
	if err != nil {
		return nil, err
	}
	var list []Function
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 12 {
			return nil, fmt.Errorf("infra/functions.list: %d words, want 12: %s", len(words), line)
		}
		list = append(list, Function{words[0], words[1], words[2], words[3], words[5]})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("infra/functions.list names no function")
	}
	return list, nil
}

// Stage runs scripts/stage of the repository at root.
func Stage(ctx context.Context, root, name, dir string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(root, "scripts", "stage"), name, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("scripts/stage %s: %w\n%s", name, err, out)
	}
	return nil
}

// Go runs the go command in a tree as a build without a network does.
func Go(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// The buildpack's main for functions that register themselves; it calls Start, which listens
// on every address.
const mainSource = `package main

import (
	"log"
	"os"

	_ %q
	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

func main() {
	port := "8080"
	if envPort := os.Getenv("PORT"); envPort != "" {
		port = envPort
	}
	if err := funcframework.StartHostPort("127.0.0.1", port); err != nil {
		log.Fatalf("funcframework.Start: %%v\n", err)
	}
}
`

// Main is the package of the main that Build writes, from the tree's root.
const Main = "./functions.local/app"

// Build writes the main, which imports the package at path, and builds it into program. The
// buildpack does not give -trimpath; here it lets the trees share the build cache.
func Build(ctx context.Context, tree, path, program string) error {
	dir := filepath.Join(tree, filepath.FromSlash(Main))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), fmt.Appendf(nil, mainSource, path), 0o644); err != nil {
		return err
	}
	_, err := Go(ctx, tree, "build", "-trimpath", "-ldflags=-s -w", "-o", program, Main)
	return err
}

// Packages is how many packages a built tree's program links.
func Packages(ctx context.Context, tree string) (int, error) {
	list, err := Go(ctx, tree, "list", "-deps", Main)
	return strings.Count(list, "\n") + 1, err
}
