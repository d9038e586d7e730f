package plan_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata")

const clusterUID = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

var key = neg.Key{Cluster: "prod", Namespace: "shop", Service: "web"}

// A case is a txtar file: a sentence, then inputs (service, neg, zones, nodes, slices,
// ingress, keep, managed, autoneg, observed; status, gke and absent where GKE's own
// controller keeps the groups) and outputs (desired, problems, plan). Adding one needs no Go: write
// the inputs and run go test ./shared/plan -update.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	in, observed := parseCase(t, sections)
	desired, problems := plan.Desired(in, observed)
	got := map[string]string{"desired": stateText(desired), "problems": problemText(problems), "plan": plan.Text(plan.Diff(desired, observed))}
	if *update {
		rewrite(t, file, archive, got)
		return
	}
	for _, name := range []string{"desired", "problems", "plan"} {
		if d := cmp.Diff(sections[name], got[name]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func rewrite(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	var inputs []txtar.File
	for _, f := range archive.Files {
		if _, output := got[f.Name]; !output {
			inputs = append(inputs, f)
		}
	}
	for _, name := range []string{"desired", "problems", "plan"} {
		inputs = append(inputs, txtar.File{Name: name, Data: []byte(got[name])})
	}
	archive.Files = inputs
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func parseCase(t *testing.T, sections map[string]string) (plan.Input, neg.State) {
	t.Helper()
	in := plan.Input{UID: clusterUID, Project: "p1", Nodes: map[string]neg.Node{}}
	for _, z := range strings.Fields(sections["zones"]) {
		in.Zones = append(in.Zones, neg.Zone(z))
	}
	if text, ok := sections["service"]; ok {
		in.Service = parseService(t, text)
	}
	exposure, err := neg.ParseExposure(cmpOr(sections["neg"], "{}"))
	if err != nil {
		t.Fatal(err)
	}
	in.Exposure = exposure
	for _, line := range lines(sections["nodes"]) { // node zone instance [project]
		f := append(strings.Fields(line), "p1")
		in.Nodes[f[0]] = neg.Node{Zone: neg.Zone(f[1]), Instance: f[2], Project: f[3]}
	}
	for _, line := range lines(sections["ingress"]) { // service number|name
		f := strings.Fields(line)
		ref := neg.IngressPort{Service: f[0], Name: f[1]}
		if n, err := strconv.Atoi(f[1]); err == nil {
			ref = neg.IngressPort{Service: f[0], Number: int32(n)}
		}
		in.Ingress = append(in.Ingress, ref)
	}
	in.Slices = parseSlices(sections["slices"])
	if value, ok := sections["keep"]; ok {
		if in.Keep, err = neg.ParseKeepServing(map[string]string{neg.AnnotationKeepServing: strings.TrimSpace(value)}); err != nil {
			t.Fatal(err)
		}
	}
	in.Now, in.Stopping = now, parseStopping(t, sections["slices"])
	if value, ok := sections["status"]; ok {
		in.Foreign, in.GKE, in.Absent = true, parseGKE(t, sections["gke"]), parseAbsent(sections["absent"])
		if in.Status, err = neg.ParseStatus(strings.TrimSpace(value)); err != nil {
			t.Fatal(err)
		}
	}
	if value, ok := sections["managed"]; ok {
		if in.Managed, err = neg.ParseManaged(value); err != nil {
			t.Fatal(err)
		}
	}
	if value, ok := sections["autoneg"]; ok {
		if in.Attached, err = neg.ParseAutoneg(key, map[string]string{neg.AnnotationAutoneg: value}, neg.DefaultTemplate); err != nil {
			t.Fatal(err)
		}
	}
	return in, parseState(t, sections["observed"])
}

// parseGKE reads "object NAME PORT" and, indented, "ZONE/NAME [leaving]".
func parseGKE(t *testing.T, text string) (list []neg.GKEGroup) {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if f[0] == "object" {
			port, err := strconv.Atoi(f[2])
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, neg.GKEGroup{Name: f[1], Port: int32(port)})
			continue
		}
		last := &list[len(list)-1]
		zone, name, _ := strings.Cut(f[0], "/")
		id := neg.GroupID{Zone: neg.Zone(zone), Name: name}
		last.Groups = append(last.Groups, id)
		if len(f) > 1 {
			last.Leaving = append(last.Leaving, id)
		}
	}
	return list
}

func parseAbsent(text string) map[neg.GroupID]bool {
	absent := map[neg.GroupID]bool{}
	for _, line := range lines(text) {
		zone, name, _ := strings.Cut(line, "/")
		absent[neg.GroupID{Zone: neg.Zone(zone), Name: name}] = true
	}
	return absent
}

func cmpOr(a, b string) string {
	if strings.TrimSpace(a) == "" {
		return b
	}
	return a
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// parseService reads "TYPE NUMBER[/PROTOCOL][=NAME] …".
func parseService(t *testing.T, text string) *neg.Service {
	f := strings.Fields(text)
	svc := &neg.Service{Key: key, Type: f[0], HasSelector: true}
	for _, p := range f[1:] {
		number, name, _ := strings.Cut(p, "=")
		number, protocol, _ := strings.Cut(number, "/")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		svc.Ports = append(svc.Ports, neg.ServicePort{Name: name, Port: int32(n), Protocol: cmpOr(protocol, "TCP")})
	}
	return svc
}

// now is the time in all cases.
var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// parseStopping reads when the Pods of "ADDRESS NODE serving AGO" were told to stop. A Pod's
// name is its address.
func parseStopping(t *testing.T, text string) map[string]time.Time {
	told := map[string]time.Time{}
	for _, line := range lines(text) {
		if f := strings.Fields(line); len(f) == 4 && f[2] == "serving" {
			ago, err := time.ParseDuration(f[3])
			if err != nil {
				t.Fatal(err)
			}
			told[f[0]] = now.Add(-ago)
		}
	}
	return told
}

// parseSlices reads "slice NAME TYPE [NAME=NUMBER|NAME=nil …]" and, indented, "ADDRESS NODE
// [terminating|serving [AGO]]": one that serves terminates too.
func parseSlices(text string) []neg.Slice {
	var list []neg.Slice
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "slice") {
			s := neg.Slice{Name: f[1], AddressType: f[2]}
			for _, p := range f[3:] {
				name, number, _ := strings.Cut(p, "=")
				sp := neg.SlicePort{Name: name, Protocol: "TCP"}
				if n, err := strconv.Atoi(number); err == nil {
					n32 := int32(n)
					sp.Port = &n32
				}
				s.Ports = append(s.Ports, sp)
			}
			list = append(list, s)
			continue
		}
		last := &list[len(list)-1]
		e := neg.SliceEndpoint{Addresses: []string{f[0]}}
		if len(f) > 1 && f[1] != "-" {
			e.Node = f[1]
		}
		e.Terminating = len(f) > 2
		e.Serving = e.Terminating && f[2] == "serving"
		e.Pod = f[0]
		last.Endpoints = append(last.Endpoints, e)
	}
	return list
}

