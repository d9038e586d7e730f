package neg_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

const uid = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

func TestParseKey(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		in   string
		want neg.Key
		err  string
	}{
		{"prod/shop/web", neg.Key{Cluster: "prod", Namespace: "shop", Service: "web"}, ""},
		{"prod/shop/", neg.Key{Cluster: "prod", Namespace: "shop"}, ""},
		{"prod/1st/2nd", neg.Key{Cluster: "prod", Namespace: "1st", Service: "2nd"}, ""},
		{"prod/shop", neg.Key{}, "want CLUSTER/NAMESPACE/SERVICE"},
		{"prod/shop/web/80", neg.Key{}, "want CLUSTER/NAMESPACE/SERVICE"},
		{"Prod/shop/web", neg.Key{}, `cluster "Prod"`},
		{long[:41] + "/shop/web", neg.Key{}, "at most 40"},
		{"prod/" + long + "/web", neg.Key{}, "namespace"},
		{"prod/shop/web_1", neg.Key{}, `service "web_1"`},
		{"prod//web", neg.Key{}, "namespace"},
	} {
		got, err := neg.ParseKey(c.in)
		if !matches(err, c.err) || err == nil && got != c.want {
			t.Errorf("ParseKey(%q) = %v, %v; want %v, %q", c.in, got, err, c.want, c.err)
		}
	}
}

// matches: err is nil where want is empty, else its text holds want.
func matches(err error, want string) bool {
	return (err == nil) == (want == "") && (err == nil || strings.Contains(err.Error(), want))
}

// TestGroupName is a golden: these names exist in projects.
func TestGroupName(t *testing.T) {
	long := strings.Repeat("a", 20) + "-" + strings.Repeat("b", 40)
	for _, c := range []struct {
		namespace, service string
		port               int32
		want               string
	}{
		{"shop", "web", 80, "nf1-86cc2a17-2cbd05b4-shop-web-80"},
		{"shop", "web", 65535, "nf1-86cc2a17-2cbd05b4-shop-web-65535"},
		{long, "web", 80, "nf1-86cc2a17-38e4efc8-aaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbb-web-80"},
		{long, long, 443, "nf1-86cc2a17-ee2f2dd5-aaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaaaaaa-443"},
		{"shop", "web-" + strings.Repeat("-", 50) + "x", 80, "nf1-86cc2a17-54c4c171-shop-web-80"},
	} {
		got := neg.GroupName(uid, neg.Key{Cluster: "prod", Namespace: c.namespace, Service: c.service}, c.port)
		if !neg.ValidName(got) || !strings.HasPrefix(got, neg.ClusterToken(uid)) {
			t.Errorf("%q is no valid name", got)
		}
		if got != c.want {
			t.Errorf("GroupName(%s/%s:%d)\n got %s\nwant %s", c.namespace, c.service, c.port, got, c.want)
		}
	}
}

func FuzzGroupName(f *testing.F) {
	f.Add("shop", "web", int32(80))
	f.Add("a-", strings.Repeat("-", 63), int32(1))
	f.Fuzz(func(t *testing.T, namespace, service string, port int32) {
		k := neg.Key{Cluster: "c", Namespace: namespace, Service: service}
		if k.Validate() != nil || k.Service == "" || port < 1 || port > 65535 {
			return
		}
		name := neg.GroupName(uid, k, port)
		if !neg.ValidName(name) || !strings.HasPrefix(name, neg.Token(uid, k)+"-") || !strings.HasSuffix(name, fmt.Sprint("-", port)) {
			t.Fatalf("%v port %d: %q", k, port, name)
		}
	})
}

func TestOwner(t *testing.T) {
	k := neg.Key{Cluster: "prod", Namespace: "shop", Service: "web"}
	text := neg.OwnerOf(uid, k, 80).Description()
	// A golden: this text is in the description of existing groups.
	want := `{"negfleet":1,"token":"nf1-86cc2a17-2cbd05b4","cluster":"prod","uid":"7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11","namespace":"shop","service":"web","port":80}`
	if text != want {
		t.Errorf("description\n got %s\nwant %s", text, want)
	}
	o, err := neg.ParseOwner(text)
	if err != nil || !o.Owns(uid, k) {
		t.Errorf("own description is not recognised: %+v, %v", o, err)
	}
	renamed := k
	renamed.Cluster = "production"
	if !o.Owns(uid, renamed) {
		t.Error("a cluster renamed in the fleet file lost its groups")
	}
	for name, description := range map[string]string{
		"empty":             "",
		"a person's":        "checkout backends",
		"GKE's":             `{"cluster-uid":"x","namespace":"shop","service-name":"web","port":"80"}`,
		"of another time":   strings.Replace(want, `"negfleet":1`, `"negfleet":2`, 1),
		"cut":               want[:60],
		"token altered":     strings.Replace(want, "2cbd05b4", "00000000", 1),
		"service altered":   strings.Replace(want, `"service":"web"`, `"service":"api"`, 1),
		"uid altered":       strings.Replace(want, "7c1e7a0e", "00000000", 1),
		"namespace altered": strings.Replace(want, `"shop"`, `"other"`, 1),
	} {
		if o, err := neg.ParseOwner(description); err == nil && o.Owns(uid, k) {
			t.Errorf("%s: taken for our own", name)
		}
	}
}

