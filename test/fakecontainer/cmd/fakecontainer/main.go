// Command fakecontainer serves the GKE API in memory. See package fakecontainer for what
// it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fakecontainer:", err)
		os.Exit(1)
	}
}

type settings struct {
	listen, addrFile string
	manualClock      bool
	fakecontainer.Options
}

func parse(args []string) (settings, error) {
	var c settings
	fs := flag.NewFlagSet("fakecontainer", flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:9085", "address to serve on")
	fs.StringVar(&c.addrFile, "addr-file", "", "write the real address to this `file` when ready")
	fs.BoolVar(&c.manualClock, "manual-clock", false, "a clock that moves by POST /_emu/clock alone")
	fs.DurationVar(&c.OpLatency, "op-latency", 0, "how long operations take")
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

func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: fakecontainer.New(c.Options), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	addr := listener.Addr().String()
	if err := writeAddr(c.addrFile, addr); err != nil {
		return err
	}
	fmt.Fprintf(out, "fakecontainer listening on http://%s\n", addr)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return server.Close() // a delayed answer was still held
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
