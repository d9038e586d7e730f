package event

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/negfleet/negfleet/shared/neg"
)

var example = Message{
	Key:      neg.Key{Cluster: "prod-eu", Namespace: "shop", Service: "web"},
	Reason:   "endpointslices update web-x7k2p",
	Source:   "audit",
	Observed: time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC),
	Chain:    2,
}

// The format is a contract between deployments of different ages: these files change only
// together with Version.
func TestMessageFormat(t *testing.T) {
	data, attributes, err := Encode(example)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(golden(t, "testdata/message.json")), string(data)); diff != "" {
		t.Errorf("data (-golden +got):\n%s", diff)
	}
	var want map[string]string
	if err := json.Unmarshal([]byte(golden(t, "testdata/attributes.json")), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-golden +got):\n%s", diff)
	}
	got, err := DecodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// Pods are fields beside those of before: a message without them is what it was, and a
// reader of before skips them.
func TestMessageWithPods(t *testing.T) {
	want := example
	want.Reason, want.Chain = "pods delete web-6d4c-x7k2p", 0
	want.PodsCreated, want.PodsDeleted = []string{"web-6d4c-a1b2c"}, []string{"web-6d4c-x7k2p", "web-6d4c-z9y8x"}
	data, attributes, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(golden(t, "testdata/message-pods.json")), string(data)); diff != "" {
		t.Errorf("data (-golden +got):\n%s", diff)
	}
	if len(attributes) != 8 {
		t.Errorf("attributes %v: Pods do not fit there", attributes)
	}
	got, err := DecodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDecodeMessageRefuses(t *testing.T) {
	valid := golden(t, "testdata/message.json")
	for _, c := range []struct{ name, data, want string }{
		{"text", "hello", "not a negfleet message"},
		{"another type", `["v"]`, "not a negfleet message"},
		{"another message", `{"insertId":"x"}`, "field v is 0, this build reads 1"},
		{"a later version", strings.Replace(valid, `"v":1`, `"v":2`, 1), "field v is 2"},
		{"a type error", strings.Replace(valid, `"chain":2`, `"chain":"2"`, 1), "chain"},
		{"two objects", valid + valid, "bytes follow"},
		{"no cluster", strings.Replace(valid, "prod-eu", "", 1), `field cluster ""`},
		{"a namespace that is none", strings.Replace(valid, "shop", "a/b", 1), `field namespace "a/b"`},
		{"a service that is none", strings.Replace(valid, `"web"`, `"Web"`, 1), `field service "Web"`},
		{"no source", strings.Replace(valid, `"audit"`, `""`, 1), "field source"},
		{"no time", strings.Replace(valid, "2026-11-20T10:00:00.123456Z", "today", 1), "field observed"},
		{"a Pod that is none", strings.Replace(valid, `"v":1`, `"v":1,"podsDeleted":["../x"]`, 1), "field podsDeleted"},
		{"a Pod without a name", strings.Replace(valid, `"v":1`, `"v":1,"podsCreated":[""]`, 1), "field podsCreated"},
		{"too many Pods", strings.Replace(valid, `"v":1`, `"v":1,"podsDeleted":["a"`+strings.Repeat(`,"a"`, MaxPods)+`]`, 1), "field podsDeleted has 101 names"},
		{"a negative chain", strings.Replace(valid, `"chain":2`, `"chain":-1`, 1), "field chain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeMessage([]byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if got := neg.OutcomeOf(err); got != neg.Blocked {
				t.Errorf("outcome %s: a message that can never succeed must not come back", got)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Message){
		"an invalid key":    func(m *Message) { m.Key.Service = "../x" },
		"no source":         func(m *Message) { m.Source = "" },
		"the zero time":     func(m *Message) { m.Observed = time.Time{} },
		"a chain below nil": func(m *Message) { m.Chain = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			m := example
			change(&m)
			if _, _, err := Encode(m); neg.OutcomeOf(err) != neg.Blocked {
				t.Errorf("error %v, want one of outcome blocked", err)
			}
		})
	}
}

func TestReasonIsBounded(t *testing.T) {
	m := example
	m.Reason = strings.Repeat("é", 4000) + "\xff"
	_, attributes, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if got := attributes["reason"]; len(got) > maxText || !utf8.ValidString(got) {
		t.Errorf("reason of %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

// TestTimesAtTheEnds: what is encoded can be decoded, or is refused before it is sent.
func TestTimesAtTheEnds(t *testing.T) {
	for _, text := range []string{"9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "0001-01-01T00:00:01Z"} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		m := example
		m.Observed = at
		if data, _, err := Encode(m); err == nil {
			if _, err := DecodeMessage(data); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		c := ClusterMessage{Cluster: "prod-eu", Reason: ClusterResync, Source: "test", Observed: at}
		if data, _, err := EncodeCluster(c); err == nil {
			if _, err := DecodeClusterMessage(data); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if _, err := DecodeMessage([]byte(`{"v":1,"cluster":"c","namespace":"n","service":"s","reason":"r","source":"audit","observed":"9999-12-31T23:59:59-23:59","chain":0}`)); err == nil {
		t.Error("a message that cannot be sent on was taken")
	}
}

func FuzzDecodeMessage(f *testing.F) {
	b, err := os.ReadFile("testdata/message.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(golden(f, "testdata/message-pods.json")))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			if len(err.Error()) > 2048 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, _, err := Encode(m)
		if err != nil {
			t.Fatalf("decoded %+v, which cannot be encoded: %v", m, err)
		}
		second, err := DecodeMessage(again)
		if err != nil || !cmp.Equal(m, second, cmpopts.EquateEmpty()) {
			t.Fatalf("%+v became %+v, %v", m, second, err)
		}
		third, _, _ := Encode(second)
		if !bytes.Equal(again, third) {
			t.Fatalf("%s became %s", again, third)
		}
	})
}
