// Package licenses finds the licences of the modules that ship: those whose packages the
// functions and the command link. It reads the module cache, and knows a licence by the
// sentences that make it one; a text that it does not know is an error and not a guess.
package licenses

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// shipped are the programs, and the platforms that they are built for.
var (
	shipped   = []string{"./cmd/negfleet", "./functions/...", "./admission"}
	platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}
)

// A Module is one that ships, with its licences.
type Module struct {
	Path, Version string
	Licences      []string // by SPDX identifier
	Files         []string // their texts, and notices that must go along
}

// Shipped lists the modules that ship of the repository at root, by path.
func Shipped(root string) ([]Module, error) {
	dirs := map[string]string{}
	for _, p := range platforms {
		if err := linked(root, p, dirs); err != nil {
			return nil, err
		}
	}
	var all []Module
	var errs []error
	for name, dir := range dirs {
		path, version, _ := strings.Cut(name, " ")
		m := Module{Path: path, Version: version}
		if err := m.read(dir); err != nil {
			errs = append(errs, err)
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return all, errors.Join(errs...)
}

// linked adds the modules that are linked on a platform, with their folders.
func linked(root, platform string, dirs map[string]string) error {
	system, machine, _ := strings.Cut(platform, "/")
	c := exec.Command("go", append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}"}, shipped...)...)
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+machine, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("go list: %w\n%s", err, errs.String())
	}
	for line := range strings.Lines(string(out)) {
		if name, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[name] = dir
		}
	}
	return nil
}

// read finds the licences in a module's folder.
func (m *Module) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		licence := strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING")
		if e.IsDir() || !licence && !strings.HasPrefix(name, "NOTICE") && !strings.HasPrefix(name, "PATENTS") {
			continue
		}
		file := filepath.Join(dir, e.Name())
		m.Files = append(m.Files, file)
		if !licence {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found := Classify(string(text))
		if len(found) == 0 {
			return fmt.Errorf("%s %s: %s is no licence that is known here: read it, and add it to test/licenses", m.Path, m.Version, e.Name())
		}
		for _, id := range found {
			if !slices.Contains(m.Licences, id) {
				m.Licences = append(m.Licences, id)
			}
		}
	}
	if len(m.Licences) == 0 {
		return fmt.Errorf("%s %s: no licence in its folder", m.Path, m.Version)
	}
	slices.Sort(m.Licences)
	return nil
}

// Classify names the licences that a text holds, by what each says that no other does.
func Classify(text string) []string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	var found []string
	if has("apache license") && has("version 2.0") {
		found = append(found, "Apache-2.0")
	}
	if has("permission is hereby granted, free of charge") {
		found = append(found, "MIT")
	}
	if has("mozilla public license") {
		found = append(found, "MPL-2.0")
	}
	if has("permission to use, copy, modify, and distribute") || has("permission to use, copy, modify, and/or distribute") {
		found = append(found, "ISC")
	}
	if has("gnu general public license") || has("gnu lesser general public license") {
		found = append(found, "GPL")
	}
	if has("redistribution and use in source and binary forms") {
		id := "BSD-2-Clause"
		if has("neither the name") {
			id = "BSD-3-Clause"
		}
		found = append(found, id)
	}
	return found
}

// Permissive are the licences that a module which ships may have.
var Permissive = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// Table writes docs/licenses.md.
func Table(w io.Writer, all []Module) error {
	_, err := fmt.Fprintf(w, `# Licences

Of the %d modules whose packages the functions and the command link, on Linux and macOS. Written by `+"`make licenses`"+` from the files in the modules themselves; a test holds it to `+"`go.mod`"+`. Their
texts go along with each [release](contributors/releasing.md), and in `+"`vendor/`"+` with each function. negfleet itself is under the [Apache-2.0](../LICENSE) licence.

| module | version | licence |
|---|---|---|
`, len(all))
	for _, m := range all {
		if err == nil {
			_, err = fmt.Fprintf(w, "| `%s` | %s | %s |\n", m.Path, m.Version, strings.Join(m.Licences, ", "))
		}
	}
	return err
}

// Texts writes the texts of all licences and notices.
func Texts(w io.Writer, all []Module) error {
	for _, m := range all {
		for _, file := range m.Files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "==== %s %s: %s\n\n%s\n\n", m.Path, m.Version, filepath.Base(file), text); err != nil {
				return err
			}
		}
	}
	return nil
}
