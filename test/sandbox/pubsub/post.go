package pubsub

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// newClient keeps a connection for each concurrent request, or a burst would spend its
// time on connecting.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1000, DisableCompression: true,
		},
		// A redirect is no acknowledgement.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post makes one attempt at a delivery. An error is a nack.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("From", "noreply@google.com")
	r.Header.Set("User-Agent", "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google)")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	// A body that is read to its end leaves the connection for the next request.
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
	if !acknowledges(answer.StatusCode) {
		return fmt.Errorf("the endpoint answered %s", answer.Status)
	}
	return nil
}

func acknowledges(status int) bool {
	switch status {
	case http.StatusProcessing, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return true
	}
	return false
}
