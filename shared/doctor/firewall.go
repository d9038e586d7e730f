package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Rule is a firewall rule of a VPC network.
type Rule struct {
	Name     string
	Disabled bool
	Ingress  bool
	Priority int64
	Allow    bool
	Traffic  []Traffic
	// Sources are CIDRs. A rule that goes by tags or accounts of its sources alone has none,
	// and is not about health checks, which come from no instance.
	Sources        []string
	Destinations   []string // CIDRs; none: all
	TargetTags     []string // none, and no accounts: all instances
	TargetAccounts []string
}

// Traffic is a protocol, and ports of it: none are all.
type Traffic struct {
	Protocol string // tcp, 6, all, …
	Ports    []string
}

// healthCheckRanges is where Google's health checks come from
// (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges).
var healthCheckRanges = []string{"35.191.0.0/16", "130.211.0.0/22"}

// firewall judges whether health checks reach every port at which Pods serve.
func (k Cluster) firewall() Finding {
	c := check{"firewall", k.Name}
	switch {
	case k.Rules.Gap != nil:
		return c.gap(k.Rules.Gap)
	case k.Backends.Gap != nil:
		return c.gap(k.Backends.Gap)
	case len(k.Backends.Value) == 0:
		return c.finding(Unknown, "ask again when a Service that asks for groups has Pods", "no Pod serves a Service that asks for groups, so no port is known")
	}
	closed := map[string][]string{} // "SOURCE to tcp:PORT" → instances
	ports, tags := map[string]bool{}, map[string]bool{}
	unknown := 0
	for _, b := range k.Backends.Value {
		if !b.Known {
			unknown++
			continue
		}
		for _, from := range healthCheckRanges {
			if why := Admits(k.Rules.Value, from, b); why != "" {
				at := fmt.Sprintf("%s to tcp:%d, %s", from, b.Port, why)
				closed[at] = append(closed[at], b.Instance)
				ports[strconv.Itoa(int(b.Port))] = true
				for _, t := range b.Tags {
					tags[t] = true
				}
			}
		}
	}
	if len(closed) == 0 && unknown > 0 {
		return c.finding(Unknown, "see vpc-native", "%s of %d serve on instances that were not found", neg.Count(unknown, "address", "addresses"), len(k.Backends.Value))
	}
	if len(closed) == 0 {
		return c.ok("%s lets %s reach %s", k.Network, strings.Join(healthCheckRanges, " and "), neg.Count(len(k.Backends.Value), "address", "addresses"))
	}
	return c.finding(Problem, allowRule(k, ports, tags), "%s", closedText(closed))
}

func closedText(closed map[string][]string) string {
	var lines []string
	for at, instances := range closed {
		slices.Sort(instances)
		lines = append(lines, at+" on "+neg.Count(len(slices.Compact(instances)), "instance", "instances"))
	}
	slices.Sort(lines)
	return "closed: " + some(lines)
}

func allowRule(k Cluster, ports, tags map[string]bool) string {
	var rules []string
	for p := range ports {
		rules = append(rules, "tcp:"+p)
	}
	slices.Sort(rules)
	do := fmt.Sprintf("gcloud compute firewall-rules create negfleet-health-checks --network=%s --direction=INGRESS --allow=%s --source-ranges=%s",
		k.Network, strings.Join(rules, ","), strings.Join(healthCheckRanges, ","))
	if len(tags) > 0 {
		var list []string
		for t := range tags {
			list = append(list, t)
		}
		slices.Sort(list)
		do += " --target-tags=" + strings.Join(list, ",")
	}
	return do
}

// Admits tells why a network's rules keep a part of a range of sources from a backend;
// empty when they let all of it in. As the network does, it goes by priority, denials first
// among equals, until every address of the range has met a rule; what meets none is denied.
func Admits(rules []Rule, from string, b Backend) string {
	address, err := netip.ParseAddr(b.Address)
	if err != nil {
		return "whose address " + b.Address + " is none"
	}
	sorted := slices.Clone(rules)
	slices.SortStableFunc(sorted, func(x, y Rule) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(rank(x), rank(y)))
	})
	left := []netip.Prefix{netip.MustParsePrefix(from)} // a constant of this package
	for _, r := range sorted {
		if !r.about(address, b) {
			continue
		}
		before := left
		for _, s := range prefixes(r.Sources) {
			left = without(left, s)
		}
		if !r.Allow && !slices.Equal(before, left) {
			return "denied by rule " + r.Name
		}
		if len(left) == 0 {
			return ""
		}
	}
	return "allowed by no rule"
}

func rank(r Rule) int {
	if r.Allow {
		return 1
	}
	return 0
}

// about tells whether a rule decides about TCP to that backend.
func (r Rule) about(address netip.Addr, b Backend) bool {
	target := len(r.TargetTags)+len(r.TargetAccounts) == 0 || overlap(r.TargetTags, b.Tags) || overlap(r.TargetAccounts, b.Accounts)
	aimed := len(r.Destinations) == 0 || slices.ContainsFunc(prefixes(r.Destinations), func(p netip.Prefix) bool { return p.Contains(address) })
	return r.Ingress && !r.Disabled && target && aimed && slices.ContainsFunc(r.Traffic, func(t Traffic) bool { return t.covers(b.Port) })
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// covers tells whether TCP to a port is of that traffic.
func (t Traffic) covers(port int32) bool {
	switch strings.ToLower(t.Protocol) {
	case "all":
		return true
	case "tcp", "6":
	default:
		return false
	}
	return len(t.Ports) == 0 || slices.ContainsFunc(t.Ports, func(ports string) bool {
		low, high, ranged := strings.Cut(ports, "-")
		if !ranged {
			high = low
		}
		first, err1 := strconv.Atoi(low)
		last, err2 := strconv.Atoi(high)
		return err1 == nil && err2 == nil && first <= int(port) && int(port) <= last
	})
}

// prefixes reads CIDRs, and single addresses. What is neither covers nothing.
func prefixes(list []string) []netip.Prefix {
	var all []netip.Prefix
	for _, each := range list {
		if p, err := netip.ParsePrefix(each); err == nil {
			all = append(all, p.Masked())
		} else if a, err := netip.ParseAddr(each); err == nil {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all
}

func within(address string, ranges []string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(prefixes(ranges), func(p netip.Prefix) bool { return p.Contains(a) })
}

// without takes the addresses of q out of a list of ranges.
func without(list []netip.Prefix, q netip.Prefix) []netip.Prefix {
	var left []netip.Prefix
	for _, p := range list {
		left = append(left, minus(p, q)...)
	}
	return left
}

func minus(p, q netip.Prefix) []netip.Prefix {
	switch {
	case !p.Overlaps(q):
		return []netip.Prefix{p}
	case q.Bits() <= p.Bits():
		return nil
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	high := netip.PrefixFrom(upper(p), p.Bits()+1)
	return append(minus(low, q), minus(high, q)...)
}

// upper is the first address of a range's upper half.
func upper(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	raw[p.Bits()/8] |= 1 << (7 - p.Bits()%8)
	a, _ := netip.AddrFromSlice(raw) // of the length it had
	return a
}
