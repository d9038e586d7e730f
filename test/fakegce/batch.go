package fakegce

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
)

// maxBatch is the most parts a batch request may have.
const maxBatch = 1000

// serveBatch answers a multipart/mixed of whole requests with one of whole
// responses, in order, each under the id of its request.
func (s *Server) serveBatch(w http.ResponseWriter, r *http.Request) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || !strings.HasPrefix(media, "multipart/") || params["boundary"] == "" {
		bad := refuse(http.StatusBadRequest, "badRequest", "A batch is a POST of multipart/mixed.")
		writeAnswer(w, bad.status, bad)
		return
	}
	var out bytes.Buffer
	answers := multipart.NewWriter(&out)
	if err := s.answerParts(r, multipart.NewReader(io.LimitReader(r.Body, maxBody), params["boundary"]), answers); err != nil {
		bad := refuse(http.StatusBadRequest, "badRequest", "Failed to parse batch request: %s", err)
		writeAnswer(w, bad.status, bad)
		return
	}
	answers.Close()
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+answers.Boundary())
	w.Write(out.Bytes())
}

func (s *Server) answerParts(r *http.Request, in *multipart.Reader, out *multipart.Writer) error {
	for n := 0; ; n++ {
		part, err := in.NextRawPart()
		if err == io.EOF && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if n == maxBatch {
			return fmt.Errorf("more than %d parts", maxBatch)
		}
		inner, err := http.ReadRequest(bufio.NewReader(part))
		if err != nil {
			return err
		}
		rec := httptest.NewRecorder()
		s.serveAPI(rec, inner.WithContext(r.Context()), true)
		if err := writePart(out, part.Header.Get("Content-ID"), rec); err != nil {
			return err
		}
	}
}

func writePart(out *multipart.Writer, id string, rec *httptest.ResponseRecorder) error {
	h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
	if id != "" {
		h.Set("Content-ID", "<response-"+strings.TrimPrefix(id, "<"))
	}
	w, err := out.CreatePart(h)
	if err != nil {
		return err
	}
	res := rec.Result()
	res.ContentLength = int64(rec.Body.Len())
	return res.Write(w)
}
