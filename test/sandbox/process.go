//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A process is a child that dies with the sandbox, however that ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

// A launcher starts children from one thread that lives as long as the sandbox: the
// kernel sends a child its death signal when the thread that made it ends.
type launcher struct{ work chan func() }

func newLauncher() *launcher {
	l := &launcher{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range l.work {
			f()
		}
	}()
	return l
}

// start runs argv with env added to the sandbox's own environment, its output in a log.
func (l *launcher) start(logDir, name string, env map[string]string, argv ...string) (*process, error) {
	out, err := os.Create(filepath.Join(logDir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	started := make(chan error)
	l.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: out.Name(), done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop asks the process to end, and kills it when it does not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// peakRSS is the most memory that the process held, in bytes, while it runs.
func (p *process) peakRSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %s: no VmHWM", p.name)
}

// failed is why the process is of no use, with the end of its log.
func (p *process) failed(why string) error {
	tail, _ := os.ReadFile(p.log)
	if len(tail) > 2000 {
		tail = tail[len(tail)-2000:]
	}
	return fmt.Errorf("%s: %s; the end of %s:\n%s", p.name, why, p.log, tail)
}

// poll is how often the sandbox asks whether something is ready.
const poll = 20 * time.Millisecond

// until waits for ready, for the end of the process, or for ctx.
func (p *process) until(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !ready() {
		select {
		case <-p.done:
			return p.failed(fmt.Sprintf("ended: %v", p.err))
		case <-ctx.Done():
			return p.failed("not ready in time")
		case <-tick.C:
		}
	}
	return nil
}

// accepts tells whether something listens at addr.
func accepts(addr string) func() bool {
	return func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	}
}

// Ports are taken from below those that Linux gives to outgoing connections (32768 and up):
// one of these could have the port before the process that it is meant for.
const firstPort, lastPort = 20000, 32767

// freePort is a port of the loopback address that nobody listens on.
func freePort() (string, error) {
	var err error
	for range 100 {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort+1))
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port from %d to %d: %w", firstPort, lastPort, err)
}
