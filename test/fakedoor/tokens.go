package fakedoor

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// Tokens gives out access tokens, over HTTP as Google's token endpoint does and directly as
// an oauth2.TokenSource.
type Tokens struct {
	URL string // of the token endpoint

	mu       sync.Mutex
	lifetime time.Duration
	now      func() time.Time
	valid    map[string]time.Time // until when
	issued   int
	status   int
	scopes   string
}

// NewTokens serves a token endpoint until the test ends. Tokens live an hour of now.
func NewTokens(t testing.TB, now func() time.Time) *Tokens {
	t.Helper()
	s := &Tokens{lifetime: time.Hour, now: now, valid: map[string]time.Time{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// ServeHTTP answers a request for a token (RFC 7523), whoever signed it.
func (s *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.note(r.PostFormValue("assertion"))
	t, err := s.Token()
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(err.(*oauth2.RetrieveError).Response.StatusCode)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`)) // the client may be gone
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": t.AccessToken, "token_type": "Bearer", "expires_in": int(s.lifetime.Seconds())})
}

// Token gives out a new token.
func (s *Tokens) Token() (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: s.status}, ErrorCode: "invalid_grant"}
	}
	s.issued++
	t := &oauth2.Token{AccessToken: fmt.Sprintf("token-%d", s.issued), TokenType: "Bearer", Expiry: s.now().Add(s.lifetime)}
	s.valid[t.AccessToken] = t.Expiry
	return t, nil
}

// note keeps the scopes of a signed request for a token.
func (s *Tokens) note(assertion string) {
	var claims struct{ Scope string }
	if parts := strings.Split(assertion, "."); len(parts) == 3 {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(raw, &claims) // without scopes there are none to keep
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = claims.Scope
}

// Scopes are what the last token over HTTP was asked for.
func (s *Tokens) Scopes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scopes
}

// Issued is how many tokens were given out.
func (s *Tokens) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// Revoke makes all tokens that are out worthless.
func (s *Tokens) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.valid)
}

// Refuse answers requests for tokens with that status from now on; 0: no more.
func (s *Tokens) Refuse(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *Tokens) good(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	until, known := s.valid[token]
	return ok && known && s.now().Before(until)
}

// Credentials writes a service account's key file, the value of
// GOOGLE_APPLICATION_CREDENTIALS, whose token endpoint is this one.
func (s *Tokens) Credentials(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p1", "private_key_id": "1", "client_email": "negfleet@p1.iam.gserviceaccount.com", "token_uri": s.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
