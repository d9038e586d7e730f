package fakegce_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// BenchmarkStorm is a thousand services in three zones: an insert and an attach
// each, over real connections. The client's work is in the figure.
func BenchmarkStorm(b *testing.B) {
	s := fakegce.New(fakegce.Options{})
	seed := fakegce.Seed{Projects: []string{"p1"}}
	zones := []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	for i, zone := range zones {
		seed.Instances = append(seed.Instances, fakegce.Instance{
			Zone: zone, Name: "node", IP: fmt.Sprintf("10.128.0.%d", i+2), AliasRanges: []string{"10.16.0.0/12"},
		})
	}
	if err := s.Seed(seed); err != nil {
		b.Fatal(err)
	}
	base := fakegce.Start(b, s)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	send := func(path, body string) {
		req, _ := http.NewRequest("POST", base+path, strings.NewReader(body))
		res, err := transport.RoundTrip(req)
		if err != nil {
			b.Error(err)
			return
		}
		io.Copy(io.Discard, res.Body) // or the connection is not used again
		if res.Body.Close(); res.StatusCode != 200 {
			b.Errorf("%s: %s", path, res.Status)
		}
	}
	var next atomic.Int64
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1))
			path := "/compute/v1/projects/p1/zones/" + zones[n%3] + "/networkEndpointGroups"
			name := fmt.Sprintf("g%d", n)
			send(path, `{"name":"`+name+`","networkEndpointType":"GCE_VM_IP_PORT"}`)
			send(path+"/"+name+"/attachNetworkEndpoints", endpoints(fmt.Sprintf("node 10.16.%d.%d:80", n>>8&255, n&255)))
		}
	})
	b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkListEndpoints lists the 10,000 endpoints of a full group.
func BenchmarkListEndpoints(b *testing.B) {
	s := full(b)
	b.ResetTimer()
	for b.Loop() {
		n := 0
		for token := ""; ; {
			page := serve(b, s, "POST", zone+"networkEndpointGroups/g/listNetworkEndpoints?pageToken="+token, "")
			n += strings.Count(page, `"ipAddress"`)
			_, rest, more := strings.Cut(page, `"nextPageToken":"`)
			if !more {
				break
			}
			token, _, _ = strings.Cut(rest, `"`)
		}
		if n != 10_000 {
			b.Fatalf("%d endpoints", n)
		}
	}
}

// BenchmarkFind looks for one group among 3,000 by its description.
func BenchmarkFind(b *testing.B) {
	s := fakegce.New(fakegce.Options{})
	for n := range 3000 {
		serve(b, s, "POST", zone+"networkEndpointGroups", fmt.Sprintf(`{"name":"g%d","networkEndpointType":"GCE_VM_IP_PORT","description":"nf1-%d."}`, n, n))
	}
	b.ResetTimer()
	for b.Loop() {
		list := serve(b, s, "GET", "projects/p1/aggregated/networkEndpointGroups?filter=description+eq+%22.*nf1-77%5C..*%22", "")
		if !strings.Contains(list, `"name":"g77"`) {
			b.Fatal(list)
		}
	}
}

// BenchmarkGraph is what the page asks for every two seconds, of 100,000 endpoints in 200
// groups that four backend services look at.
func BenchmarkGraph(b *testing.B) {
	s := fakegce.New(fakegce.Options{Clock: fakegce.NewManualClock(noon), HealthUnreached: true})
	b.Cleanup(s.Close)
	serve(b, s, "POST", everywhere+"healthChecks", `{"name":"hc","type":"TCP"}`)
	for service := range 4 {
		var backends []string
		for group := range 50 {
			name := fmt.Sprintf("g%d-%d", service, group)
			serve(b, s, "POST", zone+"networkEndpointGroups", `{"name":"`+name+`","networkEndpointType":"NON_GCP_PRIVATE_IP_PORT"}`)
			var list []string
			for i := range 500 {
				list = append(list, fmt.Sprintf(`{"ipAddress":"10.%d.%d.%d","port":8080}`, 50*service+group, i>>8, i&255))
			}
			serve(b, s, "POST", zone+"networkEndpointGroups/"+name+"/attachNetworkEndpoints", `{"networkEndpoints":[`+strings.Join(list, ",")+`]}`)
			backends = append(backends, backend(name, rate))
		}
		serve(b, s, "POST", everywhere+"backendServices",
			fmt.Sprintf(`{"name":"s%d","healthChecks":["global/healthChecks/hc"],"backends":[%s]}`, service, strings.Join(backends, ",")))
	}
	size := 0
	for b.Loop() {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest("GET", "/_emu/graph", nil))
		if size = rec.Body.Len(); !strings.Contains(rec.Body.String(), `"states":{"UNKNOWN":100000}`) {
			b.Fatalf("%.200s", rec.Body)
		}
	}
	b.ReportMetric(float64(size), "bytes")
}

func full(b *testing.B) *fakegce.Server {
	s := fakegce.New(fakegce.Options{})
	seed := nodes(1)
	seed.Instances[0].AliasRanges = []string{"10.16.0.0/16"}
	if err := s.Seed(seed); err != nil {
		b.Fatal(err)
	}
	serve(b, s, "POST", zone+"networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT"}`)
	for from := 0; from < 10_000; from += 500 {
		serve(b, s, "POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", numbered(from, 500))
	}
	return s
}

// serve calls the handler without a connection.
func serve(b testing.TB, s *fakegce.Server, method, path, body string) string {
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(method, "/compute/v1/"+path, strings.NewReader(body)))
	if rec.Code != http.StatusOK {
		b.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	return rec.Body.String()
}
