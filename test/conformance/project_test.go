package conformance

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

// The flags of TestProject; docs/contributors/testing.md says how to run it.
var (
	project     = flag.String("project", "", "the real `project` to test against, with application default credentials")
	zone        = flag.String("zone", "us-central1-a", "where groups are made")
	network     = flag.String("network", "", "by name; the project's default network if empty")
	subnetwork  = flag.String("subnetwork", "", "by name, in the zone's region")
	instance    = flag.String("instance", "", "a running VM in the zone; without one no test needs any")
	servingPort = flag.Int64("serving-port", 0, "where the VM answers GET /healthz with 200, to see how long it takes to become healthy")
	patience    = flag.Duration("patience", time.Minute, "how long a list may lag behind")
	endpoint    = flag.String("endpoint", "", "an emulator's `URL`, http://HOST:PORT, instead of the real service; no credentials are sent")
	sweep       = flag.Bool("sweep", false, "test nothing, remove what earlier runs left")
	older       = flag.Duration("older", time.Hour, "what -sweep leaves alone is younger")
)

// TestProject puts everything to a real project and prints how it differs from the emulator.
func TestProject(t *testing.T) {
	if *project == "" {
		t.Skip("no real project: -project P -zone Z; see docs/contributors/testing.md")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	context.AfterFunc(ctx, stop) // a second interrupt does not wait for the cleaning
	target, err := projectTarget(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if *sweep {
		removed, err := Sweep(ctx, target, Prefix, time.Now().Add(-*older))
		for _, path := range removed {
			fmt.Println("removed", path)
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
	t.Run("suite", func(t *testing.T) { Run(t, target) })
	if ctx.Err() != nil {
		t.Fatal("broken off")
	}
	seen := Observe(t, target)
	_, usual := emulator(t, fakegce.Options{OpLatency: 20 * time.Millisecond})
	if *instance == "" {
		usual.Instance = ""
	}
	fmt.Print(Differences(seen, Observe(t, usual)))
}

// projectTarget is the target that the flags name.
func projectTarget(ctx context.Context) (Target, error) {
	target := Target{
		Context: ctx, Project: *project, Zone: *zone, Instance: *instance, ServingPort: *servingPort, Patience: *patience,
		Addresses: netip.MustParsePrefix("192.168.240.0/20"),
	}
	if *network != "" {
		target.Network = "global/networks/" + *network
	}
	if *subnetwork != "" {
		w := world{Target: target}
		target.Subnetwork = "regions/" + w.region() + "/subnetworks/" + *subnetwork
	}
	if *endpoint != "" {
		target.Options = []option.ClientOption{option.WithEndpoint(fakegce.ComputeEndpoint(*endpoint)), option.WithoutAuthentication()}
	}
	if *instance == "" {
		return target, nil
	}
	svc, err := compute.NewService(ctx, target.Options...)
	if err != nil {
		return target, err
	}
	vm, err := svc.Instances.Get(*project, *zone, *instance).Context(ctx).Do()
	if err != nil {
		return target, err
	}
	target.Addresses, err = addresses(vm)
	return target, err
}

// addresses are the first alias range of a machine, or its own address.
func addresses(vm *compute.Instance) (netip.Prefix, error) {
	if len(vm.NetworkInterfaces) == 0 {
		return netip.Prefix{}, fmt.Errorf("instance %s has no network interface", vm.Name)
	}
	nic := vm.NetworkInterfaces[0]
	if len(nic.AliasIpRanges) > 0 {
		return netip.ParsePrefix(nic.AliasIpRanges[0].IpCidrRange)
	}
	addr, err := netip.ParseAddr(nic.NetworkIP)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("instance %s: %w", vm.Name, err)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
