package infra

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/infra/logfilter"
)

// counts are, by metric, the lines of a run that are counted, by what tells them apart. A metric
// without a line here counts nothing, and the test fails.
var counts = map[string][]string{
	"outcomes": {
		"negfleet-readiness cluster=c1 outcome=done reason=",
		"negfleet-reconcile cluster= outcome=again reason=",
		"negfleet-reconcile cluster= outcome=blocked reason=BadMessage",
		"negfleet-reconcile cluster=c1 outcome=blocked reason=QuotaExceeded",
		"negfleet-reconcile cluster=c1 outcome=done reason=",
	},
	"look_age":  {"negfleet-reconcile source=audit"},
	"entry_lag": {"negfleet-audit"},
	"missed_injections": {
		"negfleet-audit cluster=prod-eu reason=cluster does not answer",
		"negfleet-audit cluster=prod-eu reason=deadline",
		"negfleet-audit cluster=prod-eu reason=failed open",
	},
	"missed_reviews":     {"negfleet-admission cluster=c1 reason=LeaseStale"},
	"sweeps":             {"negfleet-sweep"},
	"sweep_failures":     {"negfleet-sweep reason=SweepFailed"},
	"unknown_scopes":     {"negfleet-sweep"},
	"stale_leases":       {"negfleet-sweep cluster=c1"},
	"ungated_namespaces": {"negfleet-sweep cluster=c1"},
	"low_quotas":         {"negfleet-sweep"},
	"quota_used":         {"negfleet-sweep"},
}

// A metric is one of infra/monitoring.tf.
type metric struct {
	Filter string
	Labels map[string]string
	Value  *value
}

// A value is what the distribution of a metric is of.
type value struct {
	Of, Unit string
	Bounds   []float64
}

// metrics are read without Terraform.
func metrics(t *testing.T) (all map[string]metric) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), stubprovider(t), "local", filepath.Join(root, "infra"), "metrics").Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil || len(all) == 0 {
		t.Fatalf("%d metrics, %v: %s", len(all), err, out)
	}
	return all
}

// TestCounted: each log-based metric counts what the functions write, no more of it than it is
// about, with all its labels; and what is a distribution has a number to take.
func TestCounted(t *testing.T) {
	entries, metrics := ran(t), metrics(t)
	for name := range metrics {
		if counts[name] == nil {
			t.Errorf("metric %s: this test does not know what it should count", name)
		}
	}
	for name, want := range counts {
		m, found := metrics[name]
		if !found {
			t.Errorf("there is no metric %s", name)
			continue
		}
		if diff := cmp.Diff(want, m.counted(t, entries)); diff != "" {
			t.Errorf("metric %s: %s\n(-want +got)\n%s", name, m.Filter, diff)
		}
	}
}

// TestSweepsCounted: a run over the fleet is a sweep, one over a single cluster is none.
func TestSweepsCounted(t *testing.T) {
	filter, err := logfilter.Parse(metrics(t)["sweeps"].Filter)
	if err != nil {
		t.Fatal(err)
	}
	swept := map[bool]int{}
	for _, e := range ran(t) {
		if at(e, "jsonPayload", "message") == "swept" {
			swept[filter.Matches(e)]++
		}
	}
	if swept[true] != 3 || swept[false] != 1 {
		t.Errorf("counted %d, left out %d; want the three of the fleet counted", swept[true], swept[false])
	}
}

