package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/negfleet/negfleet/test/controlplane/layout"
	"github.com/negfleet/negfleet/test/controlplane/supervisor"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// up parses the public flags and runs the supervisor.
func up(ctx context.Context, args []string) error {
	var o supervisor.Options
	fs := flag.NewFlagSet("controlplane up", flag.ContinueOnError)
	fs.StringVar(&o.Dir, "dir", "", "directory of the cluster; emptied at start")
	fs.IntVar(&o.APIPort, "api-port", 0, "port of the API server on 127.0.0.1; 0 takes a free one")
	fs.StringVar(&o.AuditPolicy, "audit-policy", "", "audit policy file for the API server")
	fs.StringVar(&o.AuditWebhook, "audit-webhook-config", "", "kubeconfig of the audit webhook")
	fs.StringVar(&o.AuditLog, "audit-log", "", "file to which the API server also writes its audit entries")
	fs.DurationVar(&o.NodeGrace, "node-grace", 2*time.Second, "from a node's loss until the cluster notices")
	var users list
	fs.Var(&users, "user", "make a kubeconfig for this user, without groups; may be repeated")
	spec := specFlags(fs)
	if err := fs.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("up: unexpected argument %q", fs.Arg(0))
	}
	o.Spec, o.Users = spec(), users
	return supervisor.Up(ctx, o)
}

// specFlags adds the flags that describe the cluster, which `up` takes from
// the user and hands to the node simulator.
func specFlags(fs *flag.FlagSet) func() layout.Spec {
	var s layout.Spec
	var zones string
	fs.StringVar(&s.Name, "name", "", "name of the cluster")
	fs.StringVar(&s.Project, "project", "sandbox", "project in the nodes' provider IDs")
	fs.StringVar(&s.Region, "region", "us-central1", "region of the nodes")
	fs.StringVar(&zones, "zones", "us-central1-a,us-central1-b,us-central1-c", "zones, comma separated")
	fs.IntVar(&s.Nodes, "nodes", 6, "number of nodes, dealt to the zones in turn")
	fs.IntVar(&s.Octet, "pod-octet", 0, "N of the Pod network 10.N.0.0/16; 0 claims a free one")
	return func() layout.Spec {
		s.Zones = strings.Split(zones, ",")
		return s
	}
}

// setLost serves node-loss and node-back.
func setLost(ctx context.Context, command string, args []string, lost bool) error {
	fs := flag.NewFlagSet("controlplane "+command, flag.ContinueOnError)
	dir := fs.String("dir", "", "directory of the cluster")
	if err := fs.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("%s: want one node name", command)
	}
	return supervisor.SetLost(ctx, *dir, fs.Arg(0), lost)
}
