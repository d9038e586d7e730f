package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

const (
	lockFile = "lock"
	// octetPort is bound at 127.N.255.254, which no Pod and no node can have
	// as its twin, by the cluster that owns octet N.
	octetPort = 10264
	// lockPatience covers the moment between the death of a supervisor and
	// that of its children.
	lockPatience = 3 * time.Second
)

// claims is what a live cluster holds against others. The kernel lets go of
// all of it when the process dies.
type claims struct {
	lock  *os.File
	octet net.Listener
	port  *os.File
}

func (c *cluster) release() {
	if c.claims.octet != nil {
		_ = c.claims.octet.Close()
	}
	for _, f := range []*os.File{c.claims.port, c.claims.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// claimDir locks a directory and empties it.
func claimDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory %s: create: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("directory %s: list: %w", dir, err)
	}
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); len(entries) > 0 && err != nil {
		return nil, fmt.Errorf("directory %s: holds files but no cluster; choose another", dir)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("directory %s: open lock: %w", dir, err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("directory %s: in use by a running cluster: %w", dir, err)
	}
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return nil, errors.Join(fmt.Errorf("directory %s: empty: %w", dir, err), f.Close())
		}
	}
	return f, nil
}

func lock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// claimOctet takes the octet that was asked for, or with 0 the first free one.
func claimOctet(want int) (net.Listener, int, error) {
	first, last := want, want
	if want == 0 {
		first, last = layout.MinOctet, layout.MaxOctet
	}
	for n := first; n <= last; n++ {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.%d.255.254:%d", n, octetPort))
		if err == nil {
			return l, n, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, 0, fmt.Errorf("pod octet %d: claim: %w", n, err)
		}
	}
	if want == 0 {
		return nil, 0, errors.New("pod octet: every one is taken")
	}
	return nil, 0, fmt.Errorf("pod octet %d: another cluster has it", want)
}

// claimPort reserves a port for the API server without a race: it is bound
// here and never listened on, and the API server binds it a second time.
func claimPort(want int) (*os.File, int, error) {
	if want != 0 {
		// A port that is shared already must not be shared by a third.
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(want)))
		if err != nil {
			return nil, 0, fmt.Errorf("api port %d: claim: %w", want, err)
		}
		l.Close()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("api port: make socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "api-port")
	port, err := bindShared(fd, want)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("api port %d: claim: %w", want, err), f.Close())
	}
	return f, port, nil
}

func bindShared(fd, port int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return name.(*unix.SockaddrInet4).Port, nil
}
