package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

const version = "google_secret_manager_secret_version"

// A life is one resource through plans and applies.
type life struct {
	t      *testing.T
	server Server
	kind   tftypes.Type
	state  *tfprotov6.DynamicValue
}

func newLife(t *testing.T) *life {
	t.Helper()
	providers, err := schema.Providers()
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, server: Server{Schema: providers["google"]}}
	l.kind = typeOf(l.server.Schema.Resources[version])
	l.state = l.value(nil)
	return l
}

func (l *life) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// value is an object with some arguments; nil is none at all.
func (l *life) value(arguments map[string]string) *tfprotov6.DynamicValue {
	l.t.Helper()
	object := tftypes.NewValue(l.kind, nil)
	if arguments != nil {
		values := map[string]tftypes.Value{}
		for _, a := range l.server.Schema.Resources[version].Attributes {
			values[a.Name] = tftypes.NewValue(tftypes.String, nil)
			if v, given := arguments[a.Name]; given {
				values[a.Name] = tftypes.NewValue(tftypes.String, v)
			}
		}
		object = tftypes.NewValue(l.kind, values)
	}
	v, err := tfprotov6.NewDynamicValue(l.kind, object)
	l.check(err)
	return &v
}

// text is an argument's value: its text, or unknown, or null.
func (l *life) text(v *tfprotov6.DynamicValue, name string) string {
	l.t.Helper()
	object, err := v.Unmarshal(l.kind)
	l.check(err)
	var values map[string]tftypes.Value
	l.check(object.As(&values))
	switch each := values[name]; {
	case !each.IsKnown():
		return "unknown"
	case each.IsNull():
		return "null"
	default:
		var text string
		l.check(each.As(&text))
		return text
	}
}

func (l *life) plan(proposed *tfprotov6.DynamicValue) *tfprotov6.PlanResourceChangeResponse {
	l.t.Helper()
	r, err := l.server.PlanResourceChange(l.t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: version, PriorState: l.state, ProposedNewState: proposed, Config: proposed})
	l.check(err)
	return r
}

func (l *life) apply(planned *tfprotov6.DynamicValue) {
	l.t.Helper()
	r, err := l.server.ApplyResourceChange(l.t.Context(), &tfprotov6.ApplyResourceChangeRequest{TypeName: version, PriorState: l.state, PlannedState: planned, Config: planned})
	l.check(err)
	l.state = r.NewState
}

// TestLife: what the API answers is unknown until it is applied, what is written is kept nowhere,
// and an argument that cannot change makes a new resource.
func TestLife(t *testing.T) {
	l := newLife(t)
	arguments := map[string]string{"secret": "projects/p/secrets/s", "secret_data_wo": "never", "secret_data_wo_version": "1"}
	p := l.plan(l.value(arguments))
	if id, data := l.text(p.PlannedState, "id"), l.text(p.PlannedState, "secret_data_wo"); id != "unknown" || data != "null" {
		t.Errorf("planned: id %s, data %s", id, data)
	}
	l.apply(p.PlannedState)
	if id, data := l.text(l.state, "id"), l.text(l.state, "secret_data_wo"); id != "projects/p/secrets/s/versions/1" || data != "null" {
		t.Errorf("applied: id %s, data %s", id, data)
	}
	// As Terraform proposes: what comes from the API stays.
	arguments["id"], arguments["deletion_policy"] = l.text(l.state, "id"), l.text(l.state, "deletion_policy")
	if p := l.plan(l.value(arguments)); len(p.RequiresReplace) != 0 || l.text(p.PlannedState, "id") != arguments["id"] {
		t.Errorf("nothing has changed: %v, id %s", p.RequiresReplace, l.text(p.PlannedState, "id"))
	}
	arguments["secret_data_wo_version"] = "2"
	if p := l.plan(l.value(arguments)); len(p.RequiresReplace) != 1 {
		t.Errorf("another version: replaces for %v", p.RequiresReplace)
	}
	l.apply(l.value(nil))
	if gone, err := l.state.IsNull(); err != nil || !gone {
		t.Errorf("destroyed: there is something left, %v", err)
	}
}

// TestRefused: a value that the real provider would not take.
func TestRefused(t *testing.T) {
	l := newLife(t)
	for value, problems := range map[string]int{"ABANDON": 0, "KEEP": 1} {
		r, err := l.server.ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: version, Config: l.value(map[string]string{"secret": "s", "deletion_policy": value})})
		if err != nil || len(r.Diagnostics) != problems {
			t.Errorf("%s: %v, %v", value, r.Diagnostics, err)
		}
	}
}
