package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const list = `# name package entry receives publishes access
events functions/events Events negfleet-audit negfleet-keys,negfleet-clusters private 80 1 512Mi 0 10 60s
sweep  functions/sweep  Sweep  negfleet-clusters/clusters,schedule negfleet-keys private 1 1 512Mi 0 2 540s
audit  functions/events Events http negfleet-keys public 80 1 512Mi 0 10 60s
`

func subscriptionTo(topic, endpoint string) Subscription {
	return Subscription{
		Topic: "projects/p/topics/" + topic, State: "ACTIVE", AckDeadline: 600 * time.Second, MinBackoff: time.Second, MaxBackoff: time.Minute,
		DeadLetterTopic: "projects/p/topics/negfleet-dead", MaxAttempts: 20, Endpoint: endpoint, Account: "push@p", Audience: strings.TrimSuffix(endpoint, "/clusters"),
	}
}

// healthy are the facts of a deployment with one GKE cluster in which all is fine.
func healthy() Facts {
	expected := ParseFunctions(list)
	return Facts{
		Now: now, Google: Got(time.Duration(0)), Project: "p", Expected: expected,
		APIs: []APIs{{Project: "p", Want: []string{"run", "iam"}, On: Got(map[string]bool{"run": true, "iam": true})}},
		Functions: Got(map[string]Deployed{
			"events": {State: "ACTIVE", URL: "https://events", Account: "events@p", Region: "r"},
			"sweep":  {State: "ACTIVE", URL: "https://sweep", Account: "sweep@p", Region: "r"},
			"audit":  {State: "ACTIVE", URL: "https://audit", Account: "audit@p", Region: "r"},
		}),
		Rights: []Rights{{Function: "negfleet-sweep", Project: "p", Account: "sweep@p", Want: []string{"x.get", "x.list"}, Held: Got(map[string]bool{"x.get": true, "x.list": true})}},
		Topics: []Topic{{Name: "negfleet-keys", Want: []string{"a"}, Members: Got(map[string]bool{"a": true})}},
		Subscriptions: Got(map[string]Subscription{
			"negfleet-audit-events":   subscriptionTo("negfleet-audit", "https://events"),
			"negfleet-clusters-sweep": subscriptionTo("negfleet-clusters", "https://sweep/clusters"),
			"negfleet-dead":           {Topic: "projects/p/topics/negfleet-dead"},
		}),
		Jobs: Got(map[string]Job{"sweep": {State: "ENABLED", URI: "https://sweep", Account: "scheduler@p", Last: now.Add(-4 * time.Minute)}}),
		Invokers: []Invokers{
			{Subject: "negfleet-events", Of: expected[0], Members: Got(map[string]bool{"serviceAccount:push@p": true})},
			{Subject: "negfleet-sweep", Of: expected[1], Members: Got(map[string]bool{"serviceAccount:push@p": true, "serviceAccount:scheduler@p": true})},
			{Subject: "negfleet-audit", Of: expected[2], Members: Got(map[string]bool{"allUsers": true})},
		},
		Sinks: []Sink{{
			Project: "p", WantTopic: "projects/p/topics/negfleet-audit", WantFilter: "a\n  AND b", Filter: "a AND b",
			Destination: Got("pubsub.googleapis.com/projects/p/topics/negfleet-audit"), Written: Got(now.Add(-time.Hour)),
		}},
		Delivered: Got(now.Add(-time.Hour + 2*time.Second)), OwnPlanes: true, Posted: Got(now.Add(-time.Hour)),
		Quotas: []Quotas{{Project: "p", Region: "r", Limits: Got(map[string]Quota{"NETWORK_ENDPOINT_GROUPS": {12, 100}})}},
		Clusters: []Cluster{{
			Name: "c1", State: "active", NEGs: "managed", Project: "p", Network: "n", Presence: Got("alive"), AddOn: "off",
			CallsOut: Got(true), VPCNative: Got(true), Lease: Got(now.Add(-3 * time.Minute)), Clock: Got(time.Second),
			Webhook:  Got(Webhook{Registered: true, Host: "admission", FailurePolicy: "Ignore"}),
			Grants:   Got([]Grant{{Role: "ClusterRole r", Users: []string{"sweep@p"}, Bound: []string{"sweep@p", "x@p"}}}),
			Backends: Got([]Backend{{Address: "10.1.2.3", Port: 80, Known: true, Instance: "vm"}}),
			Rules:    Got([]Rule{ingress(true, nil, "35.191.0.0/16", "130.211.0.0/22")}),
		}},
	}
}

