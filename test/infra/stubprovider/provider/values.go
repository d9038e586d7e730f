package provider

import (
	"math/big"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

// planned is a proposed state with what the API will answer still unknown, and what is written
// and not kept left out.
func planned(b *schema.Block, proposed tftypes.Value, changed bool) (tftypes.Value, error) {
	return tftypes.Transform(proposed, func(path *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		a := attributeAt(b, path)
		switch {
		case a == nil:
			return v, nil
		case a.Written:
			return tftypes.NewValue(v.Type(), nil), nil
		case a.Computed && v.IsKnown() && v.IsNull(), a.Volatile && changed:
			return tftypes.NewValue(v.Type(), tftypes.UnknownValue), nil
		}
		return v, nil
	})
}

// computed is a state with an answer for what was unknown.
func computed(b *schema.Block, state tftypes.Value) (tftypes.Value, error) {
	var root map[string]tftypes.Value
	if err := state.As(&root); err != nil {
		return state, err
	}
	return tftypes.Transform(state, func(path *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		a := attributeAt(b, path)
		switch {
		case a == nil:
			return v, nil
		case a.Written:
			return tftypes.NewValue(v.Type(), nil), nil
		case a.Computed && (!v.IsKnown() || v.IsNull()):
			return answer(a, v.Type(), root), nil
		}
		return v, nil
	})
}

// answer is what the stand-in has for a value that comes from the API.
func answer(a *schema.Attribute, t tftypes.Type, root map[string]tftypes.Value) tftypes.Value {
	switch {
	case t.Is(tftypes.String):
		return tftypes.NewValue(t, expand(a.Value, root))
	case t.Is(tftypes.Number):
		return tftypes.NewValue(t, big.NewFloat(0))
	case t.Is(tftypes.Bool):
		return tftypes.NewValue(t, false)
	}
	return tftypes.NewValue(t, nil)
}

// expand replaces {NAME} by the argument of that name.
func expand(text string, root map[string]tftypes.Value) string {
	for name, v := range root {
		var value string
		if v.IsKnown() && !v.IsNull() && v.Type().Is(tftypes.String) && v.As(&value) == nil {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
	}
	return text
}

// replacing are the paths of changes that make a new resource.
func replacing(b *schema.Block, prior, next tftypes.Value) ([]*tftypes.AttributePath, error) {
	var was, is map[string]tftypes.Value
	if err := prior.As(&was); err != nil {
		return nil, err
	}
	if err := next.As(&is); err != nil {
		return nil, err
	}
	var paths []*tftypes.AttributePath
	for _, a := range b.Attributes {
		if a.Replaces && !was[a.Name].Equal(is[a.Name]) {
			paths = append(paths, tftypes.NewAttributePath().WithAttributeName(a.Name))
		}
	}
	return paths, nil
}

// refused are the values that the real provider would refuse.
func refused(b *schema.Block, config tftypes.Value) ([]*tfprotov6.Diagnostic, error) {
	var all []*tfprotov6.Diagnostic
	err := tftypes.Walk(config, func(path *tftypes.AttributePath, v tftypes.Value) (bool, error) {
		a := attributeAt(b, path)
		var value string
		if a == nil || a.Type != "string" || !v.IsKnown() || v.IsNull() || v.As(&value) != nil {
			return true, nil
		}
		if problem := a.Refuses(value); problem != "" {
			all = append(all, &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: problem, Attribute: path})
		}
		return true, nil
	})
	return all, err
}
