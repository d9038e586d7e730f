package events

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
)

// serve runs the functions framework's own server with w behind it. There is one a test
// binary, since the framework cannot stop it.
func serve(t *testing.T, w *world) (base string) {
	t.Helper()
	functions.HTTP(t.Name(), w.handler.ServeHTTP)
	t.Setenv("FUNCTION_TARGET", t.Name())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	failed := make(chan error, 1)
	go func() { failed <- funcframework.StartHostPort(host, port) }()
	waitFor(t, func() error {
		select {
		case err := <-failed:
			t.Fatal(err)
		default:
		}
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			c.Close()
		}
		return err
	})
	return "http://" + net.JoinHostPort(host, port)
}

// Clients that go away in the middle of a request, as Pub/Sub does at the ack deadline
// and platforms do with instances, must leave no trace: the CloudEvents SDK's handler
// hangs for good after this (cloudevents/sdk-go issues 1224 and 1332). A quarter of them
// end in the middle of their body.
func TestAbortFlood(t *testing.T) {
	const aborted, normal = 2400, 50
	w := newWorld(t, nil)
	base := serve(t, w)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	requests := []*shape{
		{base + "/", "application/json", push(t, entry(t, "logentry", "slice-patch"), nil), nil},
		{base + "/", "application/json", push(t, entry(t, "logentry", "slice-patch"), nil), map[string]string{
			"Ce-Id": "1", "Ce-Specversion": "1.0", "Ce-Source": "//x", "Ce-Type": "google.cloud.pubsub.topic.v1.messagePublished"}},
		{base + w.path, "application/json", entry(t, "list", "slice-update"), nil},
	}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range aborted / 32 {
				if i%4 == 3 {
					requests[i%len(requests)].truncate(base, i)
					continue
				}
				timeout := time.Duration(rand.IntN(2000)) * time.Microsecond
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				_ = requests[i%len(requests)].send(ctx, client)
				cancel()
			}
		})
	}
	wg.Wait()
	for i := range normal {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := requests[i%len(requests)].send(ctx, client); err != nil {
			t.Errorf("request %d after the flood: %v", i, err)
		}
		cancel()
	}
}

// shape is a request that can be sent many times.
type shape struct {
	url, contentType, body string
	header                 map[string]string
}

func (s *shape) mediaType() string {
	if s.contentType == "" {
		return "application/json"
	}
	return s.contentType
}

// truncate sends the head, which promises the whole body, and a part of that; then it is
// gone.
func (s *shape) truncate(base string, i int) {
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return // the backlog is full, which is the point
	}
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n", strings.TrimPrefix(s.url, base), s.mediaType())
	for name, value := range s.header {
		fmt.Fprintf(c, "%s: %s\r\n", name, value)
	}
	part := s.body[:rand.IntN(len(s.body))]
	if i%8 == 3 {
		fmt.Fprintf(c, "Content-Length: %d\r\n\r\n%s", len(s.body), part)
		return
	}
	fmt.Fprintf(c, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(s.body), part)
}

func (s *shape) send(ctx context.Context, client *http.Client) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(s.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", s.mediaType())
	for name, value := range s.header {
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %s", answer.StatusCode, body.String())
	}
	return nil
}
