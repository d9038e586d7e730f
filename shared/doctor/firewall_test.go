package doctor

import (
	"net/netip"
	"slices"
	"testing"
)

// ingress is an enabled rule of priority 1000 about all instances.
func ingress(allow bool, change func(*Rule), sources ...string) Rule {
	r := Rule{Name: "r", Ingress: true, Priority: 1000, Allow: allow, Traffic: []Traffic{{Protocol: "tcp"}}, Sources: sources}
	if change != nil {
		change(&r)
	}
	return r
}

// TestAdmits is a table of networks and whether all of 35.191.0.0/16 reaches TCP port 8080
// of 10.1.2.3, on an instance with the tag pool and the account a@x.
func TestAdmits(t *testing.T) {
	const allowed, denied, nothing = "", "denied by rule d", "allowed by no rule"
	all := "35.191.0.0/16"
	port := func(ports ...string) func(*Rule) { return func(r *Rule) { r.Traffic[0].Ports = ports } }
	deny := func(change func(*Rule), sources ...string) Rule {
		return ingress(false, func(r *Rule) {
			r.Name = "d"
			if change != nil {
				change(r)
			}
		}, sources...)
	}
	for name, c := range map[string]struct {
		rules []Rule
		want  string
	}{
		"nothing at all":                      {nil, nothing},
		"the range":                           {[]Rule{ingress(true, nil, all)}, allowed},
		"everything":                          {[]Rule{ingress(true, nil, "0.0.0.0/0")}, allowed},
		"another range":                       {[]Rule{ingress(true, nil, "10.0.0.0/8")}, nothing},
		"half of the range":                   {[]Rule{ingress(true, nil, "35.191.0.0/17")}, nothing},
		"both halves in one rule":             {[]Rule{ingress(true, nil, "35.191.0.0/17", "35.191.128.0/17")}, allowed},
		"both halves in two rules":            {[]Rule{ingress(true, nil, "35.191.0.0/17"), ingress(true, nil, "35.191.128.0/17")}, allowed},
		"switched off":                        {[]Rule{ingress(true, func(r *Rule) { r.Disabled = true }, all)}, nothing},
		"egress":                              {[]Rule{ingress(true, func(r *Rule) { r.Ingress = false }, all)}, nothing},
		"the port":                            {[]Rule{ingress(true, port("80", "8080"), all)}, allowed},
		"another port":                        {[]Rule{ingress(true, port("80", "443"), all)}, nothing},
		"a span of ports":                     {[]Rule{ingress(true, port("8000-9000"), all)}, allowed},
		"a span beside it":                    {[]Rule{ingress(true, port("8081-9000"), all)}, nothing},
		"by the protocol's number":            {[]Rule{ingress(true, func(r *Rule) { r.Traffic[0].Protocol = "6" }, all)}, allowed},
		"all protocols":                       {[]Rule{ingress(true, func(r *Rule) { r.Traffic[0].Protocol = "all" }, all)}, allowed},
		"UDP":                                 {[]Rule{ingress(true, func(r *Rule) { r.Traffic[0].Protocol = "udp" }, all)}, nothing},
		"the instance's tag":                  {[]Rule{ingress(true, func(r *Rule) { r.TargetTags = []string{"x", "pool"} }, all)}, allowed},
		"another tag":                         {[]Rule{ingress(true, func(r *Rule) { r.TargetTags = []string{"x"} }, all)}, nothing},
		"the instance's account":              {[]Rule{ingress(true, func(r *Rule) { r.TargetAccounts = []string{"a@x"} }, all)}, allowed},
		"another account":                     {[]Rule{ingress(true, func(r *Rule) { r.TargetAccounts = []string{"b@x"} }, all)}, nothing},
		"sources by tag alone":                {[]Rule{ingress(true, nil)}, nothing},
		"the Pod's destination":               {[]Rule{ingress(true, func(r *Rule) { r.Destinations = []string{"10.1.0.0/16"} }, all)}, allowed},
		"another destination":                 {[]Rule{ingress(true, func(r *Rule) { r.Destinations = []string{"10.2.0.0/16"} }, all)}, nothing},
		"denied before":                       {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 900 }, "0.0.0.0/0")}, denied},
		"denied after":                        {[]Rule{deny(func(r *Rule) { r.Priority = 1001 }, "0.0.0.0/0"), ingress(true, nil, all)}, allowed},
		"denied at the same priority":         {[]Rule{ingress(true, nil, all), deny(nil, all)}, denied},
		"a part denied before":                {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 1 }, "35.191.7.0/24")}, denied},
		"denied before, but another port":     {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 1; r.Traffic[0].Ports = []string{"22"} }, all)}, allowed},
		"denied before, but other instances":  {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 1; r.TargetTags = []string{"x"} }, all)}, allowed},
		"denied before, but switched off":     {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 1; r.Disabled = true }, all)}, allowed},
		"denied before, but of other sources": {[]Rule{ingress(true, nil, all), deny(func(r *Rule) { r.Priority = 1 }, "130.211.0.0/22")}, allowed},
	} {
		b := Backend{Address: "10.1.2.3", Port: 8080, Instance: "vm", Known: true, Tags: []string{"pool"}, Accounts: []string{"a@x"}}
		if got := Admits(c.rules, all, b); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestMinus: what is left of a range has none of the other's addresses and all that are its own.
func TestMinus(t *testing.T) {
	for _, c := range []struct{ p, q string }{
		{"10.0.0.0/29", "10.0.0.5/32"}, {"10.0.0.0/29", "10.0.0.0/30"}, {"10.0.0.0/29", "10.0.0.0/8"}, {"10.0.0.0/29", "10.0.0.8/29"}, {"10.0.0.0/29", "10.0.0.0/29"},
	} {
		p, q := netip.MustParsePrefix(c.p), netip.MustParsePrefix(c.q)
		left := minus(p, q)
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			in := slices.ContainsFunc(left, func(l netip.Prefix) bool { return l.Contains(a) })
			if in == q.Contains(a) {
				t.Errorf("%s without %s: %s in %v: %t", c.p, c.q, a, left, in)
			}
		}
	}
}

