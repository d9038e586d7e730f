package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/negfleet/negfleet/shared/neg"
)

const exampleTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// request builds the request that a file in testdata/delivery describes.
func request(t testing.TB, file string) *http.Request {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header := textproto.NewReader(bufio.NewReader(strings.NewReader(string(archive.Files[0].Data) + "\r\n")))
	fields, err := header.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(archive.Files[1].Data))
	r.Header = http.Header(fields)
	return r
}

func TestDecodeEveryShape(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 2e8, time.UTC)
	full := Delivery{
		ID: "1201", PublishTime: at, Subscription: "projects/demo/subscriptions/negfleet-keys", Traceparent: exampleTrace,
		Attributes: map[string]string{"cluster": "prod-eu", "traceparent": exampleTrace},
	}
	with := func(change func(*Delivery)) Delivery { d := full; change(&d); return d }
	for file, want := range map[string]Delivery{
		"push-wrapped":            with(func(d *Delivery) { d.Attempt, d.OrderingKey = 3, "prod-eu/shop/web" }),
		"push-wrapped-snake":      full,
		"eventarc-binary":         with(func(d *Delivery) { d.Subscription = "projects/demo/subscriptions/eventarc-europe-west1-keys-sub-001" }),
		"cloudevent-structured":   full,
		"push-unwrapped-metadata": full,
		"push-unwrapped":          {},
	} {
		t.Run(file, func(t *testing.T) {
			got, err := Decode(request(t, "testdata/delivery/"+file+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := got.Message()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(example, m); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			got.Data = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("delivery (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryDeliveryFileIsTested(t *testing.T) {
	files, err := filepath.Glob("testdata/delivery/*.txtar")
	if err != nil || len(files) != 6 {
		t.Fatalf("%d files in testdata/delivery, TestDecodeEveryShape names 6 (%v)", len(files), err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	json := http.Header{"Content-Type": {"application/json"}}
	event := func(kind string) http.Header {
		return http.Header{"Content-Type": {"application/json"}, "Ce-Id": {"1"}, "Ce-Source": {"//x"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {kind}}
	}
	huge := `{"message":{"data":"` + strings.Repeat("A", MaxBody) + `"}}`
	for _, c := range []struct {
		name, method string
		header       http.Header
		body         string
		status       int
	}{
		{"a GET", "GET", json, "", 405},
		{"an empty body", "POST", json, "", 204},
		{"text", "POST", json, "hello", 204},
		{"a list", "POST", json, "[]", 204},
		{"a message of another type", "POST", json, `{"message":7}`, 204},
		{"data that is not base64", "POST", json, `{"message":{"data":"%%%"}}`, 204},
		{"a body beyond the limit", "POST", json, huge, 204},
		{"a CloudEvent beyond the limit", "POST", event(typePublished), huge, 204},
		{"an unfinished structured event", "POST", http.Header{"Content-Type": {"application/cloudevents+json"}}, `{"specversion":"1.0"`, 204},
		{"a batch", "POST", http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, "[]", 204},
		{"a CloudEvent of another type", "POST", event("google.cloud.storage.object.v1.finalized"), `{"message":{}}`, 204},
		{"a CloudEvent without a message", "POST", event(typePublished), `{}`, 204},
		{"a CloudEvent without data", "POST", event(typePublished), ``, 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
			r.Header = c.header
			_, err := Decode(r)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := Status(err); got != c.status {
				t.Errorf("status %d for %v, want %d", got, err, c.status)
			}
			if blocked := neg.BlockedReasons(err); c.status == 204 && (len(blocked) != 1 || blocked[0].Reason != ReasonBadMessage) {
				t.Errorf("reasons %v of %v", blocked, err)
			}
			if len(err.Error()) > 1024 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// A body that did not arrive whole may be whole the next time.
func TestDecodeReportsAnAbortedBody(t *testing.T) {
	for _, header := range []http.Header{{}, {"Content-Type": {"application/cloudevents+json"}}, {"Ce-Specversion": {"1.0"}}} {
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"mess`), failing{}))
		r.Header = header
		if _, err := Decode(r); Status(err) != http.StatusBadRequest {
			t.Errorf("%v: status %d for %v", header, Status(err), err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/delivery/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		r := request(f, file)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Header.Get("Content-Type"), r.Header.Get("Ce-Specversion"), r.Header.Get(metadata+"Message-Id"), body)
	}
	f.Fuzz(func(t *testing.T, contentType, version, id string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		for name, value := range map[string]string{
			"Content-Type": contentType, "Ce-Specversion": version, metadata + "Message-Id": id,
			"Ce-Type": typePublished, "Ce-Id": id, "Ce-Source": "//x",
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		d, err := Decode(r)
		var request *RequestError
		if err != nil && !errors.As(err, &request) && neg.OutcomeOf(err) != neg.Blocked {
			t.Fatalf("%v would bring the same bytes again", err)
		}
		if _, err := json.Marshal(d); err != nil && d.PublishTime.Year() <= 9999 {
			t.Fatal(err)
		}
	})
}
