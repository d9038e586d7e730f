package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
)

// inject is a fleet file whose one cluster has this under inject.
func inject(text string) []byte {
	return []byte(`version: 1
project: my-project
network: default
subnetwork: default
clusters:
- name: prod
  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11
  connect: {kubeconfig: /etc/prod}
` + text)
}

// TestInject: a namespace's rule says what differs from the cluster's.
func TestInject(t *testing.T) {
	fleet, err := config.ParseFleet("fleet.yaml", inject(`  inject:
    default: enabled
    services: exposed_ports
    exposed_ports: [80, 443]
    drain: 30s
    namespaces:
    - {name: shop, group_name: "{namespace}-{service}-{port}"}
    - {name: blog, services: none, drain: off}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := fleet.Clusters[0].Inject
	if !got.Unlabelled {
		t.Error("default: enabled is not read")
	}
	for namespace, want := range map[string]config.Rule{
		"other": {Services: config.ExposePorts, Ports: []int32{80, 443}, Drain: 30 * time.Second},
		"shop":  {Services: config.ExposePorts, Ports: []int32{80, 443}, GroupName: "{namespace}-{service}-{port}", Drain: 30 * time.Second},
		"blog":  {Services: config.ExposeNone, Ports: []int32{80, 443}},
	} {
		if d := cmp.Diff(want, got.For(namespace)); d != "" {
			t.Errorf("%s (-want +got):\n%s", namespace, d)
		}
	}
}

func TestInjectProblems(t *testing.T) {
	for text, want := range map[string]string{
		`    default: sometimes`:                                                           `:10: clusters[0].inject.default: "sometimes": want one of disabled, enabled`,
		`    services: all`:                                                                `:10: clusters[0].inject.services: "all": want one of ingress, exposed_ports, none`,
		`    exposed_ports: [80]`:                                                          `:10: clusters[0].inject.exposed_ports: needs services: exposed_ports`,
		`    group_name: "{namespace}-{service}-{port}"`:                                   `:10: clusters[0].inject.group_name: needs services: exposed_ports`,
		`    {services: exposed_ports, exposed_ports: [80, http]}`:                         `:10: clusters[0].inject.exposed_ports[1]: "http": want the number of a Service port`,
		`    {services: exposed_ports, group_name: "{namespace}-{service}"}`:               `:10: clusters[0].inject.group_name: "{namespace}-{service}": want {port} in it, or two Services would share a group`,
		`    {services: exposed_ports, group_name: "{zone}-{namespace}-{service}-{port}"}`: `:10: clusters[0].inject.group_name: "{zone}": there are {cluster}, {namespace}, {service} and {port}`,
		`    {services: exposed_ports, group_name: "nf1-{namespace}-{service}-{port}"}`:    `:10: clusters[0].inject.group_name: "nf1-{namespace}-{service}-{port}": want lower-case letters, digits and dashes around the placeholders, not starting with nf1-`,
		`    drain: 1500ms`:                                                                `:10: clusters[0].inject.drain: "1500ms": want whole seconds from 1s to 1h0m0s, or off`,
		`    namespaces: [{name: Shop, drain: 5s}]`:                                        `:10: clusters[0].inject.namespaces[0].name: "Shop": want the name of a namespace`,
		`    namespaces: [{name: shop}, {name: shop}]`:                                     `:10: clusters[0].inject.namespaces[1].name: "shop" stands at line 10 already`,
		`    namespaces: [{name: shop, drain: long}]`:                                      `:10: clusters[0].inject.namespaces[0].drain: "long": want whole seconds from 1s to 1h0m0s, or off`,
	} {
		_, err := config.ParseFleet("fleet.yaml", inject("  inject:\n"+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}
