package audit

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expected sections anew")

var rules = Rules{Own: map[string]bool{"negfleet-reconcile@demo.iam.gserviceaccount.com": true}}

func TestListGoldens(t *testing.T) {
	testGoldens(t, "list", func(data []byte) ([]Touched, error) {
		var all []Touched
		err := DecodeList(bytes.NewReader(data), func(e Entry) { all = append(all, Touches(e, rules)...) })
		return all, err
	})
}

func TestLogEntryGoldens(t *testing.T) {
	testGoldens(t, "logentry", func(data []byte) ([]Touched, error) {
		e, err := DecodeLogEntry(data)
		return Touches(e, rules), err
	})
}

func testGoldens(t *testing.T, kind string, decode func([]byte) ([]Touched, error)) {
	files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of kind %s: %v", kind, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			touched, err := decode(archive.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(touched)
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[1].Data); got != want {
				t.Errorf("touched\n%swant\n%s", got, want)
			}
		})
	}
}

func describe(all []Touched) string {
	if len(all) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, t := range all {
		fmt.Fprintf(&b, "%s %s/%s", t.What, t.Namespace, t.Name)
		if t.Cluster != (Resource{}) {
			fmt.Fprintf(&b, " in %s/%s/%s", t.Cluster.Project, t.Cluster.Location, t.Cluster.Cluster)
		}
		fmt.Fprintf(&b, "\n  at %s: %s, by %s\n", t.At.Format("15:04:05.000000"), t.Reason, t.User)
	}
	return b.String()
}

func TestDecodeListRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		entries    int
	}{
		"nothing":          {"", "unexpected EOF", 0},
		"text":             {"hello", "invalid character", 0},
		"a list":           {"[]", `want "{"`, 0},
		"another kind":     {`{"kind":"PodList","items":[{}]}`, `field kind is not "EventList"`, 0},
		"an old version":   {`{"apiVersion":"audit.k8s.io/v1beta1","items":[{}]}`, "field apiVersion", 0},
		"items of a type":  {`{"items":7}`, `want "["`, 0},
		"a broken item":    {`{"items":[{},{"verb":]}`, "invalid character", 1},
		"an aborted body":  {`{"items":[{},{},{"verb":"cre`, "unexpected EOF", 2},
		"no closing brace": {`{"items":[{}]`, "unexpected EOF", 1},
	} {
		t.Run(name, func(t *testing.T) {
			entries := 0
			err := DecodeList(strings.NewReader(c.body), func(Entry) { entries++ })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if entries != c.entries {
				t.Errorf("%d entries before the error, want %d", entries, c.entries)
			}
		})
	}
}

func TestDecodeLogEntryRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "text": "hello", "a list": "[]", "another log": `{"textPayload":"hello"}`,
	} {
		if _, err := DecodeLogEntry([]byte(body)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Fields of a wrong type cost only themselves: what a client sent is logged as it came.
func TestEntriesOfOddTypesAreRead(t *testing.T) {
	body := `{"items":[{"stage":"ResponseComplete","verb":"update","stageTimestamp":"soon","user":[1],
		"objectRef":{"resource":"services","namespace":"shop","name":"web"},"responseStatus":{"code":200},
		"requestObject":[{"op":"add"}],"responseObject":{"metadata":{"labels":{"a":1}}}}]}`
	var all []Touched
	if err := DecodeList(strings.NewReader(body), func(e Entry) { all = append(all, Touches(e, rules)...) }); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Name != "web" {
		t.Errorf("touched %+v", all)
	}
}

// A large batch must not need several times its size.
func TestDecodeListHoldsOneEntryAtATime(t *testing.T) {
	item := `{"stage":"ResponseComplete","verb":"update","responseObject":{"kind":"` + strings.Repeat("x", 1<<20) + `"}}`
	body := `{"items":[` + strings.Repeat(item+",", 15) + item + `]}`
	var most uint64
	var m runtime.MemStats
	err := DecodeList(strings.NewReader(body), func(Entry) {
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	})
	if err != nil {
		t.Fatal(err)
	}
	// The body itself is one string here; a request's is read as it comes.
	if limit := uint64(len(body) + 8<<20); most > limit {
		t.Errorf("%d bytes live while decoding %d, want less than %d", most, len(body), limit)
	}
}

func FuzzDecodeList(f *testing.F) {
	seed(f, "list")
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = DecodeList(bytes.NewReader(data), func(e Entry) { checkNames(t, Touches(e, rules)) })
	})
}

func FuzzDecodeLogEntry(f *testing.F) {
	seed(f, "logentry")
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeLogEntry(data)
		if err == nil {
			checkNames(t, Touches(e, rules))
		}
	})
}

func seed(f *testing.F, kind string) {
	files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
}

func checkNames(t *testing.T, all []Touched) {
	for _, touched := range all {
		if touched.Namespace == "" || touched.What == Service && touched.Name == "" || strings.Contains(touched.Name, "/") {
			t.Errorf("touched %+v", touched)
		}
	}
}
