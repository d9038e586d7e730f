package fakegce_test

import (
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

// TestAge: what a path fits is older from then on, and nothing else is.
func TestAge(t *testing.T) {
	_, c := start(t, fakegce.Options{Clock: fakegce.NewManualClock(noon)})
	a := admin.Client{Base: c.base}
	c.insert("old")
	c.insert("young")
	if err := a.Age(t.Context(), fakegce.Ageing{Path: "/old$", By: fakegce.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"old": noon.Add(-time.Hour), "young": noon} {
		text, _ := c.ok("GET", zone+"networkEndpointGroups/"+name, "")["creationTimestamp"].(string)
		created, err := time.Parse(time.RFC3339, text)
		if err != nil || !created.Equal(want) {
			t.Errorf("%s was created at %s, want %s: %v", name, text, want, err)
		}
	}
	for _, wrong := range []fakegce.Ageing{{}, {Path: "(", By: 1}, {Path: "/none$", By: 1}, {Path: "/old$"}, {Path: "/old$", By: -1}} {
		if err := a.Age(t.Context(), wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}
