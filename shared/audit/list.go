package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// event is audit.k8s.io/v1 Event, as far as it matters.
type event struct {
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestObject  Object            `json:"requestObject"`
	ResponseObject Object            `json:"responseObject"`
	StageTimestamp timestamp         `json:"stageTimestamp"`
	Annotations    map[string]string `json:"annotations"`
}

func (e event) entry() Entry {
	return Entry{
		Complete: e.Stage == "ResponseComplete", OK: e.ResponseStatus.Code/100 == 2,
		DryRun: dryRun(e.RequestURI) || e.RequestObject.dryRun(), Verb: e.Verb,
		Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
		User: e.User.Username, At: time.Time(e.StageTimestamp),
		Request: e.RequestObject, Response: e.ResponseObject, Annotations: e.Annotations,
	}
}

// dryRun: the API knows the value All alone, so any value is a dry run.
func dryRun(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Query().Get("dryRun") != ""
}

// DecodeList calls each with every entry of an audit.k8s.io/v1 EventList. It holds one
// entry at a time, so that a list of tens of megabytes costs little. After an error in
// the middle the entries before it have been seen, and count.
func DecodeList(r io.Reader, each func(Entry)) error {
	d := json.NewDecoder(r)
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return listError(err)
		}
		if name == "items" {
			err = decodeItems(d, each)
		} else {
			err = check(d, name)
		}
		if err != nil {
			return err
		}
	}
	return expect(d, '}')
}

func decodeItems(d *json.Decoder, each func(Entry)) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	for d.More() {
		var e event
		if err := d.Decode(&e); err != nil && !partial(err) {
			return listError(err)
		}
		each(e.entry())
	}
	return expect(d, ']')
}

// check skips a field of the list, but for those that say it is another kind of object.
func check(d *json.Decoder, name json.Token) error {
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return listError(err)
	}
	want := map[json.Token]string{"kind": `"EventList"`, "apiVersion": `"audit.k8s.io/v1"`}[name]
	if want != "" && string(value) != want {
		return fmt.Errorf("decode audit list: field %v is not %s; set the audit webhook's version to audit.k8s.io/v1", name, want)
	}
	return nil
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return listError(err)
	}
	if got != want {
		return fmt.Errorf("decode audit list: want %q in an audit.k8s.io/v1 EventList at byte %d", want, d.InputOffset())
	}
	return nil
}

func listError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("decode audit list: %w", err)
}

// partial reports an entry with a field of another type than expected: a patch's request
// is a list, and what a client sent may be anything. Its other fields were read.
func partial(err error) bool {
	var mismatch *json.UnmarshalTypeError
	return errors.As(err, &mismatch)
}

// timestamp is an RFC 3339 time, also in UTC, or the zero time when it is anything else.
type timestamp time.Time

func (t *timestamp) UnmarshalJSON(b []byte) error {
	var parsed time.Time
	if parsed.UnmarshalJSON(b) != nil {
		return nil
	}
	if parsed = parsed.UTC(); parsed.Year() >= 1 && parsed.Year() <= 9999 {
		*t = timestamp(parsed)
	}
	return nil
}
