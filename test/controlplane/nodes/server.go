package nodes

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

// podServer is the open ports of one Pod. Each port is a real listener on the
// loopback twin of the Pod's address; a container that exits takes its
// listener and its connections with it, as a process would.
type podServer struct {
	name, namespace, node string
	behaviour             atomic.Pointer[Behaviour]
	ports                 map[int32]*http.Server
}

func newPodServer(pod *v1.Pod) *podServer {
	p := &podServer{name: pod.Name, namespace: pod.Namespace, node: pod.Spec.NodeName}
	p.ports = map[int32]*http.Server{}
	p.behaviour.Store(&Behaviour{})
	return p
}

// ServeHTTP answers with the Pod's name, or with 503 where its behaviour says
// that it is unwell.
func (p *podServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Pod-Namespace", p.namespace)
	w.Header().Set("X-Pod-Node", p.node)
	b := p.behaviour.Load()
	if b.NeverReady || (b.UnhealthyPath != "" && r.URL.Path == b.UnhealthyPath) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(p.name))
}

// set opens and closes ports until exactly the wanted ones are open.
func (p *podServer) set(ip string, want map[int32]bool) error {
	var errs []error
	for port, server := range p.ports {
		if !want[port] {
			_ = server.Close()
			delete(p.ports, port)
		}
	}
	for port := range want {
		if p.ports[port] == nil {
			errs = append(errs, p.open(ip, port))
		}
	}
	return errors.Join(errs...)
}

func (p *podServer) open(ip string, port int32) error {
	twin, err := layout.Twin(ip)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(twin, strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("open port %d: %w", port, err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	p.ports[port] = server
	go func() { _ = server.Serve(l) }() // ends with Close
	return nil
}

func (p *podServer) close() {
	_ = p.set("", nil)
}

// servedPorts are the TCP ports of the containers that serve now.
func (m *machine) servedPorts(now time.Time) map[int32]bool {
	ports := map[int32]bool{}
	for _, c := range m.containers {
		if !m.serving(c, now) {
			continue
		}
		for _, port := range c.spec.Ports {
			if port.Protocol == "" || port.Protocol == v1.ProtocolTCP {
				ports[port.ContainerPort] = true
			}
		}
	}
	return ports
}