func TestHealthy(t *testing.T) {
	var checks []string
	for _, f := range Examine(healthy()) {
		if f.Status != OK {
			t.Errorf("%+v", f)
		}
		if f.Evidence == "" {
			t.Errorf("%s of %s is ok without evidence", f.Check, f.Subject)
		}
		checks = append(checks, f.Check)
	}
	want := strings.Fields(`clock apis functions functions functions roles topics subscriptions subscriptions subscriptions scheduler invokers invokers invokers sink delivery delivery quota
		reach add-on egress vpc-native webhook rbac lease firewall clock`)
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Error(diff)
	}
	slices.Sort(checks)
	if diff := cmp.Diff(slices.Sorted(slices.Values(Checks)), slices.Compact(checks)); diff != "" {
		t.Errorf("Checks: %s", diff)
	}
}

// TestBroken breaks the healthy deployment in one place each, and holds the one finding that
// changes against a status and a part of its evidence and advice.
func TestBroken(t *testing.T) {
	cluster := func(f *Facts) *Cluster { return &f.Clusters[0] }
	alter := func(id string, change func(*Subscription)) func(*Facts) {
		return func(f *Facts) {
			s := f.Subscriptions.Value[id]
			change(&s)
			f.Subscriptions.Value[id] = s
		}
	}
	job := func(change func(*Job)) func(*Facts) {
		return func(f *Facts) {
			j := f.Jobs.Value["sweep"]
			change(&j)
			f.Jobs.Value["sweep"] = j
		}
	}
	const keys = "negfleet-audit-events"
	for name, c := range map[string]struct {
		change        func(*Facts)
		check         string
		status        Status
		evidence, doo string
	}{
		"an API is off":             {func(f *Facts) { f.APIs[0].On.Value["run"] = false }, "apis", Problem, "off: run", "gcloud services enable run --project=p"},
		"a function is missing":     {func(f *Facts) { delete(f.Functions.Value, "audit") }, "functions", Problem, "not in project p", "scripts/deploy"},
		"a function failed":         {func(f *Facts) { f.Functions.Value["audit"] = Deployed{State: "FAILED", Region: "r"} }, "functions", Problem, "state FAILED", "describe negfleet-audit"},
		"a permission is missing":   {func(f *Facts) { delete(f.Rights[0].Held.Value, "x.get") }, "roles", Problem, "sweep@p lacks x.get, by the project's own policy", "--impersonate"},
		"missing as IAM says":       {func(f *Facts) { delete(f.Rights[0].Held.Value, "x.get"); f.Rights[0].Asked = true }, "roles", Problem, "by testIamPermissions", "scripts/deploy --from roles"},
		"nobody may publish":        {func(f *Facts) { f.Topics[0].Members.Value["a"] = false }, "topics", Problem, "not allowed to publish: a", "--from topics"},
		"no topic":                  {func(f *Facts) { f.Topics[0].Missing = true }, "topics", Problem, "no such topic", "--from topics"},
		"no subscription":           {func(f *Facts) { delete(f.Subscriptions.Value, keys) }, "subscriptions", Problem, "nothing of topic negfleet-audit", "--from subscriptions"},
		"a pull subscription":       {alter(keys, func(s *Subscription) { s.Endpoint = "" }), "subscriptions", Problem, "nobody pulls", "--from subscriptions"},
		"another endpoint":          {alter(keys, func(s *Subscription) { s.Endpoint = "https://old" }), "subscriptions", Problem, "pushes to https://old, the function is at https://events", ""},
		"another audience":          {alter(keys, func(s *Subscription) { s.Audience = "https://old" }), "subscriptions", Problem, `tokens are for "https://old"`, ""},
		"unsigned":                  {alter(keys, func(s *Subscription) { s.Account, s.Audience = "", "" }), "subscriptions", Problem, "no token", ""},
		"a short ack deadline":      {alter(keys, func(s *Subscription) { s.AckDeadline = 10 * time.Second }), "subscriptions", Problem, "10 s to answer", ""},
		"no retry policy":           {alter(keys, func(s *Subscription) { s.MinBackoff, s.MaxBackoff = 0, 0 }), "subscriptions", Warning, "no retry policy", ""},
		"a long pause":              {alter(keys, func(s *Subscription) { s.MaxBackoff = 10 * time.Minute }), "subscriptions", Warning, "up to 10 min", ""},
		"no dead letters":           {alter(keys, func(s *Subscription) { s.DeadLetterTopic = "" }), "subscriptions", Warning, "no dead letters", ""},
		"it expires":                {alter(keys, func(s *Subscription) { s.Expires = true }), "subscriptions", Warning, "expires", ""},
		"its topic is gone":         {alter(keys, func(s *Subscription) { s.Topic = "_deleted-topic_" }), "subscriptions", Problem, "subscribes to _deleted-topic_", ""},
		"no dead letter box":        {func(f *Facts) { delete(f.Subscriptions.Value, "negfleet-dead") }, "subscriptions", Warning, "lost", "--from topics"},
		"no job":                    {func(f *Facts) { f.Jobs.Value = nil }, "scheduler", Problem, "no such job", "--from schedule"},
		"a job that rests":          {job(func(j *Job) { j.State = "PAUSED" }), "scheduler", Problem, "state PAUSED", "resume"},
		"a job that was not run":    {job(func(j *Job) { j.Last = time.Time{} }), "scheduler", Warning, "never called", "wait"},
		"a job that is late":        {job(func(j *Job) { j.Last = now.Add(-time.Hour) }), "scheduler", Problem, "60 min ago", ""},
		"a job that fails":          {job(func(j *Job) { j.Code, j.Text = 7, "denied" }), "scheduler", Problem, "code 7 denied", ""},
		"a job to elsewhere":        {job(func(j *Job) { j.URI = "https://old/" }), "scheduler", Problem, "calls https://old/", ""},
		"Pub/Sub may not call":      {func(f *Facts) { f.Invokers[0].Members = Got(map[string]bool{}) }, "invokers", Problem, "may not call it: push@p", "--from subscriptions"},
		"the Scheduler may not":     {func(f *Facts) { delete(f.Invokers[1].Members.Value, "serviceAccount:scheduler@p") }, "invokers", Problem, "may not call it: scheduler@p", "--from schedule"},
		"anybody may call":          {func(f *Facts) { f.Invokers[0].Members.Value["allUsers"] = true }, "invokers", Problem, "open to anybody", "remove-iam-policy-binding negfleet-events"},
		"not everybody may call":    {func(f *Facts) { f.Invokers[2].Members.Value["allUsers"] = false }, "invokers", Problem, "not open to anybody", "no-invoker-check"},
		"no sink":                   {func(f *Facts) { f.Sinks[0].Destination.Value = "" }, "sink", Problem, "no sink", "--from logs"},
		"a sink to elsewhere":       {func(f *Facts) { f.Sinks[0].Destination.Value = "x" }, "sink", Problem, "leads to x", ""},
		"a sink that is off":        {func(f *Facts) { f.Sinks[0].Disabled = true }, "sink", Problem, "switched off", "--no-disabled"},
		"another filter":            {func(f *Facts) { f.Sinks[0].Filter = "a" }, "sink", Warning, "filter", ""},
		"writes, no delivery":       {func(f *Facts) { f.Delivered.Value = time.Time{} }, "delivery", Problem, "logged 60 min ago, the events function's last delivery was none within a day", "resync"},
		"writes, an old delivery":   {func(f *Facts) { f.Delivered.Value = now.Add(-3 * time.Hour) }, "delivery", Problem, "last delivery was 3 h ago", ""},
		"a write a moment ago":      {func(f *Facts) { f.Sinks[0].Written.Value = now.Add(-time.Minute) }, "delivery", Warning, "60 s ago and is not delivered yet", "ask again"},
		"no write":                  {func(f *Facts) { f.Sinks[0].Written.Value = time.Time{} }, "delivery", Unknown, "nothing can be said", "kubectl annotate"},
		"no control plane is heard": {func(f *Facts) { f.Posted.Value = time.Time{} }, "delivery", Unknown, "published no key within a day", "cluster-events.md"},
		"a quota is nearly full":    {func(f *Facts) { f.Quotas[0].Limits.Value["NETWORK_ENDPOINT_GROUPS"] = Quota{80, 100} }, "quota", Warning, "80 of 100", "ask for more"},
		"a quota is full":           {func(f *Facts) { f.Quotas[0].Limits.Value["NETWORK_ENDPOINT_GROUPS"] = Quota{100, 100} }, "quota", Problem, "nothing new can be made", ""},
		"no quota is named":         {func(f *Facts) { f.Quotas[0].Limits.Value = nil }, "quota", Unknown, "names no quota", ""},
		"it does not answer":        {func(f *Facts) { cluster(f).Presence, cluster(f).Evidence = Got("unknown"), []string{"time-out"} }, "reach", Problem, "unknown: time-out", "negfleet clusters"},
		"both controllers":          {func(f *Facts) { cluster(f).AddOn = "on" }, "add-on", Problem, "negs: gke fits", "negs: gke"},
		"no controller":             {func(f *Facts) { cluster(f).NEGs = "gke" }, "add-on", Problem, "negs: managed fits", "negs: managed"},
		"the add-on is not known":   {func(f *Facts) { cluster(f).AddOn = "unknown" }, "add-on", Unknown, "did not say", "container.clusters.get in project p"},
		"it calls nobody":           {func(f *Facts) { cluster(f).CallsOut = Got(false) }, "egress", Problem, "NONE", "VIA_CONTROL_PLANE"},
		"routes":                    {func(f *Facts) { cluster(f).VPCNative = Got(false) }, "vpc-native", Problem, "routes-based", "make the cluster anew"},
		"no webhook":                {func(f *Facts) { cluster(f).Webhook = Got(Webhook{}) }, "webhook", Warning, "not registered", "negfleet webhook register c1"},
		"a webhook that fails":      {func(f *Facts) { cluster(f).Webhook.Value.Failure = "x509" }, "webhook", Problem, "x509", "admission.md"},
		"a webhook that denies":     {func(f *Facts) { cluster(f).Webhook.Value.FailurePolicy = "Fail" }, "webhook", Problem, "failurePolicy Fail", ""},
		"a role is missing":         {func(f *Facts) { cluster(f).Grants.Value[0] = Grant{Role: "Role n/r", Missing: true} }, "rbac", Problem, "no Role n/r", "--from clusters"},
		"a role is an old one":      {func(f *Facts) { cluster(f).Grants.Value[0].Lacks = []string{"patch services"} }, "rbac", Problem, "ClusterRole r does not allow to patch services", "infra/rbac"},
		"a role for another":        {func(f *Facts) { cluster(f).Grants.Value[0].Bound = []string{"x@p"} }, "rbac", Problem, "not bound to sweep@p", ""},
		"a role for nobody":         {func(f *Facts) { cluster(f).Grants.Value[0] = Grant{Role: "ClusterRole r"} }, "rbac", Problem, "bound to nobody", ""},
		"no Lease":                  {func(f *Facts) { cluster(f).Lease = Got(time.Time{}) }, "lease", Problem, "no Lease negfleet/negfleet", "LeaseNotRenewed"},
		"an old Lease":              {func(f *Facts) { cluster(f).Lease = Got(now.Add(-26 * time.Minute)) }, "lease", Problem, "26 min ago", ""},
		"a Lease that gets old":     {func(f *Facts) { cluster(f).Lease = Got(now.Add(-13 * time.Minute)) }, "lease", Warning, "13 min ago", ""},
		"a cluster's clock is off":  {func(f *Facts) { cluster(f).Clock = Got(-time.Minute) }, "clock", Warning, "60 s off Google's", "NTP"},
		"its clock is wrong":        {func(f *Facts) { cluster(f).Clock = Got(10 * time.Minute) }, "clock", Problem, "10 min off Google's", "NTP"},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			wrong := slices.DeleteFunc(Examine(f), func(f Finding) bool { return f.Status == OK })
			if len(wrong) != 1 {
				t.Fatalf("%d findings that are not ok: %+v", len(wrong), wrong)
			}
			got := wrong[0]
			if got.Check != c.check || got.Status != c.status || !strings.Contains(got.Evidence, c.evidence) || !strings.Contains(got.Do, c.doo) {
				t.Errorf("%+v\nwant a %s of %s with %q and %q", got, c.status, c.check, c.evidence, c.doo)
			}
		})
	}
}

