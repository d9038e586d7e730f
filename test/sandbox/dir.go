//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// A Dir is the folder that one sandbox owns while it runs.
type Dir struct {
	path string
	lock *os.File
}

// OpenDir takes the folder at path and empties what an earlier sandbox left there. A
// folder that a live sandbox owns is refused.
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("sandbox folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sandbox folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("a sandbox is running in %s; stop it, or give another folder: make sandbox DIR=OTHER", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	d := &Dir{path: path, lock: lock}
	for _, name := range []string{"env", "log", "fleet", "cluster", "gcloud", "run", "kubeconfig"} {
		if err := os.RemoveAll(d.Path(name)); err != nil {
			return nil, fmt.Errorf("empty %s: %w", d.Path(name), err)
		}
	}
	for _, name := range []string{"log", "fleet", "cluster", "gcloud", "run"} {
		if err := os.MkdirAll(d.Path(name), 0o755); err != nil {
			return nil, fmt.Errorf("sandbox folder: %w", err)
		}
	}
	return d, nil
}

// Path joins names to the folder's path.
func (d *Dir) Path(names ...string) string {
	return filepath.Join(append([]string{d.path}, names...)...)
}

// WriteEnv writes the file that a person sources. It comes last and whole, so that a
// script may wait for it.
func (d *Dir) WriteEnv(env map[string]string) error {
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return writeFile(d.Path("env"), []byte(b.String()))
}

// Close takes the env file away and gives the folder up.
func (d *Dir) Close() error {
	err := os.Remove(d.Path("env"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.lock.Close())
}

// writeFile writes a file whole, by rename.
func writeFile(path string, data []byte) error {
	draft := path + ".new"
	if err := os.WriteFile(draft, data, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
