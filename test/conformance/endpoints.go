package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/api/compute/v1"
)

func (w *world) inserted(name string) string {
	w.Helper()
	g := w.group(name)
	w.insert(g)
	return g.Name
}

// holds fails the test unless exactly these endpoints are attached.
func (w *world) holds(name string, want ...*compute.NetworkEndpoint) {
	w.Helper()
	var addresses []string
	for _, ep := range want {
		addresses = append(addresses, fmt.Sprintf("%s:%d", ep.IpAddress, ep.Port))
	}
	w.sees("endpoints of "+name, addresses, func() []string {
		got, _ := w.attached(name)
		return got
	})
}

func attachListDetach(w *world) {
	name := w.inserted("a")
	w.holds(name)
	w.done(w.attach(name, w.endpoints(0, 3)...))
	w.holds(name, w.endpoints(0, 3)...)
	w.done(w.detach(name, w.endpoint(1)))
	w.holds(name, w.endpoint(0), w.endpoint(2))
	g, err := w.svc.NetworkEndpointGroups.Get(w.Project, w.Zone, name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if g.Size != 2 {
		w.Errorf("size %d, want 2", g.Size)
	}
}

// endpointDefaults: without port and address there are the group's port and the
// machine's own address; instances come back as a name or as a URL.
func endpointDefaults(w *world) {
	g := w.group("a")
	g.DefaultPort = 9376
	w.insert(g)
	ep := &compute.NetworkEndpoint{Instance: w.Instance}
	if w.Instance == "" {
		ep.IpAddress = w.endpoint(0).IpAddress
	}
	w.done(w.attach(g.Name, ep))
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SHOW"}
	var list *compute.NetworkEndpointGroupsListNetworkEndpoints
	_, listed := w.poll(w.Patience, func() (one bool) {
		var err error
		if list, err = w.svc.NetworkEndpointGroups.ListNetworkEndpoints(w.Project, w.Zone, g.Name, in).Context(w.ctx).Do(); err != nil {
			w.Fatal(err)
		}
		return len(list.Items) == 1
	})
	if !listed {
		w.Fatalf("%d endpoints", len(list.Items))
	}
	got := list.Items[0].NetworkEndpoint
	if got.Port != 9376 || got.IpAddress == "" || got.Instance[strings.LastIndex(got.Instance, "/")+1:] != w.Instance {
		w.Errorf("got %+v", got)
	}
	if len(list.Items[0].Healths) != 0 {
		w.Errorf("health without a backend service: %v", list.Items[0].Healths)
	}
}

func endpointPages(w *world) {
	name := w.inserted("a")
	all := w.endpoints(0, 1100)
	for batch := range slices.Chunk(all, 500) {
		w.done(w.attach(name, batch...))
	}
	w.holds(name, all...)
	if _, pages := w.attached(name); pages < 3 {
		w.Errorf("%d pages, want at least 3", pages)
	}
	wanted := w.endpoint(7).IpAddress
	if wanted == w.endpoint(8).IpAddress {
		return // one address on many ports
	}
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{}
	list, err := w.svc.NetworkEndpointGroups.ListNetworkEndpoints(w.Project, w.Zone, name, in).
		Filter(`ip_address eq ".*\b` + wanted + `\b.*"`).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].NetworkEndpoint.IpAddress != wanted {
		w.Errorf("filter for %s found %d endpoints", wanted, len(list.Items))
	}
}

// wholeBatchRefused: one bad endpoint and none is attached.
func wholeBatchRefused(w *world) {
	name := w.inserted("a")
	zero, nowhere := w.endpoint(1), w.endpoint(1)
	zero.Port, zero.ForceSendFields = 0, []string{"Port"}
	nowhere.IpAddress = "nowhere"
	w.refuseBatch(name, zero, "Must be greater than or equal to 1")
	w.refuseBatch(name, nowhere, "Invalid value for field ")
	nobody := w.endpoint(1)
	nobody.Instance = w.token
	if w.Instance == "" {
		w.refuseBatch(name, nobody, "")
	} else {
		foreign := w.endpoint(1)
		foreign.IpAddress = "192.0.2.7"
		w.refuseBatch(name, foreign,
			"Invalid value for field 'resource.ipAddress': '192.0.2.7'. Specified IP address 192.0.2.7 doesn't belong to the (sub)network ")
		w.refuseBatch(name, nobody, "Invalid value for field 'resource.instance': '"+w.token+"'. Couldn't find instance with a specified name")
	}
	w.holds(name)
}

