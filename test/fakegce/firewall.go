package fakegce

var firewalls = &family{
	collection: collection{name: "firewalls", kind: "compute#firewall", scopes: []scopeKind{global}},
	one:        "firewall",
	links:      map[string][]string{"network": {networks.name}},
	defaults: doc{
		"network": "global/networks/default", "direction": "INGRESS", "priority": 1000, "disabled": false,
		"logConfig": doc{"enable": false},
	},
	complete: completeFirewall,
}

type firewallInput struct {
	Direction             string       `json:"direction"`
	Priority              int          `json:"priority"`
	Allowed               []ipProtocol `json:"allowed"`
	Denied                []ipProtocol `json:"denied"`
	SourceRanges          []string     `json:"sourceRanges"`
	SourceTags            []string     `json:"sourceTags"`
	SourceServiceAccounts []string     `json:"sourceServiceAccounts"`
	DestinationRanges     []string     `json:"destinationRanges"`
}

type ipProtocol struct {
	IPProtocol string   `json:"IPProtocol"`
	Ports      []string `json:"ports"`
}

func completeFirewall(_ *Server, d *draft) *apiError {
	var in firewallInput
	if err := d.read(&in); err != nil {
		return err
	}
	if err := first(
		oneOf("resource.direction", in.Direction, "INGRESS", "EGRESS"),
		within("resource.priority", in.Priority, 0, 65535),
	); err != nil {
		return err
	}
	if len(in.Allowed) == 0 && len(in.Denied) == 0 {
		return errRequired("resource.allowed")
	}
	if len(in.Allowed) > 0 && len(in.Denied) > 0 {
		return errInvalid("resource.denied", len(in.Denied), "Only one of allowed and denied can be specified.")
	}
	for _, p := range append(in.Allowed, in.Denied...) {
		if p.IPProtocol == "" {
			return errRequired("resource.allowed[0].IPProtocol")
		}
	}
	everywhere := []any{"0.0.0.0/0"}
	if in.Direction == "INGRESS" && len(in.SourceRanges)+len(in.SourceTags)+len(in.SourceServiceAccounts) == 0 {
		d.doc["sourceRanges"] = everywhere
	}
	if in.Direction == "EGRESS" && len(in.DestinationRanges) == 0 {
		d.doc["destinationRanges"] = everywhere
	}
	return nil
}
