package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	stopTimeout = 4 * time.Second
	tailLines   = 15
)

// child is one process of the cluster.
type child struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; valid after done
}

// launch starts a child. It runs in its own process group, so that Ctrl-C in
// a terminal reaches the supervisor alone and the order of stopping holds; it
// dies with the supervisor whatever happens; and it holds the directory's
// lock, so that the directory is in use until the last of them is gone.
func (c *cluster) launch(name string, flags []string) error {
	log := c.path("log", name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("%s: open log: %w", name, err)
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%s: find own binary: %w", name, err)
	}
	cmd := exec.Command(self, append([]string{name}, flags...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Dir, out, out
	cmd.ExtraFiles = []*os.File{c.claims.lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: start: %w", name, err)
	}
	ch := &child{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		ch.err = cmd.Wait()
		close(ch.done)
		c.ended <- ch
	}()
	c.children = append(c.children, ch)
	return nil
}

// stop ends the children, last started first, each with a moment to finish.
func (c *cluster) stop() {
	_ = os.Remove(c.path(readyFile))
	for _, ch := range slices.Backward(c.children) {
		_ = ch.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ch.done:
		case <-time.After(stopTimeout):
			_ = ch.cmd.Process.Kill()
			<-ch.done
		}
	}
}

// failure says that a child ended which should not have.
func (ch *child) failure() error {
	how := "exited"
	if ch.err != nil {
		how = ch.err.Error()
	}
	return fmt.Errorf("%s ended: %s%s", ch.name, how, tail(ch.log))
}

// tails shows the end of every log, for the case that nobody knows who is to
// blame.
func (c *cluster) tails() string {
	var b strings.Builder
	for _, ch := range c.children {
		b.WriteString(tail(ch.log))
	}
	return b.String()
}

func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("\n--- end of %s\n%s", filepath.Base(path), strings.Join(lines, "\n"))
}