// TestGaps: what was not read is unknown, with what would let it be read, and what has no
// meaning is skipped. Neither is ever ok.
func TestGaps(t *testing.T) {
	gap := Gap{Why: "HTTP 403", Need: "some.permission"}
	blind := func(gap Gap) Facts {
		f := healthy()
		f.Google = Without[time.Duration](gap)
		f.APIs[0].On = Without[map[string]bool](gap)
		f.Functions = Without[map[string]Deployed](gap)
		f.Rights[0].Held, f.Topics[0].Members = Without[map[string]bool](gap), Without[map[string]bool](gap)
		f.Subscriptions, f.Jobs = Without[map[string]Subscription](gap), Without[map[string]Job](gap)
		f.Sinks[0].Destination, f.Sinks[0].Written, f.Delivered = Without[string](gap), Without[time.Time](gap), Without[time.Time](gap)
		f.Posted = Without[time.Time](gap)
		for i := range f.Invokers {
			f.Invokers[i].Members = Without[map[string]bool](gap)
		}
		f.Quotas[0].Limits = Without[map[string]Quota](gap)
		k := &f.Clusters[0]
		k.Presence, k.CallsOut, k.VPCNative, k.Lease, k.Clock = Without[string](gap), Without[bool](gap), Without[bool](gap), Without[time.Time](gap), Without[time.Duration](gap)
		k.Grants = Without[[]Grant](gap)
		k.Webhook, k.Backends, k.Rules, k.AddOn = Without[Webhook](gap), Without[[]Backend](gap), Without[[]Rule](gap), "unknown"
		return f
	}
	for _, f := range Examine(blind(gap)) {
		if f.Status != Unknown || f.Do == "" || f.Evidence == "" {
			t.Errorf("not read: %+v", f)
		}
	}
	for _, f := range Examine(blind(Gap{Skip: true, Why: "an emulator"})) {
		if f.Status != Skipped && f.Check != "add-on" || f.Check != "add-on" && f.Evidence != "an emulator" {
			t.Errorf("skipped: %+v", f)
		}
	}
}

