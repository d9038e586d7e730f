package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expected sections anew")

var rules = Rules{Own: map[string]bool{"negfleet-reconcile@demo.iam.gserviceaccount.com": true}}

func TestListGoldens(t *testing.T) {
	testGoldens(t, "list", func(data []byte) (string, error) {
		var b strings.Builder
		err := DecodeList(bytes.NewReader(data), func(e Entry) { describe(&b, e) })
		return b.String(), err
	})
}

func TestLogEntryGoldens(t *testing.T) {
	testGoldens(t, "logentry", func(data []byte) (string, error) {
		e, err := DecodeLogEntry(data)
		var b strings.Builder
		describe(&b, e)
		return b.String(), err
	})
}

func TestNotificationGoldens(t *testing.T) {
	testGoldens(t, "notification", func(data []byte) (string, error) {
		var attributes map[string]string
		if err := json.Unmarshal(data, &attributes); err != nil {
			return "", err
		}
		n, err := DecodeNotification(attributes)
		text := fmt.Sprintf("%s, known %v, of %v at %s\n", n.Kind, n.Known, n.Cluster, n.At.Format(time.RFC3339))
		if n.NodePool {
			text += "of a node pool " + n.State + "\n"
		}
		if err != nil {
			text += "error: " + err.Error() + "\n"
		}
		return text, nil
	})
}

func testGoldens(t *testing.T, kind string, decode func([]byte) (string, error)) {
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
			got, err := decode(archive.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			if got == "" {
				got = "nothing\n"
			}
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

// describe writes all that an entry says.
func describe(b *strings.Builder, e Entry) {
	for _, t := range Touches(e, rules) {
		fmt.Fprintf(b, "%s %s/%s", t.What, t.Namespace, t.Name)
		if t.What == Selecting {
			fmt.Fprintf(b, " deleted=%v labels=%s", t.Deleted, labels(t.Labels))
		}
		if t.Cluster != (Resource{}) {
			fmt.Fprintf(b, " in %s/%s/%s", t.Cluster.Project, t.Cluster.Location, t.Cluster.Cluster)
		}
		fmt.Fprintf(b, "\n  at %s: %s, by %s\n", t.At.Format("15:04:05.000000"), t.Reason, t.User)
	}
	if m, ok := MissedInjection(e); ok {
		fmt.Fprintf(b, "missed %s/%s by %s: %s\n", m.Namespace, m.Pod, m.Webhook, m.Reason)
	}
	if d, ok := Deletes(e); ok {
		fmt.Fprintf(b, "deletion of %s/%s/%s, ended %v\n", d.Cluster.Project, d.Cluster.Location, d.Cluster.Cluster, d.Ended)
	}
}

func labels(l map[string]string) string {
	if l == nil {
		return "unknown"
	}
	return fmt.Sprint(l)
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
		_ = DecodeList(bytes.NewReader(data), func(e Entry) {
			checkNames(t, Touches(e, rules))
			MissedInjection(e)
		})
	})
}

func FuzzDecodeLogEntry(f *testing.F) {
	seed(f, "logentry")
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeLogEntry(data)
		if err == nil {
			checkNames(t, Touches(e, rules))
			MissedInjection(e)
			Deletes(e)
		}
	})
}

func FuzzDecodeNotification(f *testing.F) {
	files, err := filepath.Glob("testdata/notification/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var a map[string]string
		if err := json.Unmarshal(archive.Files[0].Data, &a); err != nil {
			f.Fatal(err)
		}
		f.Add(a["type_url"], a["project_id"], a["cluster_location"], a["cluster_name"], a["payload"])
	}
	f.Fuzz(func(t *testing.T, url, project, location, name, payload string) {
		n, err := DecodeNotification(map[string]string{
			"type_url": url, "project_id": project, "cluster_location": location, "cluster_name": name, "payload": payload,
		})
		if n.NodePool && (err != nil || !n.Known || n.Cluster.Location != location || n.Cluster.Cluster != name) {
			t.Errorf("%+v, %v", n, err)
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

// TestTimes: what is no time, or none in UTC, is none; the entry counts all the same.
func TestTimes(t *testing.T) {
	for text, known := range map[string]bool{
		`"2026-11-20T20:50:13.123456Z"`: true, `"9999-12-31T23:59:59Z"`: true,
		`"9999-12-31T23:59:59-23:59"`: false, `"0000-01-01T00:00:00+23:59"`: false, `"now"`: false, `7`: false,
	} {
		e, err := DecodeLogEntry([]byte(`{"timestamp":` + text + `,"resource":{"type":"k8s_cluster"},"protoPayload":{"serviceName":"k8s.io",
			"methodName":"io.k8s.core.v1.services.update","resourceName":"core/v1/namespaces/shop/services/web"}}`))
		if touched := Touches(e, rules); err != nil || len(touched) != 1 || touched[0].At.IsZero() == known {
			t.Errorf("%s: %+v, %v", text, touched, err)
		}
	}
}
