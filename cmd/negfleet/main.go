// Command negfleet is the operator's tool.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `negfleet keeps container-native load balancing right for a fleet of clusters.

usage: negfleet COMMAND [flags]

  plan [--json] CLUSTER/NAMESPACE/SERVICE
      observe the Service and its groups and print what a look would do; writes nothing
  audit url|kubeconfig --out FILE [--url URL] [--token-file PATH] CLUSTER
      write where the cluster's kube-apiserver posts its audit entries, or the kubeconfig of
      its audit webhook, to FILE (mode 0600; - prints it); --token-file, for the kubeconfig:
      the credential is a bearer token at that path on the control plane, not the URL
  audit token --out FILE CLUSTER
      write that token
  webhook render|register|rotate [--url URL] [--ca-file FILE] CLUSTER
      print the cluster's registration of the admission webhook; apply it, once the function
      answers; give it the path of the first key
  webhook remove CLUSTER
      end it: the first step of taking the webhook away
  resync [--dry-run] [--json] [CLUSTER]
      publish the keys of all Services that ask for groups or have some, and of all that is
      owned, of one cluster or all; --dry-run prints them instead
  replay [--dry-run] [--json] [--limit N] [--filter CLUSTER[/NAMESPACE[/SERVICE]]] [SUBSCRIPTION]
      publish dead letters anew, to the topics that they came from; SUBSCRIPTION pulls
      from negfleet-dead, which is its name when none is given
  sweep [--dry-run] [--json] [--cluster CLUSTER]
      find what leaked, drifted or was missed, say why, and publish its keys within the
      budget; --dry-run publishes nothing
  drain [--wait] [--timeout DURATION] [--dry-run] [--json] CLUSTER
      publish every key of a cluster that the fleet file says drains, and say what it still
      holds in the cloud; --wait follows until it holds nothing, for 15m at most unless told
      otherwise; --dry-run prints what would be published and removed. Exit 0 only if
      nothing is left; run again it goes on
  clusters [--json]
      ask every cluster of the fleet file who it is and print who is there; exit 1 if one is not alive
  doctor [--json] [--impersonate] [--checks NAME,...] [CLUSTER...]
      examine the deployment and the clusters, all or those named, and say what to do; writes
      nothing; exit 1 if there is a problem. --impersonate asks IAM what each function may do,
      as that function's account
  gates list [--namespace N] [--json] CLUSTER
      print the readiness gates that wait, and why
  gates open [--namespace N] [--yes] [--json] CLUSTER
      open them all, when nothing else does; asks first on a terminal. Without NEGFLEET_FLEET,
      CLUSTER is a context of your kubeconfig
  version [--json]
      print the version

environment:
  NEGFLEET_FLEET               path of the fleet file (all but audit, replay)
  NEGFLEET_CALLER_KEYS         keys of the path MAC; the first one signs (audit, webhook)
  NEGFLEET_ADMISSION_URL       the admission function's URL, unless --url says it (webhook)
  NEGFLEET_AUDIT_URL           the audit function's URL, unless --url says it (audit)
  NEGFLEET_COMPUTE_ENDPOINT    another Compute API; empty: Google's (plan, resync, sweep, drain, doctor)
  NEGFLEET_CONTAINER_ENDPOINT  another container API; empty: Google's (plan, resync, sweep, drain, clusters, doctor)
  NEGFLEET_GATEWAY_ENDPOINT    another Connect gateway; empty: Google's (plan, resync, sweep, drain, clusters, doctor)
  NEGFLEET_APIS_ENDPOINT       one place for Google's other APIs; empty: Google's (doctor)
  NEGFLEET_FUNCTIONS           another list than infra/functions.list (doctor)
  PUBSUB_PROJECT_ID            project of the topics (resync, sweep, drain, replay, doctor)
  NEGFLEET_ORDERING_KEYS       true: publish with ordering keys (resync, sweep, drain)
  NEGFLEET_SWEEP_BUDGET        orphaned keys that a run publishes, at most; 50 (sweep)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 called wrongly.
func run(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "plan":
		err = planCommand(ctx, args[1:], getenv, out)
	case "audit":
		err = auditCommand(args[1:], getenv, out)
	case "webhook":
		err = webhookCommand(ctx, args[1:], getenv, out)
	case "resync":
		err = resyncCommand(ctx, args[1:], getenv, out, errs)
	case "replay":
		err = replayCommand(ctx, args[1:], getenv, out, errs)
	case "sweep":
		err = sweepCommand(ctx, args[1:], getenv, out, errs)
	case "drain":
		err = drainCommand(ctx, args[1:], getenv, out, errs)
	case "clusters":
		err = clustersCommand(ctx, args[1:], getenv, out)
	case "doctor":
		err = doctorCommand(ctx, args[1:], getenv, out, errs)
	case "gates":
		err = gatesCommand(ctx, args[1:], getenv, os.Stdin, out)
	case "version":
		err = versionCommand(args[1:], out)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
	default:
		err = usageError{fmt.Sprintf("unknown command %q", args[0])}
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		return 0
	}
	if wrong, ok := err.(usageError); ok {
		fmt.Fprintf(errs, "negfleet: %s\n\n%s", wrong.text, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(errs, "negfleet: %v\n", err)
		return 1
	}
	return 0
}

type usageError struct{ text string }

func (e usageError) Error() string { return e.text }