// TestOffGKE: where GKE says nothing, instances say whether addresses are aliases.
func TestOffGKE(t *testing.T) {
	backend := Backend{Address: "10.1.2.3", Port: 80, Known: true, Instance: "vm", Ranges: []string{"10.0.0.7/32", "10.1.2.0/24"}}
	outside, lost := backend, backend
	outside.Ranges, lost.Known = []string{"10.0.0.7/32"}, false
	for name, c := range map[string]struct {
		backends []Backend
		status   Status
		evidence string
	}{
		"aliases":     {[]Backend{backend}, OK, "1 address in the alias ranges"},
		"no alias":    {[]Backend{backend, outside}, Problem, "in no range of their instance: 10.1.2.3 on vm"},
		"no instance": {[]Backend{lost}, Problem, "no such instance in project p: vm"},
		"no Pod":      {nil, Unknown, "no Pod to go by"},
	} {
		f := healthy()
		f.Clusters[0].AddOn, f.Clusters[0].Backends = "none", Got(c.backends)
		if got := f.Clusters[0].vpcNative(); got.Status != c.status || !strings.Contains(got.Evidence, c.evidence) {
			t.Errorf("%s: %+v", name, got)
		}
		if got := f.Clusters[0].egress(); got.Status != Skipped {
			t.Errorf("egress: %+v", got)
		}
		if got := f.Clusters[0].addOn(); got.Status != OK {
			t.Errorf("add-on: %+v", got)
		}
	}
	f := healthy()
	f.Clusters[0].AddOn, f.Clusters[0].NEGs = "none", "gke"
	if got := f.Clusters[0].addOn(); got.Status != Problem {
		t.Errorf("negs: gke without GKE: %+v", got)
	}
}

