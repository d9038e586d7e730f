package supervisor

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/negfleet/negfleet/test/controlplane/pki"
)

const (
	// serviceRange is the same in every cluster: nothing routes to it.
	serviceRange = "172.30.0.0/16"
)

// etcdHost is in the part of the cluster's loopback range that no Pod and no
// node has a twin in, so its port needs no choosing.
func (c *cluster) etcdHost() string { return fmt.Sprintf("127.%d.255.253", c.Octet) }

func (c *cluster) etcdAddress() string { return net.JoinHostPort(c.etcdHost(), "2379") }

func (c *cluster) etcdFlags() []string {
	return []string{
		"--listen=" + c.etcdAddress(),
		"--cert=" + c.path("pki", "etcd.crt"), "--key=" + c.path("pki", "etcd.key"),
		"--client-ca=" + c.path("pki", "etcd-ca.crt"),
	}
}

func (c *cluster) controllersFlags() []string {
	return []string{"--kubeconfig=" + c.path("controllers.kubeconfig"), "--root-ca=" + c.path("pki", "ca.crt")}
}

func (c *cluster) nodesFlags() []string {
	return []string{
		"--kubeconfig=" + c.path("nodes.kubeconfig"),
		"--node-grace=" + c.NodeGrace.String(),
		"--name=" + c.Name, "--project=" + c.Project, "--region=" + c.Region,
		"--zones=" + strings.Join(c.Zones, ","),
		fmt.Sprintf("--nodes=%d", c.Spec.Nodes), fmt.Sprintf("--pod-octet=%d", c.Octet),
	}
}

// apiServerFlags keep upstream's defaults for admission and RBAC and lift its
// limits: a stand-in must not be what slows a storm.
func (c *cluster) apiServerFlags() []string {
	flags := []string{
		"--etcd-servers=https://" + c.etcdAddress(),
		"--etcd-cafile=" + c.path("pki", "etcd-ca.crt"),
		"--etcd-certfile=" + c.path("pki", "etcd-client.crt"),
		"--etcd-keyfile=" + c.path("pki", "etcd-client.key"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.APIPort), "--permit-port-sharing=true",
		"--endpoint-reconciler-type=none", // loopback is no endpoint
		"--tls-cert-file=" + c.path("pki", "server.crt"),
		"--tls-private-key-file=" + c.path("pki", "server.key"),
		"--client-ca-file=" + c.path("pki", "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.path("pki", "tokens.key"),
		"--service-account-signing-key-file=" + c.path("pki", "tokens.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=4000", "--max-mutating-requests-inflight=2000",
		"--event-ttl=15m",
	}
	if c.AuditPolicy == "" {
		return flags
	}
	if c.AuditLog != "" {
		flags = append(flags, "--audit-log-path="+c.AuditLog, "--audit-log-maxsize=1000") // MB: kept whole
	}
	return append(flags,
		"--audit-policy-file="+c.AuditPolicy,
		"--audit-webhook-config-file="+c.AuditWebhook,
		"--audit-webhook-batch-max-wait=20ms", "--audit-webhook-batch-max-size=100",
		"--audit-webhook-batch-buffer-size=100000",
		"--audit-webhook-batch-throttle-qps=1000", "--audit-webhook-batch-throttle-burst=2000",
		"--audit-webhook-initial-backoff=1s",
	)
}

// writeCredentials makes the certificates, keys and kubeconfig files.
func (c *cluster) writeCredentials() error {
	for _, dir := range []string{"pki", "log"} {
		if err := os.Mkdir(c.path(dir), 0o700); err != nil {
			return fmt.Errorf("directory of cluster: %w", err)
		}
	}
	ca, err := pki.NewAuthority()
	if err != nil {
		return err
	}
	if err := c.writeServerFiles(ca); err != nil {
		return err
	}
	if err := c.writeEtcdFiles(); err != nil {
		return err
	}
	for _, user := range []string{"admin", Controllers, Nodes} {
		err := ca.Kubeconfig(c.path(user+".kubeconfig"), c.Name, c.server, user, "system:masters")
		if err != nil {
			return err
		}
	}
	for _, user := range c.Users {
		if err := ca.Kubeconfig(c.userPath(user), c.Name, c.server, user); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) writeServerFiles(ca *pki.Authority) error {
	server, err := ca.Server(APIServer, "127.0.0.1")
	if err != nil {
		return err
	}
	tokens, err := pki.SigningKey()
	if err != nil {
		return err
	}
	return c.writePKI(map[string][]byte{
		"ca.crt": ca.PEM(), "server.crt": server.Cert, "server.key": server.Key, "tokens.key": tokens,
	})
}

func (c *cluster) writeEtcdFiles() error {
	ca, err := pki.NewAuthority()
	if err != nil {
		return err
	}
	server, err := ca.Server(Etcd, c.etcdHost())
	if err != nil {
		return err
	}
	client, err := ca.Client(APIServer)
	if err != nil {
		return err
	}
	return c.writePKI(map[string][]byte{
		"etcd-ca.crt": ca.PEM(), "etcd.crt": server.Cert, "etcd.key": server.Key,
		"etcd-client.crt": client.Cert, "etcd-client.key": client.Key,
	})
}

func (c *cluster) writePKI(files map[string][]byte) error {
	for name, data := range files {
		if err := pki.WriteFile(c.path("pki", name), data); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) userPath(user string) string { return c.path("user-" + user + ".kubeconfig") }
