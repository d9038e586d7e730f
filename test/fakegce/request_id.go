package fakegce

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
)

type requestKey struct{ project, id string }

func (op *operation) requestKey() requestKey { return requestKey{op.ref.project, op.requestID} }

var (
	uuid     = regexp.MustCompile(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	zeroUUID = "00000000-0000-0000-0000-000000000000"
)

// digestBody keeps a digest of the body of a call with a request id while it is read.
func (c *call) digestBody() {
	if !c.query.Has("requestId") {
		return
	}
	c.digest = sha256.New()
	c.req.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(c.req.Body, c.digest), c.req.Body}
}

// identity is what makes a request another one under the same request id; the body has
// been read.
func (c *call) identity() string {
	text := c.req.Method + " " + c.path
	if c.digest != nil {
		text += " " + hex.EncodeToString(c.digest.Sum(nil))
	}
	return text
}

// replay looks for the operation that an earlier call with the same request id
// began; the lock is held.
func (s *Server) replay(c *call) (doc, *apiError) {
	id := c.query.Get("requestId")
	if id == "" {
		return nil, nil
	}
	if !uuid.MatchString(id) || id == zeroUUID {
		return nil, errInvalid("requestId", id, "Request ID must be a valid, non-zero UUID.")
	}
	op := s.requestIDs[requestKey{c.project, id}]
	now := s.clock.Now()
	if op == nil || now.Sub(op.inserted) > s.opts.RequestIDWindow {
		return nil, nil
	}
	if s.opts.RequestIDReuse == "conflict" && op.request != c.identity() {
		return nil, refuse(http.StatusConflict, "duplicate", "The request id '%s' was used for another request", id)
	}
	c.operation = op.ref.name
	return op.doc(op.status(now)), nil
}

func (s *Server) rememberRequest(op *operation) {
	if op.requestID != "" {
		s.requestIDs[op.requestKey()] = op
	}
}
