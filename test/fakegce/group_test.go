package fakegce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

const zone = "projects/p1/zones/us-central1-a/"

// client speaks raw JSON to an emulator.
type client struct {
	t    testing.TB
	base string
}

func start(t testing.TB, opts fakegce.Options) (*fakegce.Server, client) {
	t.Helper()
	s := fakegce.New(opts)
	if err := s.Seed(nodes(3)); err != nil {
		t.Fatal(err)
	}
	return s, client{t, fakegce.Start(t, s)}
}

// nodes are instances i0, i1, … with 10.4.N.0/24 as alias range.
func nodes(n int) fakegce.Seed {
	seed := fakegce.Seed{Projects: []string{"p1"}}
	for i := range n {
		seed.Instances = append(seed.Instances, fakegce.Instance{
			Zone: "us-central1-a", Name: fmt.Sprintf("i%d", i), IP: fmt.Sprintf("10.128.0.%d", i+2),
			AliasRanges: []string{fmt.Sprintf("10.4.%d.0/24", i)},
		})
	}
	return seed
}

// do calls the API, below v1 unless path is absolute, and decodes what it answers.
func (c client) do(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/compute/v1/" + path
	}
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(req)
}

func (c client) send(req *http.Request) (int, map[string]any) {
	c.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	answer := map[string]any{}
	if bytes.HasPrefix(raw, []byte("{")) {
		if err := json.Unmarshal(raw, &answer); err != nil {
			c.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL, err, raw)
		}
	}
	return res.StatusCode, answer
}

// ok is do that must answer 200.
func (c client) ok(method, path, body string) map[string]any {
	c.t.Helper()
	status, answer := c.do(method, path, body)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// message is an error answer as "status reason: message".
func message(status int, answer map[string]any) string {
	e, ok := answer["error"].(map[string]any)
	if !ok {
		return fmt.Sprint(status)
	}
	first := e["errors"].([]any)[0].(map[string]any)
	return fmt.Sprintf("%d %s: %s", status, first["reason"], e["message"])
}

func (c client) insert(name string) map[string]any {
	c.t.Helper()
	return c.ok("POST", zone+"networkEndpointGroups", `{"name":"`+name+`","networkEndpointType":"GCE_VM_IP_PORT","defaultPort":80}`)
}

func TestGroupAsServed(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	op := c.insert("g")
	if op["status"] != "RUNNING" || op["operationType"] != "insert" {
		t.Errorf("insert answered %v", op)
	}
	g := c.ok("GET", zone+"networkEndpointGroups/g", "")
	for field, want := range map[string]any{
		"kind": "compute#networkEndpointGroup", "size": 0.0, "defaultPort": 80.0,
		"selfLink": "https://www.googleapis.com/compute/v1/" + zone + "networkEndpointGroups/g",
		"network":  "https://www.googleapis.com/compute/v1/projects/p1/global/networks/default",
		"zone":     "https://www.googleapis.com/compute/v1/projects/p1/zones/us-central1-a",
	} {
		if g[field] != want {
			t.Errorf("%s = %v, want %v", field, g[field], want)
		}
	}
	c.ok("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", `{"networkEndpoints":[{"instance":"i0","ipAddress":"10.4.0.9","port":8080}]}`)
	list := c.ok("POST", zone+"networkEndpointGroups/g/listNetworkEndpoints", `{"healthStatus":"SHOW"}`)
	want := `[{"networkEndpoint":{"instance":"https://www.googleapis.com/compute/v1/` + zone + `instances/i0","ipAddress":"10.4.0.9","port":8080}}]`
	if got, _ := json.Marshal(list["items"]); string(got) != want {
		t.Errorf("items\n%s\nwant\n%s", got, want)
	}
	if g := c.ok("GET", zone+"networkEndpointGroups/g", ""); g["size"] != 1.0 {
		t.Errorf("size = %v", g["size"])
	}
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
	got := message(c.do("GET", zone+"networkEndpointGroups/g", ""))
	if want := "404 notFound: The resource '" + zone + "networkEndpointGroups/g' was not found"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
