package config

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// readSchema reads the schema that is shipped for editors.
func readSchema(t testing.TB) *spec.Schema {
	t.Helper()
	raw, err := os.ReadFile("../../infra/fleet.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &spec.Schema{}
	if err := json.Unmarshal(raw, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// bySchema is what the schema finds wrong with a fleet file.
func bySchema(t testing.TB, s *spec.Schema, text string) []error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	// Editors see JSON's types: a number is a float.
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(s, nil, "", strfmt.Default).Validate(value).Errors
}

// TestSchemaHasTheFields: parser and schema know the same ones.
func TestSchemaHasTheFields(t *testing.T) {
	var parsed []string
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of == reflect.TypeFor[text]() {
			return
		}
		for field := range of.Fields() {
			name := prefix + field.Tag.Get("yaml")
			parsed = append(parsed, name)
			walk(name+".", field.Type)
		}
	}
	walk("", reflect.TypeFor[fleetFile]())
	var known []string
	var read func(prefix string, s *spec.Schema)
	read = func(prefix string, s *spec.Schema) {
		if s.Items != nil {
			s = s.Items.Schema
		}
		for name, inner := range s.Properties {
			if inner.Description == "" && prefix+name != "clusters" {
				t.Errorf("the schema does not describe %s%s", prefix, name)
			}
			known = append(known, prefix+name)
			read(prefix+name+".", &inner)
		}
	}
	read("", readSchema(t))
	slices.Sort(parsed)
	slices.Sort(known)
	if d := cmp.Diff(parsed, known); d != "" {
		t.Errorf("fields of the parser (-) and of the schema (+):\n%s", d)
	}
}

const head = "version: 1\nproject: p1\nnetwork: default\nsubnetwork: default\n"

// one is a fleet file of one cluster with those more lines.
func one(lines string) string {
	return head + "clusters:\n- name: c1\n  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11\n" + lines
}

// TestSchemaAgrees: what one accepts the other does, but for what takes more than one place to see.
func TestSchemaAgrees(t *testing.T) {
	const kube, gke = "  connect: {kubeconfig: k}\n", "projects/p1/locations/us-central1/clusters/prod"
	schema := readSchema(t)
	const both, parserAlone, nobody = "both", "the parser alone", ""
	for name, c := range map[string]struct{ text, refusedBy string }{
		"the least":            {one(kube), nobody},
		"all of a cluster":     {one(kube + "  project: p1\n  resource: " + gke + "\n  zones: [us-central1-a]\n  negs: gke\n  state: draining\n  gone: delete\n  policy: observe\n"), nobody},
		"an AI zone":           {one(kube + "  zones: [us-south1-a, us-south1-ai1b]\n"), nobody},
		"gke":                  {one("  connect:\n    gke: " + gke + "\n    dns: true\n"), nobody},
		"gke, zonal":           {one("  connect: {gke: projects/p1/locations/us-central1-a/clusters/prod, dns: false}\n"), nobody},
		"gateway":              {one("  connect: {gateway: projects/123/locations/global/memberships/edge}\n"), nobody},
		"a domain's project":   {strings.Replace(one(kube), "p1", "example.com:p1", 1), nobody},
		"empty":                {"{}", both},
		"a list":               {"- x", both},
		"another version":      {strings.Replace(one(kube), "version: 1", "version: 2", 1), both},
		"no version":           {strings.Replace(one(kube), "version: 1\n", "", 1), both},
		"no project":           {strings.Replace(one(kube), "project: p1\n", "", 1), both},
		"a bad project":        {strings.Replace(one(kube), "p1", "My Project", 1), both},
		"no network":           {strings.Replace(one(kube), "\nnetwork: default", "", 1), both},
		"no subnetwork":        {strings.Replace(one(kube), "subnetwork: default\n", "", 1), both},
		"an unknown field":     {one(kube) + "netwrok: default\n", both},
		"no clusters":          {head + "clusters: []\n", both},
		"an unknown setting":   {one(kube + "  polizy: sync\n"), both},
		"no name":              {strings.Replace(one(kube), "- name: c1\n ", "-", 1), both},
		"a bad name":           {strings.Replace(one(kube), "c1", "C1", 1), both},
		"a long name":          {strings.Replace(one(kube), "c1", strings.Repeat("c", 41), 1), both},
		"a bad uid":            {strings.Replace(one(kube), "7c1e", "7C1E", 1), both},
		"a bad zone":           {one(kube + "  zones: [us-central1]\n"), both},
		"a bad policy":         {one(kube + "  policy: dry\n"), both},
		"a bad state":          {one(kube + "  state: gone\n"), both},
		"bad gone":             {one(kube + "  gone: forget\n"), both},
		"bad negs":             {one(kube + "  negs: none\n"), both},
		"no connect":           {one(""), both},
		"connect to nothing":   {one("  connect: {}\n"), both},
		"connect twice":        {one("  connect: {kubeconfig: k, gke: " + gke + "}\n"), both},
		"an unknown way":       {one("  connect: {kubeconfig: k, context: c}\n"), both},
		"a bad gke":            {one("  connect: {gke: prod}\n"), both},
		"a zone's old form":    {one("  connect: {gke: projects/p1/zones/us-central1-a/clusters/prod}\n"), both},
		"dns without gke":      {one("  connect: {kubeconfig: k, dns: true}\n"), both},
		"dns maybe":            {one("  connect: {gke: " + gke + ", dns: maybe}\n"), both},
		"a gateway by ID":      {one("  connect: {gateway: projects/p1/locations/global/memberships/edge}\n"), both},
		"a bad resource":       {one(kube + "  resource: prod\n"), both},
		"resource beside gke":  {one("  connect: {gke: " + gke + "}\n  resource: " + gke + "\n"), both},
		"another project":      {one("  connect: {gke: " + gke + "}\n  project: p2\n"), parserAlone},
		"a name twice":         {one(kube) + "- name: c1\n  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11\n" + kube, parserAlone},
		"a uid twice":          {one(kube) + "- name: c2\n  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11\n" + kube, parserAlone},
		"a GKE cluster twice":  {one("  connect: {gke: "+gke+"}\n") + "- name: c2\n  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11\n  connect: {gke: " + gke + "}\n", parserAlone},
		"all of inject":        {one(kube + "  inject:\n    default: enabled\n    services: exposed_ports\n    exposed_ports: [80]\n    group_name: '{namespace}-{service}-{port}'\n    drain: 30s\n    namespaces: [{name: shop, services: none, drain: off}]\n"), nobody},
		"a bad default":        {one(kube + "  inject: {default: maybe}\n"), both},
		"a bad port":           {one(kube + "  inject: {services: exposed_ports, exposed_ports: [http]}\n"), both},
		"a nameless rule":      {one(kube + "  inject: {namespaces: [{drain: 5s}]}\n"), both},
		"ports for an Ingress": {one(kube + "  inject: {exposed_ports: [80]}\n"), parserAlone},
		"all of gates":         {one(kube + "  gates:\n    timeout: 10m\n    unattached: 0s\n    hybrid: never\n    namespaces: [{name: shop, timeout: 1h30m, unattached: never, hybrid: 5s}]\n"), nobody},
		"a number for a time":  {one(kube + "  gates: {timeout: 600}\n"), both},
		"a short time-out":     {one(kube + "  gates: {timeout: 5s}\n"), parserAlone},
		"a nameless gate rule": {one(kube + "  gates: {namespaces: [{timeout: 1m}]}\n"), both},
		"a resource of no one": {one(kube + "  resource: " + gke + "\n"), nobody},
	} {
		_, parsed := ParseFleet("fleet.yaml", []byte(c.text))
		wrong := bySchema(t, schema, c.text)
		refused := map[[2]bool]string{{true, true}: both, {true, false}: parserAlone, {false, true}: "the schema alone", {false, false}: nobody}
		if got := refused[[2]bool{parsed != nil, len(wrong) > 0}]; got != c.refusedBy {
			t.Errorf("%s: refused by %q, want %q\nparser: %v\nschema: %v", name, got, c.refusedBy, parsed, wrong)
		}
	}
}

// TestExampleIsValid: what the operator's page shows is a fleet file, and leads editors to
// the schema.
func TestExampleIsValid(t *testing.T) {
	page, err := os.ReadFile("../../docs/operators/fleet-file.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	whole := 0
	for _, m := range examples {
		if !strings.Contains(m[1], "version:") {
			continue
		}
		whole++
		if _, err := ParseFleet("fleet.yaml", []byte(m[1])); err != nil {
			t.Error(err)
		}
		if wrong := bySchema(t, readSchema(t), m[1]); len(wrong) > 0 {
			t.Error(wrong)
		}
		if !strings.HasPrefix(m[1], "# yaml-language-server: $schema=") {
			t.Errorf("no modeline: %s", m[1])
		}
	}
	if whole == 0 {
		t.Error("the page has no whole example")
	}
}
