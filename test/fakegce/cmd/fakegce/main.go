// Command fakegce serves a Compute Engine API in memory. See package fakegce
// for what it does and for the switches.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/health"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fakegce:", err)
		os.Exit(1)
	}
}

type settings struct {
	listen, addrFile, stateFile string
	manualClock                 bool
	fakegce.Options
}

// flags is the command line: where it serves, then how time passes, what the switches are,
// and how endpoints are probed.
func flags(c *settings) *flag.FlagSet {
	fs := flag.NewFlagSet("fakegce", flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:9080", "address to serve on")
	fs.StringVar(&c.addrFile, "addr-file", "", "write the real address to this `file` when ready")
	fs.StringVar(&c.stateFile, "state", "", "keep everything in this `file`, and begin with what is in it")
	fs.BoolVar(&c.manualClock, "manual-clock", false, "a clock that moves by POST /_emu/clock alone")
	operationFlags(fs, c)
	switchFlags(fs, c)
	healthFlags(fs, c)
	return fs
}

func operationFlags(fs *flag.FlagSet, c *settings) {
	fs.DurationVar(&c.OpLatency, "op-latency", 0, "how long operations take")
	fs.DurationVar(&c.OpJitter, "op-jitter", 0, "most that is added to op-latency, evenly")
	choice(fs, &c.CommitAt, "commit-at", "when a mutation is visible", "done", "accept")
	choice(fs, &c.RequestIDReuse, "request-id-reuse", "a request id seen with another request", "replay", "conflict")
	fs.DurationVar(&c.RequestIDWindow, "request-id-window", time.Hour, "how long request ids are remembered")
	fs.DurationVar(&c.Retention, "retention", 14*24*time.Hour, "how long finished operations are kept")
}

func switchFlags(fs *flag.FlagSet, c *settings) {
	choice(fs, &c.AttachExisting, "attach-existing", "attaching what is attached", fakegce.Invalid, fakegce.NotFound, fakegce.Idempotent)
	choice(fs, &c.DetachAbsent, "detach-absent", "detaching what is not there", fakegce.NotFound, fakegce.Invalid, fakegce.Idempotent)
	choice(fs, &c.InstanceEcho, "instance-echo", "how listings name instances", "url", "name")
	fs.DurationVar(&c.ListLag, "list-lag", 0, "how far lists are behind what get shows")
	fs.BoolVar(&c.RejectOverlap, "reject-overlap", false, "400 resourceNotReady for a second mutation of a group in flight")
	c.Quota = map[string]int{}
	fs.Func("quota", "most resources of a metric, `METRIC=LIMIT`; may be repeated", func(v string) error { return fakegce.ParseQuota(c.Quota, v) })
	choice(fs, &c.MissingFingerprint, "missing-fingerprint", "a patch or an update without one", "required", "conditionNotMet", "optional")
	fs.Func("deny-permission", "a `permission` the caller lacks, as in compute.networks.use; may be repeated", func(v string) error {
		denied, err := fakegce.ParsePermission(v)
		c.DeniedPermissions = append(c.DeniedPermissions, denied)
		return err
	})
	fs.Func("rate-quota", "calls per minute of groups of methods, `group=calls,...`", func(v string) (err error) {
		c.RateQuota, err = fakegce.ParseRateQuota(v)
		return err
	})
	choice(fs, &c.Texts, "texts", "words of refusals that nobody has documented", "likely", "other")
	choice(fs, &c.RateStatus, "rate-status", "of a call past its rate quota", http.StatusForbidden, http.StatusTooManyRequests)
}

func healthFlags(fs *flag.FlagSet, c *settings) {
	fs.BoolVar(&c.HealthUnreached, "health-unreached", false, "probe endpoints though no forwarding rule leads to them")
	fs.DurationVar(&c.HealthDelay, "health-delay", 0, "how long it takes until the probers know of an endpoint")
	fs.DurationVar(&c.HealthJitter, "health-jitter", 0, "most that is added to health-delay, evenly")
	choice(fs, &c.HealthPending, "health-pending", "what is said of an endpoint until then", "absent", "unknown")
	fs.BoolVar(&c.DrainingHidden, "draining-hidden", false, "leave draining endpoints out of listings")
	fs.Func("probe", "what may be probed: loopback, any, or a range and where it is: 10.0.0.0/8=127.0.0.0/8 (default loopback)", func(v string) (err error) {
		c.Dial, err = dialer(v)
		return err
	})
}

func parse(args []string) (settings, error) {
	var c settings
	fs := flags(&c)
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	if fs.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if c.manualClock {
		c.Clock = fakegce.NewManualClock(time.Now())
	}
	return c, nil
}

// dialer reads the flag --probe.
func dialer(v string) (health.Dialer, error) {
	switch v {
	case "loopback":
		return health.Loopback, nil
	case "any":
		return new(net.Dialer).DialContext, nil
	}
	first, second, _ := strings.Cut(v, "=")
	from, err := netip.ParsePrefix(first)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParsePrefix(second)
	if err != nil {
		return nil, err
	}
	return health.Mapped(from, to, health.Loopback)
}

// choice is a flag with a few values, the first of them its default.
func choice[T ~string | ~int](fs *flag.FlagSet, to *T, name, usage string, values ...T) {
	*to = values[0]
	fs.Func(name, fmt.Sprintf("%s: one of %v", usage, values), func(v string) error {
		for _, value := range values {
			if v == fmt.Sprint(value) {
				*to = value
				return nil
			}
		}
		return fmt.Errorf("not one of %v", values)
	})
}

func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	emulator := fakegce.New(c.Options)
	defer emulator.Close()
	closeState, err := keepState(emulator, c.stateFile)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, c, emulator, out), closeState())
}

// keepState takes up what a file holds and keeps it there until close. A file
// that cannot be written is known before the first call.
func keepState(emulator *fakegce.Server, path string) (closeState func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	if err := emulator.LoadFile(path); err != nil {
		return nil, err
	}
	if err := emulator.SaveFile(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan error, 1)
	go func() {
		kept <- emulator.KeepFile(ctx, path, func(err error) { fmt.Fprintln(os.Stderr, "fakegce:", err) })
	}()
	return func() error { cancel(); return <-kept }, nil
}

// serve answers calls until ctx ends.
func serve(ctx context.Context, c settings, emulator *fakegce.Server, out io.Writer) error {
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: emulator, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	addr := listener.Addr().String()
	if err := writeAddr(c.addrFile, addr); err != nil {
		return err
	}
	fmt.Fprintf(out, "fakegce listening on http://%s/compute/v1/\n", addr)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return server.Close() // a wait was still held
	}
	return nil
}

// writeAddr puts the file in place in one step, so that a reader never sees half.
func writeAddr(path, addr string) error {
	if path == "" {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(addr + "\n")
	if err = errors.Join(err, tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return os.Rename(tmp.Name(), path)
}