// counted are the labels of the entries that a metric is about, each once, sorted.
func (m metric) counted(t *testing.T, entries []logfilter.Entry) (all []string) {
	t.Helper()
	filter, err := logfilter.Parse(m.Filter)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !filter.Matches(e) {
			continue
		}
		words := []string{at(e, "resource", "labels", "service_name")}
		for _, label := range slices.Sorted(maps.Keys(m.Labels)) {
			words = append(words, label+"="+extracted(t, m.Labels[label], e))
		}
		all = append(all, strings.Join(words, " "))
		if m.Value == nil {
			continue
		}
		if v, _, err := logfilter.Extract(m.Value.Of, e); err != nil || !isNumber(v) {
			t.Errorf("%s: value %v, %v", m.Value.Of, v, err)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func isNumber(v any) bool {
	_, ok := v.(float64)
	return ok
}

func extracted(t *testing.T, expression string, e logfilter.Entry) string {
	t.Helper()
	v, found, err := logfilter.Extract(expression, e)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return ""
	}
	return fmt.Sprint(v)
}

var lastRun []logfilter.Entry

// ran are the entries of one run of all functions.
func ran(t *testing.T) []logfilter.Entry {
	t.Helper()
	if lastRun == nil {
		f := newFleet(t)
		f.run()
		lastRun = f.entries()
	}
	return lastRun
}

var lastState []resource

// monitored is the state of a deployment with all its alerts.
func monitored(t *testing.T) []resource {
	t.Helper()
	if lastState == nil {
		lastState = applied(t, nil)
	}
	return lastState
}

// applied is the state of a deployment with some settings of its own.
func applied(t *testing.T, settings map[string]any) []resource {
	t.Helper()
	w := newWorkspace(t)
	all := map[string]any{"project": "my-project", "region": "europe-west1", "fleet_file": absolute(t, "test/deploy/testdata/fleet.yaml")}
	maps.Copy(all, settings)
	w.settings(all)
	return w.applied()
}

// platform are the metrics of Google's own that alerts and charts use: their resource, and the
// labels of the metric beside those of the resource.
//
//	pubsub, run   https://cloud.google.com/monitoring/api/metrics_gcp_p_z
//	logging       https://cloud.google.com/monitoring/api/metrics_gcp_i_o
//	resources     https://cloud.google.com/monitoring/api/resources
var platform = map[string]struct {
	resource string
	labels   []string
}{
	"pubsub.googleapis.com/subscription/oldest_unacked_message_age": {"pubsub_subscription", nil},
	"pubsub.googleapis.com/subscription/num_undelivered_messages":   {"pubsub_subscription", nil},
	"logging.googleapis.com/log_entry_count":                        {"cloud_scheduler_job", []string{"log", "severity"}},
	"run.googleapis.com/request_count":                              {"cloud_run_revision", []string{"response_code", "response_code_class"}},
	"run.googleapis.com/request_latencies":                          {"cloud_run_revision", []string{"response_code", "response_code_class"}},
}

// named are the labels of a resource that name something of ours, and the type and argument of
// what they name.
var names = map[string]struct{ kind, argument string }{
	"subscription_id": {"google_pubsub_subscription", "name"},
	"service_name":    {"google_cloudfunctions2_function", "name"},
	"job_id":          {"google_cloud_scheduler_job", "name"},
}

// TestMetrics: Terraform makes the metrics that were counted, as they were.
func TestMetrics(t *testing.T) {
	made := map[string]metric{}
	for _, r := range monitored(t) {
		if r.Type != "google_logging_metric" {
			continue
		}
		m := metric{Filter: at(r.Values, "filter"), Labels: map[string]string{}}
		extractors, _ := r.Values["label_extractors"].(map[string]any)
		for label, expression := range extractors {
			m.Labels[label] = fmt.Sprint(expression)
		}
		if of := at(r.Values, "value_extractor"); of != "" {
			m.Value = &value{Of: of, Unit: at(r.Values, "metric_descriptor", 0, "unit"), Bounds: bounds(r)}
		}
		made[strings.TrimPrefix(at(r.Values, "name"), "negfleet/")] = m
	}
	if diff := cmp.Diff(metrics(t), made); diff != "" {
		t.Errorf("(-monitoring.tf +Terraform)\n%s", diff)
	}
}

// bounds are those of a distribution's buckets.
func bounds(r resource) (all []float64) {
	options, _ := r.Values["bucket_options"].([]any)
	explicit, _ := options[0].(map[string]any)["explicit_buckets"].([]any)
	list, _ := explicit[0].(map[string]any)["bounds"].([]any)
	for _, bound := range list {
		all = append(all, bound.(float64))
	}
	return all
}

// TestWatched: alerts and charts ask for metrics that there are, by labels that these have, of
// subscriptions, functions and jobs that are made.
func TestWatched(t *testing.T) {
	state := monitored(t)
	if n := len(queries(t, state)); n < 20 {
		t.Fatalf("alerts and charts have %d queries", n)
	}
	few := applied(t, map[string]any{"functions_list": absolute(t, "test/deploy/testdata/admission.list")})
	for _, state := range [][]resource{state, few} {
		for what, q := range queries(t, state) {
			if problem := q.wrong(state); problem != "" {
				t.Errorf("%s: %s: %s", what, q.filter, problem)
			}
		}
	}
}

// A query is one of an alert or a chart.
type query struct {
	filter string
	by     []string // resource.label.X, metric.label.X
}

var comparison = regexp.MustCompile(`^(resource\.type|metric\.type|(resource|metric)\.labels\.([a-z_]+)) ?= ?(?:one_of\((.*)\)|("[^"]*"))$`)

func (q query) wrong(state []resource) string {
	var kind, metric string
	labels := map[string][]string{} // of the metric or the resource, and the values asked for
	for part := range strings.SplitSeq(q.filter, " AND ") {
		m := comparison.FindStringSubmatch(part)
		if m == nil {
			return "cannot read " + part
		}
		values := strings.Split(strings.ReplaceAll(m[4]+m[5], `"`, ""), ",")
		switch m[1] {
		case "resource.type":
			kind = values[0]
		case "metric.type":
			metric = values[0]
		default:
			labels[m[2]+"."+m[3]] = values
		}
	}
	for _, by := range q.by {
		side, name, _ := strings.Cut(by, ".label.")
		labels[side+"."+name] = nil
	}
	has, problem := labelsOf(kind, metric, state)
	if problem != "" {
		return problem
	}
	for label, values := range labels {
		side, name, _ := strings.Cut(label, ".")
		if side == "metric" && !slices.Contains(has, name) {
			return metric + " has no label " + name
		}
		if side != "resource" {
			continue
		}
		named, known := names[name]
		if !known {
			return "resource label " + name + " is not known to this test"
		}
		for _, value := range values {
			if !slices.ContainsFunc(state, func(r resource) bool { return r.Type == named.kind && at(r.Values, named.argument) == value }) {
				return "there is no " + name + " " + value
			}
		}
	}
	return ""
}

// labelsOf are the labels of a metric.
func labelsOf(kind, metric string, state []resource) (labels []string, problem string) {
	name, own := strings.CutPrefix(metric, "logging.googleapis.com/user/")
	if !own {
		p, known := platform[metric]
		if !known || p.resource != kind {
			return nil, "metric " + metric + " of " + kind + " is not known to this test"
		}
		return p.labels, ""
	}
	for _, r := range state {
		if r.Type == "google_logging_metric" && at(r.Values, "name") == name {
			extractors, _ := r.Values["label_extractors"].(map[string]any)
			return slices.Collect(maps.Keys(extractors)), described(r, extractors)
		}
	}
	return nil, "there is no metric " + name
}

// described says which label has an extractor and no descriptor, or the reverse.
func described(metric resource, extractors map[string]any) string {
	var keys []string
	descriptor, _ := metric.Values["metric_descriptor"].([]any)
	block, _ := descriptor[0].(map[string]any)
	labels, _ := block["labels"].([]any)
	for _, label := range labels {
		keys = append(keys, at(label, "key"))
	}
	slices.Sort(keys)
	return cmp.Diff(slices.Sorted(maps.Keys(extractors)), keys)
}

// queries are those of all alerts and charts, by what they are of.
func queries(t *testing.T, state []resource) map[string]query {
	t.Helper()
	all := map[string]query{}
	for _, r := range state {
		switch r.Type {
		case "google_monitoring_alert_policy":
			conditions, _ := r.Values["conditions"].([]any)
			for _, c := range conditions {
				for _, kind := range []string{"condition_threshold", "condition_absent"} {
					if filter := at(c, kind, 0, "filter"); filter != "" {
						all[at(r.Values, "display_name")+": "+at(c, "display_name")] = query{filter, groups(c, kind)}
					}
				}
			}
		case "google_monitoring_dashboard":
			for title, q := range charts(t, at(r.Values, "dashboard_json")) {
				all["chart "+title] = q
			}
		}
	}
	return all
}

func groups(condition any, kind string) (by []string) {
	object, _ := condition.(map[string]any)
	blocks, _ := object[kind].([]any)
	block, _ := blocks[0].(map[string]any)
	aggregations, _ := block["aggregations"].([]any)
	for _, a := range aggregations {
		fields, _ := a.(map[string]any)["group_by_fields"].([]any)
		for _, f := range fields {
			by = append(by, fmt.Sprint(f))
		}
	}
	return by
}

// charts are those of a dashboard, which must not lie one upon another.
func charts(t *testing.T, text string) map[string]query {
	t.Helper()
	var d struct {
		DisplayName  string
		MosaicLayout struct {
			Columns int
			Tiles   []struct {
				XPos, YPos, Width, Height int
				Widget                    struct {
					Title   string
					XyChart struct {
						DataSets []struct {
							PlotType        string
							TimeSeriesQuery struct {
								TimeSeriesFilter struct {
									Filter      string
									Aggregation struct{ GroupByFields []string }
								}
							}
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	all, places := map[string]query{}, map[string]bool{}
	for _, tile := range d.MosaicLayout.Tiles {
		place := fmt.Sprint(tile.XPos, tile.YPos)
		if places[place] || tile.XPos+tile.Width > d.MosaicLayout.Columns || len(tile.Widget.XyChart.DataSets) != 1 {
			t.Errorf("chart %s: at %s, of width %d, with %d data sets", tile.Widget.Title, place, tile.Width, len(tile.Widget.XyChart.DataSets))
			continue
		}
		places[place] = true
		f := tile.Widget.XyChart.DataSets[0].TimeSeriesQuery.TimeSeriesFilter
		all[tile.Widget.Title] = query{f.Filter, f.Aggregation.GroupByFields}
	}
	if len(all) == 0 || len(all) != len(d.MosaicLayout.Tiles) {
		t.Errorf("%d charts have %d titles", len(d.MosaicLayout.Tiles), len(all))
	}
	return all
}

// TestAlertsAreExplained: each alert says where to read what to do, and that is there.
func TestAlertsAreExplained(t *testing.T) {
	page := text(t, "docs/operators/monitoring.md")
	titles, conditions := map[string]bool{}, 0
	for _, r := range monitored(t) {
		if r.Type != "google_monitoring_alert_policy" {
			continue
		}
		list, _ := r.Values["conditions"].([]any)
		conditions += len(list)
		title := strings.TrimPrefix(at(r.Values, "display_name"), "negfleet: ")
		titles[title] = true
		if !strings.Contains(page, "\n## "+title+"\n") {
			t.Errorf("docs/operators/monitoring.md has no heading %q", title)
		}
		anchor := strings.ReplaceAll(strings.ToLower(title), " ", "-")
		if content := at(r.Values, "documentation", 0, "content"); !strings.Contains(content, "docs/operators/monitoring.md#"+anchor+")") {
			t.Errorf("alert %s says %s; want a link to #%s", title, content, anchor)
		}
	}
	if want := fmt.Sprintf("there are %d conditions", conditions); !strings.Contains(page, want) {
		t.Errorf("docs/operators/monitoring.md does not say %q", want)
	}
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(page, -1) {
		if !titles[heading[1]] && !slices.Contains(besides, heading[1]) {
			t.Errorf("docs/operators/monitoring.md explains %q, and there is no such alert", heading[1])
		}
	}
}

// besides are the headings of the page that are no alerts.
var besides = []string{"Set it up", "The dashboard", "What is counted", "What is not watched"}

// TestFollowingIsNoDelay: a Pod that does not become healthy keeps readiness at its message for
// 500 s, and that is no alert.
func TestFollowingIsNoDelay(t *testing.T) {
	limits := map[string]float64{}
	for _, r := range monitored(t) {
		list, _ := r.Values["conditions"].([]any)
		for _, each := range list {
			filter := at(each, "condition_threshold", 0, "filter")
			if !strings.Contains(filter, "oldest_unacked_message_age") {
				continue
			}
			limit, err := strconv.ParseFloat(at(each, "condition_threshold", 0, "threshold_value"), 64)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range regexp.MustCompile(`"(negfleet-[a-z-]+)"`).FindAllStringSubmatch(filter, -1) {
				limits[id[1]] = limit
			}
		}
	}
	if limits["negfleet-gates-readiness"] <= 500 || limits["negfleet-keys-reconcile"] != 300 || limits["negfleet-audit-events"] != 300 {
		t.Errorf("limits in seconds: %v", limits)
	}
}
