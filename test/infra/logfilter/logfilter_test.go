package logfilter

import (
	"encoding/json"
	"testing"
)

const entry = `{"severity":"WARNING","logName":"projects/p/logs/run.googleapis.com%2Fstderr",
"resource":{"type":"cloud_run_revision","labels":{"service_name":"negfleet-sweep"}},
"jsonPayload":{"message":"Swept","cluster":"","unread":2,"key":"c1/shop/web"}}`

func parsed(t *testing.T) (e Entry) {
	t.Helper()
	if err := json.Unmarshal([]byte(entry), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMatches(t *testing.T) {
	for filter, want := range map[string]bool{
		`resource.type="cloud_run_revision"`:                   true,
		`resource.type = gce_instance`:                         false,
		`jsonPayload.message="swept"`:                          true, // whatever the case
		`jsonPayload.message=~"swept"`:                         false,
		`jsonPayload.message=~"^Sw" AND jsonPayload.unread>=2`: true,
		`jsonPayload.unread>2`:                                 false,
		`jsonPayload.unread<10`:                                true, // as numbers
		`jsonPayload.cluster=~"."`:                             false,
		`NOT jsonPayload.cluster=~"."`:                         true,
		`jsonPayload.absent=~"."`:                              false,
		`jsonPayload.absent!="x"`:                              false,
		`NOT jsonPayload.absent="x"`:                           true,
		`jsonPayload.key:"shop"`:                               true,
		`jsonPayload.key:*`:                                    true,
		`jsonPayload.absent:*`:                                 false,
		`severity>=WARNING`:                                    true,
		`severity>=ERROR`:                                      false,
		`resource.labels.service_name=("negfleet-audit" OR "negfleet-sweep")`:    true,
		`resource.labels.service_name=("negfleet-audit" OR "negfleet-events")`:   false,
		`severity=ERROR OR severity=WARNING AND jsonPayload.unread=1`:            false, // OR binds closer
		`severity=ERROR AND severity=WARNING OR jsonPayload.unread=2`:            false,
		`(severity=ERROR AND severity=WARNING) OR jsonPayload.unread=2`:          true,
		"severity=WARNING\njsonPayload.unread=2":                                 true, // a new line is AND
		`NOT (severity=WARNING AND NOT jsonPayload.unread=2)`:                    true,
		`logName:"run.googleapis.com%2Fstderr" AND jsonPayload.key=~"^c1/shop/"`: true,
	} {
		f, err := Parse(filter)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := f.Matches(parsed(t)); got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
}

func TestWhatIsNoFilter(t *testing.T) {
	for _, filter := range []string{`a=`, `a`, `(a=1`, `a=1)`, `a=~"("`, `a=(1 2)`, `a=(1 OR`, `=1`, `"text"`, `a=1 AND`, `a~1`, `a="`} {
		if f, err := Parse(filter); err == nil {
			t.Errorf("%s: no error, fields %v", filter, f.Fields())
		}
	}
}

func TestExtract(t *testing.T) {
	for expression, want := range map[string]any{
		`EXTRACT(jsonPayload.unread)`:                    2.0,
		`EXTRACT(jsonPayload.absent)`:                    nil,
		`REGEXP_EXTRACT(jsonPayload.key, "^([^/]+)/")`:   "c1",
		`REGEXP_EXTRACT(jsonPayload.key, "^([0-9]+)/")`:  nil,
		`REGEXP_EXTRACT(jsonPayload.absent, "^([^/]+)")`: nil,
	} {
		got, found, err := Extract(expression, parsed(t))
		if err != nil || got != want || found != (want != nil) {
			t.Errorf("%s: %v %v %v", expression, got, found, err)
		}
	}
	for _, expression := range []string{`jsonPayload.unread`, `REGEXP_EXTRACT(jsonPayload.key, "^[^/]+/")`, `REGEXP_EXTRACT(jsonPayload.key, "(")`} {
		if _, _, err := Extract(expression, parsed(t)); err == nil {
			t.Errorf("%s: no error", expression)
		}
	}
}
