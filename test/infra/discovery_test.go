package infra

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A shape is a schema of a discovery document.
type shape struct {
	Ref        string           `json:"$ref"`
	Type       string           `json:"type"`
	Format     string           `json:"format"`
	Enum       []string         `json:"enum"`
	Properties map[string]shape `json:"properties"`
	Additional *shape           `json:"additionalProperties"`
	Items      *shape           `json:"items"`
}

// An api is what a discovery document, which comes with Google's client, says of messages.
type api map[string]shape

func discovered(t *testing.T, file string) api {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), file))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Schemas api `json:"schemas"`
	}
	if err := json.Unmarshal(data, &document); err != nil || len(document.Schemas) == 0 {
		t.Fatalf("%s: %v", file, err)
	}
	return document.Schemas
}

// wrong says where a value is not of a shape: a field that there is not, another type, a word that
// is none of those there are.
func (a api) wrong(at string, s shape, v any) (all []string) {
	if s.Ref != "" {
		s = a[s.Ref]
	}
	if list, ok := v.([]any); ok && s.Type == "object" && len(list) <= 1 {
		v = nil // Terraform has one block in a list
		if len(list) == 1 {
			v = list[0]
		}
	}
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		return a.fields(at, s, v)
	case []any:
		if s.Type != "array" {
			return []string{fmt.Sprintf("%s: %s instead of a list", at, s.Type)}
		}
		for i, each := range v {
			all = append(all, a.wrong(fmt.Sprintf("%s[%d]", at, i), *s.Items, each)...)
		}
		return all
	case string:
		if s.Type != "string" || v != "" && len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return []string{fmt.Sprintf("%s: %q, want %s %v", at, v, s.Type, s.Enum)}
		}
	case bool:
		if s.Type != "boolean" {
			return []string{fmt.Sprintf("%s: %v, want %s", at, v, s.Type)}
		}
	case float64:
		if s.Type != "integer" && s.Type != "number" && s.Format != "int64" {
			return []string{fmt.Sprintf("%s: %v, want %s", at, v, s.Type)}
		}
	}
	return nil
}

func (a api) fields(at string, s shape, object map[string]any) (all []string) {
	for name, v := range object {
		if s.Additional != nil {
			all = append(all, a.wrong(at+"."+name, *s.Additional, v)...)
			continue
		}
		field, found := s.Properties[camel(name)]
		if !found {
			all = append(all, at+" has no field "+camel(name))
			continue
		}
		all = append(all, a.wrong(at+"."+camel(name), field, v)...)
	}
	return all
}

// camel is how the API spells an argument.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts[1:] {
		if part != "" {
			parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// messages are the resources whose arguments are the API's own fields, and what of them is of
// Terraform alone.
var messages = map[string]struct {
	file, message string
	apart         []string
}{
	"google_cloudfunctions2_function": {"cloudfunctions/v2/cloudfunctions-api.json", "Function", []string{"location"}},
	"google_cloud_scheduler_job":      {"cloudscheduler/v1/cloudscheduler-api.json", "Job", []string{"region"}},
	"google_logging_metric":           {"logging/v2/logging-api.json", "LogMetric", nil},
	"google_logging_project_sink":     {"logging/v2/logging-api.json", "LogSink", []string{"unique_writer_identity"}},
	"google_monitoring_alert_policy":  {"monitoring/v3/monitoring-api.json", "AlertPolicy", nil},
	"google_pubsub_subscription":      {"pubsub/v1/pubsub-api.json", "Subscription", nil},
	"google_pubsub_topic":             {"pubsub/v1/pubsub-api.json", "Topic", nil},
}

// TestAgainstTheAPIs: what Terraform makes is of the shape that Google's own documents give: no
// field is misspelt, and each word is one of those there are.
func TestAgainstTheAPIs(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range monitored(t) {
		m, known := messages[r.Type]
		if !known {
			continue
		}
		seen[r.Type] = true
		values := map[string]any{}
		for name, v := range r.Values {
			if name != "id" && name != "project" && !slices.Contains(m.apart, name) {
				values[name] = v
			}
		}
		for _, problem := range discovered(t, m.file).wrong(r.Address, shape{Ref: m.message}, values) {
			t.Error(problem)
		}
	}
	if len(seen) != len(messages) {
		t.Errorf("only %v are made", seen)
	}
}

// TestDashboardAgainstTheAPI: the same of the dashboard, which Terraform passes on as it is.
func TestDashboardAgainstTheAPI(t *testing.T) {
	for _, r := range monitored(t) {
		if r.Type != "google_monitoring_dashboard" {
			continue
		}
		var dashboard map[string]any
		if err := json.Unmarshal([]byte(at(r.Values, "dashboard_json")), &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, problem := range discovered(t, "monitoring/v1/monitoring-api.json").wrong("dashboard", shape{Ref: "Dashboard"}, dashboard) {
			t.Error(problem)
		}
		return
	}
	t.Error("there is no dashboard")
}

// TestShape: what is wrong is told.
func TestShape(t *testing.T) {
	a := api{
		"Thing": {Type: "object", Properties: map[string]shape{
			"oneWord": {Type: "string", Enum: []string{"A", "B"}}, "count": {Type: "integer"}, "part": {Ref: "Thing"}, "parts": {Type: "array", Items: &shape{Ref: "Thing"}},
			"labels": {Type: "object", Additional: &shape{Type: "string"}},
		}},
	}
	for text, problems := range map[string]int{
		`{"one_word":"A","count":1,"part":[{"count":2}],"parts":[{"count":3},{}],"labels":{"any_name":"x"}}`: 0,
		`{"one_word":"C"}`:                1,
		`{"count":"1"}`:                   1,
		`{"other":1}`:                     1,
		`{"part":[{"other":1}]}`:          1,
		`{"part":[{},{}]}`:                1,
		`{"parts":[{"one_word":"C"}]}`:    1,
		`{"labels":{"a":1}}`:              1,
		`{"part":[],"parts":[]}`:          0,
		`{"count":true,"labels":{"a":0}}`: 2,
	} {
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := a.wrong("thing", shape{Ref: "Thing"}, v); len(got) != problems {
			t.Errorf("%s: %q, want %d", text, got, problems)
		}
	}
}