func TestFirewall(t *testing.T) {
	backends := Got([]Backend{
		{Address: "10.1.2.3", Port: 8080, Instance: "vm-a", Known: true, Tags: []string{"pool"}},
		{Address: "10.1.2.4", Port: 8080, Instance: "vm-b", Known: true, Tags: []string{"pool"}},
	})
	open := Got([]Rule{ingress(true, nil, "35.191.0.0/16", "130.211.0.0/22")})
	for name, c := range map[string]struct {
		cluster  Cluster
		status   Status
		evidence string
		do       string
	}{
		"open": {Cluster{Network: "n", Backends: backends, Rules: open}, OK, "n lets 35.191.0.0/16 and 130.211.0.0/22 reach 2 addresses", ""},
		"one range is closed": {
			Cluster{Network: "n", Backends: backends, Rules: Got([]Rule{ingress(true, nil, "35.191.0.0/16")})}, Problem,
			"closed: 130.211.0.0/22 to tcp:8080, allowed by no rule on 2 instances",
			"gcloud compute firewall-rules create negfleet-health-checks --network=n --direction=INGRESS --allow=tcp:8080 --source-ranges=35.191.0.0/16,130.211.0.0/22 --target-tags=pool",
		},
		"no Pod": {Cluster{Network: "n", Backends: Got([]Backend{}), Rules: open}, Unknown, "no Pod serves a Service that asks for groups, so no port is known", "ask again when a Service that asks for groups has Pods"},
		"no instance": {
			Cluster{Backends: Got([]Backend{{Address: "10.1.2.3", Port: 80}}), Rules: open}, Unknown, "1 address of 1 serve on instances that were not found", "see vpc-native",
		},
		"rules not read": {Cluster{Backends: backends, Rules: Without[[]Rule](Gap{Why: "403", Need: "compute.firewalls.list"})}, Unknown, "403", "compute.firewalls.list"},
	} {
		c.cluster.Name = "c1"
		want := Finding{Check: "firewall", Subject: "c1", Status: c.status, Evidence: c.evidence, Do: c.do}
		if got := c.cluster.firewall(); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}
