package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
)

const (
	// early is how long before its end a token is replaced. The metadata server gives out a
	// new one 5 minutes before.
	early = 225 * time.Second
	// forcedEvery bounds the replacing of tokens that were refused: an API server that knows
	// nobody must not make us ask for a token with each request.
	forcedEvery = 30 * time.Second
)

// credentials hold one access token for all who ask.
type credentials struct {
	find func(context.Context) (oauth2.TokenSource, error)
	now  func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	token  *oauth2.Token
	forced time.Time
}

// valid returns a token that lasts; while none is to be had, the one there is to its end.
func (c *credentials) valid(ctx context.Context) (*oauth2.Token, error) {
	c.mu.Lock()
	t := c.token
	c.mu.Unlock()
	if t != nil && (t.Expiry.IsZero() || c.now().Add(early).Before(t.Expiry)) {
		return t, nil
	}
	renewed, err := c.renew(ctx)
	if err != nil && t != nil && c.now().Before(t.Expiry) {
		return t, nil
	}
	return renewed, err
}

// other returns a token other than one that was refused, or nil. Many that were refused
// the same one wait for one renewal.
func (c *credentials) other(ctx context.Context, refused *oauth2.Token) *oauth2.Token {
	result := c.flight.DoChan("refused "+refused.AccessToken, func() (any, error) {
		c.mu.Lock()
		t, soon := c.token, c.now().Sub(c.forced) < forcedEvery
		if t == refused && !soon {
			c.forced = c.now()
		}
		c.mu.Unlock()
		if t != refused {
			return t, nil
		}
		if soon {
			return nil, errors.New("it was renewed a moment ago")
		}
		return c.renew(context.WithoutCancel(ctx))
	})
	select {
	case r := <-result:
		// A failure is left out: the refusal says more.
		if t, ok := r.Val.(*oauth2.Token); ok && r.Err == nil && t.AccessToken != refused.AccessToken {
			return t
		}
	case <-ctx.Done():
	}
	return nil
}

// renew gets a token from a source that is new, as sources keep what they have until it ends.
func (c *credentials) renew(ctx context.Context) (*oauth2.Token, error) {
	result := c.flight.DoChan("", func() (any, error) {
		source, err := c.find(context.WithoutCancel(ctx))
		if err != nil {
			return nil, neg.Block("NoCredentials", "Google credentials: %w", err)
		}
		t, err := source.Token()
		if err != nil {
			return nil, refusedToken(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.token = t
		return t, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*oauth2.Token), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refusedToken: a token endpoint that says no needs a person, one that fails does not.
func refusedToken(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 && refused.Response.StatusCode != http.StatusTooManyRequests {
		return neg.Block("NoCredentials", "Google credentials: access token: %w", err)
	}
	return fmt.Errorf("%w: Google credentials: access token: %w", kube.ErrNotSent, err)
}

// A bearer sends requests with an access token. One answered 401 is sent once more with
// another token, if there is one.
type bearer struct {
	next        http.RoundTripper
	credentials *credentials
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Response != nil { // a redirect, to wherever an answer says: the token is not for there
		return b.next.RoundTrip(r)
	}
	t, err := b.credentials.valid(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	answer, err := b.next.RoundTrip(with(r, t))
	if err != nil || answer.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return answer, err
	}
	again := b.credentials.other(r.Context(), t)
	if again == nil {
		return answer, nil
	}
	second := with(r, again)
	if r.Body != nil {
		if second.Body, err = r.GetBody(); err != nil {
			return answer, nil
		}
	}
	_ = answer.Body.Close() // it is a refusal; what it says comes again if the second fails too
	return b.next.RoundTrip(second)
}

func with(r *http.Request, t *oauth2.Token) *http.Request {
	r = r.Clone(r.Context())
	t.SetAuthHeader(r)
	return r
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // a RoundTripper must, and nobody hears of it
	}
}