func TestParseExposure(t *testing.T) {
	for _, c := range []struct {
		in   string
		want neg.Exposure
		err  string
	}{
		{`{}`, neg.Exposure{}, ""},
		{`{"ingress":true}`, neg.Exposure{Ingress: true}, ""},
		{`{"exposed_ports":{"443":{"name":"checkout"},"80":{}}}`, neg.Exposure{Ports: []neg.ExposedPort{{Port: 80}, {Port: 443, Name: "checkout"}}}, ""},
		{`{"exposed_ports":{"80":null},"zones":["a"],"future":{"x":1}}`, neg.Exposure{Ports: []neg.ExposedPort{{Port: 80}}, Zones: []neg.Zone{"a"}}, ""},
		{`{"exposed_ports":{80:{}}}`, neg.Exposure{}, "not JSON at character 19"},
		{`{"exposed_ports":`, neg.Exposure{}, "not JSON"},
		{``, neg.Exposure{}, "not JSON"},
		{`[]`, neg.Exposure{}, "want an object, have array"},
		{`{"exposed_ports":["80"]}`, neg.Exposure{}, "field exposed_ports: want an object, have array"},
		{`{"exposed_ports":{"http":{}}}`, neg.Exposure{}, "field exposed_ports.http: want the number"},
		{`{"exposed_ports":{"080":{}}}`, neg.Exposure{}, "exposed_ports.080"},
		{`{"exposed_ports":{"70000":{}}}`, neg.Exposure{}, "exposed_ports.70000"},
		{`{"exposed_ports":{"80":"web"}}`, neg.Exposure{}, "want an object like {}"},
		{`{"exposed_ports":{"80":{"name":"Web"}}}`, neg.Exposure{}, "field exposed_ports.80: field name: \"Web\""},
		{`{"exposed_ports":{"80":{"name":"` + strings.Repeat("x", 64) + `"}}}`, neg.Exposure{}, "64 characters"},
		{`{"exposed_ports":{"80":{"name":"nf1-mine"}}}`, neg.Exposure{}, "choose another"},
		{`{"exposed_ports":{"80":{"name":"same"},"81":{"name":"same"}}}`, neg.Exposure{}, "already the name of port 80"},
		{`{"ingress":"yes"}`, neg.Exposure{}, "field ingress"},
		{`{"zones":"a"}`, neg.Exposure{}, "field zones"},
	} {
		got, err := neg.ParseExposure(c.in)
		if !matches(err, c.err) {
			t.Errorf("ParseExposure(%s): error %v, want %q", c.in, err, c.err)
		} else if d := cmp.Diff(c.want, got); err == nil && d != "" {
			t.Errorf("ParseExposure(%s) (-want +got):\n%s", c.in, d)
		}
	}
}

func FuzzParseExposure(f *testing.F) {
	f.Add(`{"exposed_ports":{"80":{"name":"a"}},"ingress":true,"zones":["*"]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := neg.ParseExposure(s)
		for _, p := range e.Ports {
			if err == nil && (p.Port < 1 || p.Port > 65535 || p.Name != "" && !neg.ValidName(p.Name)) {
				t.Fatalf("%q: %+v", s, p)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	state := neg.NewState(
		neg.Group{GroupID: neg.GroupID{Zone: "b", Name: "web-80"}, Port: 80},
		neg.Group{GroupID: neg.GroupID{Zone: "a", Name: "web-80"}, Port: 80},
		neg.Group{GroupID: neg.GroupID{Zone: "c", Name: "old"}, Port: 443},
	)
	wanted := map[int32]string{80: "web-80", 443: "web-443"}
	for _, c := range []struct{ name, before, after string }{
		{"written afresh", "", `{"network_endpoint_groups":{"80":"web-80"},"zones":["a","b"]}`},
		{"another's fields stay", `{"x":{"y":1},"zones":["q"]}`, `{"network_endpoint_groups":{"80":"web-80"},"x":{"y":1},"zones":["a","b"]}`},
	} {
		s, err := neg.ParseStatus(c.before)
		if err != nil {
			t.Fatal(err)
		}
		got := s.With(state, wanted)
		if got.String() != c.after {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.after)
		}
		again, err := neg.ParseStatus(c.after)
		if err != nil || !again.Equal(got) {
			t.Errorf("%s: does not read back as itself: %v", c.name, err)
		}
	}
	if s, _ := neg.ParseStatus(`{"network_endpoint_groups":{"80":"x"},"zones":["a"]}`); s.With(neg.State{}, nil).String() != "" {
		t.Error("a status of nothing is not empty")
	}
	if _, err := neg.ParseStatus(`{"network_endpoint_groups":[]}`); err == nil {
		t.Error("a list of groups was accepted")
	}
}

func TestOutcomeOf(t *testing.T) {
	blocked := neg.Block("Quota", "no room")
	for _, c := range []struct {
		err  error
		want neg.Outcome
	}{
		{nil, neg.Done},
		{errors.New("x"), neg.Again},
		{blocked, neg.Blocked},
		{fmt.Errorf("look: %w", blocked), neg.Blocked},
		{errors.Join(blocked, blocked), neg.Blocked},
		{errors.Join(blocked, errors.New("x")), neg.Again},
		{fmt.Errorf("look: %w", errors.Join(errors.New("x"), blocked)), neg.Again},
	} {
		if got := neg.OutcomeOf(c.err); got != c.want {
			t.Errorf("OutcomeOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	if got := neg.BlockedReasons(fmt.Errorf("a: %w", errors.Join(blocked, errors.New("x"), blocked))); len(got) != 2 {
		t.Errorf("BlockedReasons found %d of 2", len(got))
	}
}

func TestParseProviderID(t *testing.T) {
	n, err := neg.ParseProviderID("gce://p1/us-central1-a/gke-pool-7f")
	if err != nil || n != (neg.Node{Project: "p1", Zone: "us-central1-a", Instance: "gke-pool-7f"}) {
		t.Errorf("%+v, %v", n, err)
	}
	for _, s := range []string{"", "aws:///us-east-1a/i-1", "gce://p1/zone", "gce://p1/z/i/x"} {
		if _, err := neg.ParseProviderID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
