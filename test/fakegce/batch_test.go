package fakegce_test

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

func TestBatch(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.insert("g")
	var body strings.Builder
	for i, line := range []string{"GET %s/g", "DELETE %s/g?alt=json", "GET %s/g", "POST %s"} {
		path := "/compute/v1/" + zone + "networkEndpointGroups"
		fmt.Fprintf(&body, "--===x==\r\nContent-Type: application/http\r\nContent-ID: <id+%d>\r\n\r\n", i)
		payload := `{"name":"h","networkEndpointType":"GCE_VM_IP_PORT"}`
		fmt.Fprintf(&body, line+" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s\r\n", path, len(payload), payload)
	}
	body.WriteString("--===x==--")
	res, err := http.Post(c.base+"/batch/compute/v1", `multipart/mixed; boundary="===x=="`, strings.NewReader(body.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(res.Body, params["boundary"])
	for i, want := range []int{200, 200, 404, 200} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		inner, err := http.ReadResponse(bufio.NewReader(part), nil)
		if err != nil {
			t.Fatal(err)
		}
		id := part.Header.Get("Content-ID")
		if inner.StatusCode != want || id != fmt.Sprintf("<response-id+%d>", i) {
			t.Errorf("part %d: %d %s", i, inner.StatusCode, id)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Error(err)
	}
	if calls := s.Calls(fakegce.CallFilter{}); len(calls) != 5 || !calls[4].Batched {
		t.Errorf("calls %v", calls)
	}
}

func TestBadBatch(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	for _, media := range []string{"", "text/plain", "multipart/mixed", "multipart/mixed; boundary=x"} {
		res, err := http.Post(c.base+"/batch/compute/v1", media, strings.NewReader("--x\r\n\r\nnonsense\r\n--x--"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("%q: %d", media, res.StatusCode)
		}
	}
}