// TestClock: ages are by Google's clock, whatever this machine believes.
func TestClock(t *testing.T) {
	f := healthy()
	f.Now, f.Google, f.Clusters[0].Clock = now.Add(-time.Hour), Got(time.Hour), Got(time.Hour)
	wrong := slices.DeleteFunc(Examine(f), func(f Finding) bool { return f.Status == OK })
	if len(wrong) != 1 || wrong[0].Check != "clock" || wrong[0].Subject != "this machine" || wrong[0].Status != Problem {
		t.Errorf("%+v", wrong)
	}
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		date, out, in int // ms
		want          time.Duration
	}{
		{0, 300, 400, 0}, {0, -300, 200, 0}, {0, 1000, 1100, 0}, {0, 3500, 3600, -2500 * time.Millisecond}, {5000, 300, 400, 4600 * time.Millisecond},
	} {
		if got := Ahead(at(c.date), at(c.out), at(c.in)); got != c.want {
			t.Errorf("a Date of %d ms between %d and %d: %s, want %s", c.date, c.out, c.in, got, c.want)
		}
	}
}

func TestDecommissioned(t *testing.T) {
	f := healthy()
	f.Clusters = []Cluster{{Name: "old", State: "decommissioned"}}
	all := Examine(f)
	if last := all[len(all)-1]; last.Subject != "old" || last.Status != Skipped || all[len(all)-2].Check != "quota" {
		t.Errorf("%+v", all)
	}
}

