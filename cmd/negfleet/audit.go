package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/negfleet/negfleet/infra"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/config"
)

// An auditCall is what the audit commands are asked for.
type auditCall struct {
	what      string // url, token or kubeconfig
	cluster   string
	url       string // of the audit function
	tokenFile string // on the control plane's machine; empty: the path is the credential
	out       string // file to write; -: the standard output
}

// auditCommand writes what a cluster's control plane needs to reach the audit function.
// All of it is secret, or leads to one, so nothing is printed unless asked for.
func auditCommand(args []string, getenv func(string) string, out io.Writer) error {
	call, err := parseAudit(args, getenv)
	if err != nil {
		return err
	}
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return err
	}
	if err := inFleet(env.FleetFile, call.cluster); err != nil {
		return err
	}
	keys, err := caller.ParseKeys(env.CallerKeys)
	if err != nil {
		return fmt.Errorf("NEGFLEET_CALLER_KEYS: %w", err)
	}
	text, err := call.render(keys)
	if err != nil {
		return err
	}
	if call.out == "-" {
		_, err := io.WriteString(out, text)
		return err
	}
	if err := writeSecret(call.out, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "wrote the %s of cluster %s to %s, mode 0600\n", call.what, call.cluster, call.out)
	return err
}

func parseAudit(args []string, getenv func(string) string) (auditCall, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && args[0] != "-h" && args[0] != "--help" {
		return auditCall{}, usageError{"audit: want url, token or kubeconfig"}
	}
	call := auditCall{what: args[0]}
	flags := newFlags("audit " + call.what)
	flags.StringVar(&call.out, "out", "", "")
	switch call.what {
	case "kubeconfig":
		flags.StringVar(&call.tokenFile, "token-file", "", "")
		fallthrough
	case "url":
		flags.StringVar(&call.url, "url", getenv("NEGFLEET_AUDIT_URL"), "")
	case "token":
	case "-h", "--help":
		return auditCall{}, flag.ErrHelp
	default:
		return auditCall{}, usageError{fmt.Sprintf("audit: %q: want url, token or kubeconfig", call.what)}
	}
	rest, err := flags.parse(args[1:])
	if err != nil {
		return auditCall{}, err
	}
	if len(rest) != 1 {
		return auditCall{}, usageError{"audit " + call.what + ": want one CLUSTER"}
	}
	call.cluster = rest[0]
	return call, call.check()
}

func (c *auditCall) check() error {
	if c.out == "" {
		return usageError{"audit " + c.what + ": it is a secret; name a file with --out, or the terminal with --out -"}
	}
	if c.what == "token" {
		return nil
	}
	u, err := url.Parse(c.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return usageError{fmt.Sprintf("audit %s: --url %q: want the audit function's URL, such as https://audit-abc.a.run.app", c.what, c.url)}
	}
	c.url = strings.TrimRight(c.url, "/")
	return nil
}

func inFleet(fleetFile, cluster string) error {
	data, err := os.ReadFile(fleetFile)
	if err != nil {
		return fmt.Errorf("fleet file: %w", err)
	}
	fleet, err := config.ParseFleet(fleetFile, data)
	if err != nil {
		return err
	}
	if _, ok := fleet.Cluster(cluster); !ok {
		return fmt.Errorf("cluster %q is not in the fleet file: the function would answer 404", cluster)
	}
	return nil
}

func (c auditCall) render(keys caller.Keys) (string, error) {
	signed, err := keys.Sign(c.cluster)
	if err != nil {
		return "", err
	}
	path, token, err := keys.Token(c.cluster)
	if err != nil {
		return "", err
	}
	switch {
	case c.what == "url":
		return c.url + signed + "\n", nil
	case c.what == "token":
		return token + "\n", nil
	case c.tokenFile != "":
		return fill("audit-webhook-token.kubeconfig.tmpl", "{{url}}", c.url, "{{path}}", path, "{{tokenFile}}", c.tokenFile)
	}
	return fill("audit-webhook.kubeconfig.tmpl", "{{url}}", c.url, "{{path}}", signed)
}

// fill fills in the values of a template below its head of comments, which names them.
func fill(name string, values ...string) (string, error) {
	data, err := infra.Files.ReadFile(name)
	if err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(string(data), "\napiVersion:")
	return "apiVersion:" + strings.NewReplacer(values...).Replace(body), nil
}

// writeSecret writes a file that its owner alone can read, at no time otherwise, and
// replaces an older one as a whole: a kube-apiserver may be reading it.
func writeSecret(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".negfleet-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // gone by then, if all went well
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
