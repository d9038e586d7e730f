package fakegce

import (
	"net/http/httptest"
	"testing"
)

// Start serves s on a free local port until the test ends, and closes it then; it
// returns the base URL, without a slash at its end.
func Start(t testing.TB, s *Server) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Cleanup(server.Close)
	return server.URL
}

// ComputeEndpoint is the value for option.WithEndpoint below a base URL: the client
// wants the whole path and the slash at its end.
func ComputeEndpoint(base string) string { return base + "/compute/v1/" }