func TestParseFunctions(t *testing.T) {
	want := []Function{
		{"events", []Source{{"negfleet-audit", ""}}, []string{"negfleet-keys", "negfleet-clusters"}, false},
		{"sweep", []Source{{"negfleet-clusters", "/clusters"}, {}}, []string{"negfleet-keys"}, false},
		{"audit", nil, []string{"negfleet-keys"}, true},
	}
	if diff := cmp.Diff(want, ParseFunctions(list)); diff != "" {
		t.Error(diff)
	}
}

// TestRolesOfAGroup: who is in a group, or uses a Kubernetes service account, nobody here knows.
func TestRolesOfAGroup(t *testing.T) {
	f := healthy()
	f.Clusters[0].Grants = Got([]Grant{{Role: "ClusterRole r", Users: []string{"sweep@p"}, Others: []string{"Group operators"}}})
	for _, got := range Examine(f) {
		if got.Check == "rbac" && got.Status != OK {
			t.Errorf("%+v", got)
		}
	}
}

// TestCallersUnknown: where nobody says by which accounts a function is called, nobody can say
// whether they may; those of another function are no matter.
func TestCallersUnknown(t *testing.T) {
	gap := Gap{Why: "HTTP 403", Need: "some.permission"}
	for name, c := range map[string]struct {
		blind func(*Facts)
		want  map[string]Status
	}{
		"subscriptions": {func(f *Facts) { f.Subscriptions = Without[map[string]Subscription](gap) }, map[string]Status{"negfleet-events": Unknown, "negfleet-sweep": Unknown, "negfleet-audit": OK}},
		"jobs":          {func(f *Facts) { f.Jobs = Without[map[string]Job](gap) }, map[string]Status{"negfleet-events": OK, "negfleet-sweep": Unknown, "negfleet-audit": OK}},
	} {
		f := healthy()
		c.blind(&f)
		got := map[string]Status{}
		for _, finding := range Examine(f) {
			if finding.Check == "invokers" {
				got[finding.Subject] = finding.Status
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", name, diff)
		}
	}
}
