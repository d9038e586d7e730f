package pubsub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNotInstalled says how to get Google's emulator.
var ErrNotInstalled = errors.New("the Pub/Sub emulator of Google is not installed: gcloud components install pubsub-emulator, and Java; or name a running one in PUBSUB_EMULATOR_HOST")

// jars are where Google's emulator is when the component pubsub-emulator of gcloud is
// installed.
var jars = []string{
	"/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
	"/usr/share/google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
	"$HOME/google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
}

// StartGoogle returns the address of Google's emulator: one that PUBSUB_EMULATOR_HOST names,
// or one that it starts in dir, until stop.
func StartGoogle(ctx context.Context, dir string) (address string, stop func(), err error) {
	if address := os.Getenv("PUBSUB_EMULATOR_HOST"); address != "" {
		return address, func() {}, nil
	}
	java, jar, err := findGoogle()
	if err != nil {
		return "", nil, err
	}
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	host, port, _ := net.SplitHostPort(address)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(running, java, "-jar", jar, "--host="+host, "--port="+port)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, fmt.Errorf("start Google's Pub/Sub emulator: %w", err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}
	if err := awaitAddress(ctx, address); err != nil {
		stop()
		return "", nil, fmt.Errorf("start Google's Pub/Sub emulator: %w", err)
	}
	return address, stop, nil
}

func findGoogle() (java, jar string, err error) {
	java, err = exec.LookPath("java")
	for _, pattern := range jars {
		if found, _ := filepath.Glob(os.ExpandEnv(pattern)); len(found) > 0 {
			jar = found[len(found)-1]
		}
	}
	if err != nil || jar == "" {
		return "", "", ErrNotInstalled
	}
	return java, jar, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitAddress returns when somebody listens there, within a minute.
func awaitAddress(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody listens at %s: %w", address, ctx.Err())
		}
	}
}