// parseState reads "group ZONE/NAME PORT" (NAME "generated": the generated one) and,
// indented, "ADDRESS:PORT INSTANCE"; "service LOCATION/NAME [managed] [FIELD=VALUE …]" and,
// indented, "backend ZONE/NAME [ours|theirs] [FIELD=VALUE …]"; "check LOCATION/NAME [FIELD=VALUE …]".
func parseState(t *testing.T, text string) neg.State {
	var groups []neg.Group
	var services []neg.BackendService
	var checks []neg.HealthCheck
	for _, line := range lines(text) {
		f := strings.Fields(line)
		switch f[0] {
		case "service":
			s := neg.BackendService{ID: parseID(f[1])}
			if s.Managed = len(f) > 2 && f[2] == "managed"; s.Managed {
				s.HealthCheck = neg.HealthCheckID(s.ID)
			}
			s.Fields = parseFields(f[2:])
			services = append(services, s)
			continue
		case "backend":
			zone, name, _ := strings.Cut(f[1], "/")
			s := &services[len(services)-1]
			b := neg.Backend{Group: neg.GroupID{Zone: neg.Zone(zone), Name: generated(name)}, Fields: parseFields(f[2:])}
			switch {
			case slices.Contains(f, "ours"):
				b.Fields["description"] = neg.BackendMark(clusterUID, key)
			case slices.Contains(f, "theirs"):
				b.Theirs = true
			}
			s.Backends = append(s.Backends, b)
			continue
		case "check":
			checks = append(checks, neg.HealthCheck{ID: neg.HealthCheckID(parseID(f[1])), Fields: parseFields(f[2:])})
			continue
		}
		if strings.HasPrefix(line, "group") {
			zone, name, _ := strings.Cut(f[1], "/")
			port, err := strconv.Atoi(f[2])
			if err != nil {
				t.Fatal(err)
			}
			groups = append(groups, neg.Group{GroupID: neg.GroupID{Zone: neg.Zone(zone), Name: generated(name)}, Port: int32(port)})
			continue
		}
		last := &groups[len(groups)-1]
		last.Endpoints = append(last.Endpoints, neg.Endpoint{Addr: netip.MustParseAddrPort(f[0]), Instance: f[1]})
	}
	return neg.NewState(groups...).WithBackends(services, checks)
}

// generated turns "generated" and "generated-PORT" into the generated name.
func generated(name string) string {
	number, ok := strings.CutPrefix(name, "generated")
	if !ok {
		return name
	}
	port, err := strconv.Atoi(strings.TrimPrefix(number, "-"))
	if err != nil {
		port = 80
	}
	return neg.GroupName(clusterUID, key, int32(port))
}

func parseID(text string) neg.BackendServiceID {
	region, name, _ := strings.Cut(text, "/")
	if region == "global" {
		region = ""
	}
	return neg.BackendServiceID{Region: region, Name: generated(name)}
}

func parseFields(pairs []string) neg.Fields {
	fields := neg.Fields{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			fields[name] = number
		} else if ok {
			fields[name] = value
		}
	}
	return fields
}

func stateText(s neg.State) string {
	var b bytes.Buffer
	for _, g := range s.Groups {
		fmt.Fprintf(&b, "group %s %d\n", g.GroupID, g.Port)
		for _, e := range g.Endpoints {
			fmt.Fprintf(&b, "\t%s\n", e)
		}
	}
	for _, s := range s.BackendServices {
		fmt.Fprintf(&b, "service %s managed=%v %s\n", s.ID, s.Managed, s.Fields)
		for _, backend := range s.Backends {
			fmt.Fprintf(&b, "\t%s\n", backend)
		}
	}
	for _, c := range s.HealthChecks {
		fmt.Fprintf(&b, "check %s %s\n", c.ID, c.Fields)
	}
	return b.String()
}

func problemText(problems []plan.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Reason, p.Message)
	}
	return b.String()
}
