// Controlplane runs a Kubernetes cluster on one machine, for tests and
// demonstrations: a real etcd, a real kube-apiserver, real controllers, and
// simulated nodes. It is one binary and needs no other, no container runtime
// and no rights.
//
//	controlplane up --dir DIR --name NAME --project P --region R --zones Z,Z,Z --nodes N
//	controlplane node-loss --dir DIR NODE
//	controlplane node-back --dir DIR NODE
//
// # Processes
//
// `up` is the supervisor (package supervisor). It starts four children, each
// the same binary under another first argument: etcd, kube-apiserver,
// controllers (package controllers) and nodes (package nodes). It stays in the
// foreground until SIGTERM or SIGINT, then stops them in reverse order. Killed
// with -9 it takes them along: each child asked the kernel to die with its
// parent. A child that ends by itself ends the cluster.
//
// # The directory
//
// DIR holds everything and is worth nothing after the run:
//
//	lock                  held (flock) by every process of a live cluster
//	ready.json            written atomically when the cluster is ready, removed at exit
//	admin.kubeconfig      group system:masters
//	user-NAME.kubeconfig  for each --user NAME: no groups, RBAC alone rules
//	log/*.log             what each child says
//
// A directory left by a killed run is emptied and used again; one that is in
// use, or that holds something else, is refused. ready.json is
//
//	{"name","server","kubeconfig","users":{NAME:path},"uid","podOctet","pid",
//	 "nodes":[{"name","instance","zone","providerID","podCIDR","internalIP"}]}
//
// with absolute paths; uid is the kube-system namespace's. Ready means that
// /readyz is ok, Pods can be created in the namespace default, and every node
// is registered and Ready.
//
// # What is real and what is not
//
// Everything a client of the API sees comes from upstream code, except what
// scheduler, kubelets and the node lifecycle controller would write, which
// package nodes writes as they do. Each TCP port of a running container is a
// real listener on loopback, at the twin of the Pod's address (package
// layout): 10.N.b.c answers at 127.N.b.c. The README lists the annotations
// that make Pods misbehave and what is not simulated.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/negfleet/negfleet/test/controlplane/supervisor"
)

const usage = `usage:
  controlplane up --dir DIR --name NAME [flags]   run a cluster until SIGINT or SIGTERM
  controlplane node-loss --dir DIR NODE           take a node away
  controlplane node-back --dir DIR NODE           bring it back
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	name, args := os.Args[1], os.Args[2:]
	// The API server's command installs its own signal handling, which may
	// happen once in a process.
	if name == "kube-apiserver" {
		os.Exit(runAPIServer(args))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, name, args)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string) error {
	switch name {
	case "up":
		return up(ctx, args)
	case "node-loss":
		return setLost(ctx, name, args, true)
	case "node-back":
		return setLost(ctx, name, args, false)
	case supervisor.Etcd:
		return runEtcd(ctx, args)
	case supervisor.Controllers:
		return runControllers(ctx, args)
	case supervisor.Nodes:
		return runNodes(ctx, args)
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("no such command: %q", name)
}
