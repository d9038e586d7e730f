//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// SetEntry gives a cluster's entry in every fleet file these further lines, as an operator
// does who edits the file and deploys it. The functions see it within ten seconds.
func (w *World) SetEntry(cluster string, lines ...string) error {
	w.entries[cluster] = lines
	return w.writeFleetFiles()
}

// Negfleet runs the operator's command as an operator would, and returns what it printed and
// its exit status.
func (w *World) Negfleet(ctx context.Context, args ...string) (out, errs string, code int, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(w.opts.Bin, "negfleet"), args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &o, &e, os.Environ()
	for name, value := range w.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return o.String(), e.String(), exit.ExitCode(), nil
	}
	if err != nil {
		err = fmt.Errorf("negfleet %v: %w", args, err)
	}
	return o.String(), e.String(), 0, err
}
