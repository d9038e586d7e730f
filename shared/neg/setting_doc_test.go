package neg_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

var update = flag.Bool("update", false, "rewrite what is made of the settings")

const (
	schemaFile = "../../infra/backend-service.schema.json"
	pageFile   = "../../docs/operators/backend-services.md"
)

// TestSchema: the JSON schema is that of the table of settings.
func TestSchema(t *testing.T) {
	entry := object()
	for _, s := range neg.Settings() {
		at := entry
		path := strings.Split(s.Name, ".")
		for _, part := range path[:len(path)-1] {
			properties := at["properties"].(map[string]any)
			if properties[part] == nil {
				properties[part] = object()
			}
			at = properties[part].(map[string]any)
		}
		at["properties"].(map[string]any)[path[len(path)-1]] = schemaOf(s)
	}
	schema := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "The annotation " + neg.AnnotationBackendService,
		"type":                 "object",
		"patternProperties":    map[string]any{"^[1-9][0-9]{0,4}$": entry},
		"additionalProperties": false,
	}
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	same(t, schemaFile, string(b)+"\n")
}

func object() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
}

func schemaOf(s neg.Setting) map[string]any {
	schema := map[string]any{"description": s.Doc}
	switch {
	case s.Number():
		schema["type"], schema["minimum"], schema["maximum"] = "number", s.Min, s.Max
		if s.Whole {
			schema["type"] = "integer"
		}
	case s.Values != nil:
		schema["enum"] = s.Values
	case s.Pattern != nil:
		schema["type"], schema["pattern"] = "string", s.Pattern.String()
	default:
		schema["type"] = "boolean"
	}
	return schema
}

// TestPage: the operator's page lists every setting.
func TestPage(t *testing.T) {
	b, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings -->\n", "<!-- /settings -->"
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s: no marks around the table", pageFile)
	}
	table := "| field | values | |\n|---|---|---|\n"
	for _, s := range neg.Settings() {
		table += fmt.Sprintf("| `%s` | %s | %s |\n", s.Name, values(s), s.Doc)
	}
	same(t, pageFile, head+begin+table+end+tail)
}

func values(s neg.Setting) string {
	if s.Pattern != nil {
		return "text"
	}
	return s.Want()
}

func same(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("%s; go test ./shared/neg -update (-want +got):\n%s", file, d)
	}
}
