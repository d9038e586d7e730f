package neg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

var web = neg.Key{Cluster: "prod", Namespace: "shop", Service: "web"}

func autoneg(value, sync string) map[string]string {
	return map[string]string{neg.AnnotationAutoneg: value, neg.AnnotationAutonegSync: sync}
}

func TestAutoneg(t *testing.T) {
	for _, tc := range []struct {
		name, value, sync string
		want              []string // port service: fields; first: fields
	}{
		{
			name:  "as its page shows it",
			value: `{"backend_services":{"80":[{"name":"http-be","max_rate_per_endpoint":100}],"443":[{"name":"https-be","max_connections_per_endpoint":1000}]}}`,
			want: []string{
				"80 global/http-be: balancingMode=RATE maxRatePerEndpoint=100; first: capacityScaler=1",
				"443 global/https-be: balancingMode=CONNECTION maxConnectionsPerEndpoint=1000; first: capacityScaler=1",
			},
		},
		{
			name:  "several of one port, one regional, quoted numbers, a name from the template",
			value: `{"backend_services":{"80":[{"region":"us-central1","max_rate_per_endpoint":"100","initial_capacity":"0"},{"name":"b","max_connections_per_endpoint":"","max_rate_per_endpoint":2.5}]}}`,
			want: []string{
				"80 us-central1/web-80: balancingMode=RATE maxRatePerEndpoint=100; first: capacityScaler=0",
				"80 global/b: balancingMode=RATE maxRatePerEndpoint=2.5; first: capacityScaler=1",
			},
		},
		{
			name:  "capacity is turned by hand",
			value: `{"backend_services":{"80":[{"name":"b","max_rate_per_endpoint":1,"capacity_scaler":50}]}}`,
			want:  []string{"80 global/b: balancingMode=RATE maxRatePerEndpoint=1; first: capacityScaler=0.5"},
		},
		{
			name:  "capacity is the annotation's, the beginning apart",
			value: `{"backend_services":{"80":[{"name":"b","max_rate_per_endpoint":1,"capacity_scaler":0,"initial_capacity":20}]}}`,
			sync:  `{"capacity_scaler":true}`,
			want:  []string{"80 global/b: balancingMode=RATE capacityScaler=0 maxRatePerEndpoint=1; first: capacityScaler=0.2"},
		},
		{
			name:  "custom metrics win, unknown fields are ignored",
			value: `{"backend_services":{"80":[{"name":"b","max_rate_per_endpoint":1,"zones":["a"],"preference":"PREFERRED","custom_metrics":[{"name":"m","max_utilization":"0.8","dry_run":true}]}]},"x":1}`,
			want:  []string{"80 global/b: balancingMode=CUSTOM_METRICS customMetrics=[{\"name\":\"m\",\"maxUtilization\":0.8,\"dryRun\":true}] preference=PREFERRED; first: capacityScaler=1"},
		},
		{name: "everything taken away", value: `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all, err := neg.ParseAutoneg(web, autoneg(tc.value, tc.sync), neg.DefaultTemplate)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range all {
				got = append(got, fmt.Sprintf("%d %s: %s; first: %s", a.Port, a.ID, a.Fields, a.Initial))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if all, err := neg.ParseAutoneg(web, nil, neg.DefaultTemplate); all != nil || err != nil {
		t.Errorf("without annotation: %v, %v", all, err)
	}
}

func TestAutonegInvalid(t *testing.T) {
	entry := func(e string) string { return `{"backend_services":{"80":[` + e + `]}}` }
	for _, tc := range []struct{ value, sync, want string }{
		{`{"backend_services":[]}`, "", "field backend_services: want an object, have array"},
		{`{"backend_services":{"http":[{}]}}`, "", "port http: want the number of a Service port"},
		{entry(`{"name":"b"}`), "", "port 80: want max_rate_per_endpoint, max_connections_per_endpoint or custom_metrics"},
		{entry(`{"name":"b","max_rate_per_endpoint":"many"}`), "", "want a number, have"},
		{entry(`{"name":"b","max_rate_per_endpoint":-1}`), "", "want a number that is not negative"},
		{entry(`{"name":"web_80","max_rate_per_endpoint":1}`), "", `field name: "web_80"`},
		{entry(`{"name":"b","region":"here","max_rate_per_endpoint":1}`), "", `field region: "here"`},
		{entry(`{"name":"b","max_rate_per_endpoint":1,"initial_capacity":5}`), "", "field initial_capacity: want 0, or 10 to 100 percent, have 5"},
		{entry(`{"name":"b","max_rate_per_endpoint":1,"preference":"MINE"}`), "", "field preference"},
		{entry(`{"name":"b","custom_metrics":[{"name":"m","max_utilization":2}]}`), "", "field custom_metrics"},
		{entry(`{"name":"b","max_rate_per_endpoint":1},{"name":"b","max_rate_per_endpoint":2}`), "", "port 80: backend service global/b is named twice"},
		{entry(``), `{"capacity_scaler":`, "annotation controller.autoneg.dev/sync: not JSON"},
	} {
		if _, err := neg.ParseAutoneg(web, autoneg(tc.value, tc.sync), neg.DefaultTemplate); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.value, err, tc.want)
		}
	}
}

func TestTemplateName(t *testing.T) {
	long := neg.Key{Namespace: strings.Repeat("n", 40), Service: strings.Repeat("s", 60)}
	for _, tc := range []struct {
		template string
		key      neg.Key
		want     string
	}{
		{"{name}-{port}", web, "web-80"},
		{"{namespace}-{name}-{port}-{hash}", web, "shop-web-80-2c5479bf"},
		{"{namespace}-{name}-{port}-{hash}", long, strings.Repeat("n", 21) + "-" + strings.Repeat("s", 30) + "-8-"},
	} {
		got := neg.TemplateName(tc.template, tc.key, 80)
		if len(got) > neg.MaxName || got != tc.want && !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s of %s: %s (%d characters), want %s", tc.template, tc.key, got, len(got), tc.want)
		}
		if err := neg.CheckTemplate(tc.template); err != nil {
			t.Error(err)
		}
	}
	for _, wrong := range []string{"", "x-{name}", "{name}_{port}", "{uid}"} {
		if err := neg.CheckTemplate(wrong); err == nil {
			t.Errorf("template %q is accepted", wrong)
		}
	}
}

func TestAutonegStatus(t *testing.T) {
	all, err := neg.ParseAutoneg(web, autoneg(`{"backend_services":{"80":[{"max_rate_per_endpoint":"100"},{"name":"b","region":"us-central1","max_rate_per_endpoint":1}]}}`, ""), neg.DefaultTemplate)
	if err != nil {
		t.Fatal(err)
	}
	got, err := neg.AutonegStatus(all, map[int32]string{80: "nf1-a-b-shop-web-80"}, []neg.Zone{"us-central1-b", "us-central1-a"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"backend_services":{"80":{"b":{"max_rate_per_endpoint":1,"name":"b","region":"us-central1"},"web-80":{"max_rate_per_endpoint":"100","name":"web-80"}}},` +
		`"network_endpoint_groups":{"80":"nf1-a-b-shop-web-80"},"zones":["us-central1-a","us-central1-b"]}`
	if got != want {
		t.Errorf("status\n got %s\nwant %s", got, want)
	}
}

// TestServedByAutoneg: only what the status says of that port, group and backend service.
func TestServedByAutoneg(t *testing.T) {
	const status = `{"backend_services":{"80":{"shop":{"name":"shop"},"inner":{"name":"inner","region":"us-central1"}},"443":{"tls":{}}},"network_endpoint_groups":{"80":"g80","443":"g443"},"zones":["a"]}`
	for _, c := range []struct {
		status, region, service, group string
		want                           bool
	}{
		{status, "", "shop", "g80", true},
		{status, "us-central1", "inner", "g80", true},
		{status, "", "inner", "g80", false},
		{status, "", "shop", "g443", false},
		{status, "", "other", "g80", false},
		{"{", "", "shop", "g80", false},
		{"", "", "shop", "g80", false},
	} {
		if got := neg.ServedByAutoneg(c.status, neg.BackendServiceID{Region: c.region, Name: c.service}, c.group); got != c.want {
			t.Errorf("%s/%s with %s by %.20s: %v", c.region, c.service, c.group, c.status, got)
		}
	}
}