func (w *world) refuseBatch(name string, bad *compute.NetworkEndpoint, text string) {
	w.Helper()
	_, err := w.attach(name, w.endpoint(0), bad, w.endpoint(2))
	w.refused(err, 400, "invalid", text)
}

// tooManyEndpoints: 500 endpoints are a call, 501 are none, in and out.
func tooManyEndpoints(w *world) {
	name := w.inserted("a")
	all := w.endpoints(0, 501)
	_, err := w.attach(name, all...)
	w.refused(err, 400, "invalid", "")
	w.holds(name)
	w.done(w.attach(name, all[:500]...))
	w.done(w.attach(name, all[500]))
	_, err = w.detach(name, all...)
	w.refused(err, 400, "invalid", "")
	w.holds(name, all...)
	w.done(w.detach(name, all[1:]...))
	w.holds(name, all[0])
}

// alreadyAsWanted: whatever the answer, the membership is as wanted.
func alreadyAsWanted(w *world) {
	name := w.inserted("a")
	w.done(w.attach(name, w.endpoint(0)))
	w.benign("attaching what is attached", w.attach, name, w.endpoint(0))
	w.holds(name, w.endpoint(0))
	w.benign("detaching what is not there", w.detach, name, w.endpoint(1))
	w.holds(name, w.endpoint(0))
}

type endpointCall func(string, ...*compute.NetworkEndpoint) (*compute.Operation, error)

func (w *world) benign(what string, do endpointCall, name string, ep *compute.NetworkEndpoint) {
	w.Helper()
	op, err := do(name, ep)
	switch code(err) {
	case 400, 404:
		w.Logf("%s: %v", what, err)
	default:
		w.done(op, err)
		w.Logf("%s: accepted", what)
	}
}

func requestIDReplay(w *world) {
	g := w.group("a")
	id := uuid.NewString()
	first := w.done(w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).RequestId(id).Context(w.ctx).Do())
	w.discardGroup(g.Name)
	again, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).RequestId(id).Context(w.ctx).Do()
	if err != nil {
		w.Fatalf("same request id: %v", err)
	}
	if again.Name != first.Name {
		w.Errorf("operation %s, then %s", first.Name, again.Name)
	}
	_, err = w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).RequestId(uuid.NewString()).Context(w.ctx).Do()
	w.refused(err, 409, "alreadyExists", "already exists")
	w.attachReplayed(g.Name)
}

// attachReplayed: an attach sent again after its endpoint was detached does nothing.
func (w *world) attachReplayed(name string) {
	w.Helper()
	in := &compute.NetworkEndpointGroupsAttachEndpointsRequest{NetworkEndpoints: w.endpoints(0, 1)}
	call := w.svc.NetworkEndpointGroups.AttachNetworkEndpoints(w.Project, w.Zone, name, in).RequestId(uuid.NewString()).Context(w.ctx)
	first := w.done(call.Do())
	w.done(w.detach(name, w.endpoint(0)))
	if again := w.done(call.Do()); again.Name != first.Name || again.ClientOperationId != first.ClientOperationId {
		w.Errorf("operation %s, then %s", first.Name, again.Name)
	}
	w.holds(name)
}

func requestIDInvalid(w *world) {
	for _, id := range []string{"1", uuid.Nil.String(), uuid.NewString() + "0"} {
		_, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, w.group("a")).RequestId(id).Context(w.ctx).Do()
		w.refused(err, 400, "invalid", id)
	}
}

func operations(w *world) {
	g := w.group("a")
	op, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	w.discardGroup(g.Name)
	if op.OperationType != "insert" || op.Kind != "compute#operation" || !strings.HasSuffix(op.Zone, "/zones/"+w.Zone) {
		w.Errorf("operation %+v", op)
	}
	w.done(op, nil)
	got, err := w.svc.ZoneOperations.Get(w.Project, w.Zone, op.Name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if got.Status != "DONE" || got.Progress != 100 || got.EndTime == "" || !strings.HasSuffix(got.TargetLink, g.Name) {
		w.Errorf("operation %+v", got)
	}
	attach := w.done(w.attach(g.Name, w.endpoint(0)))
	detach := w.done(w.detach(g.Name, w.endpoint(0)))
	if attach.OperationType != "attachNetworkEndpoints" || detach.OperationType != "detachNetworkEndpoints" || attach.TargetLink != got.TargetLink {
		w.Errorf("types %s, %s; target %s", attach.OperationType, detach.OperationType, attach.TargetLink)
	}
	_, err = w.svc.ZoneOperations.Wait(w.Project, w.Zone, "operation-"+w.token).Context(w.ctx).Do()
	w.refused(err, 404, "notFound", "was not found")
}
