// Package caller tells who posts to the public endpoints: a URL path that carries a MAC
// over the cluster it is for. A kube-apiserver's webhook and audit configurations can
// hold a URL but seldom a credential that expires, so the URL is the credential.
//
//	/v1/CLUSTER/MAC    MAC = base64url(HMAC-SHA256(key, "v1\n" + CLUSTER)), unpadded
//
// A caller that can send a header sends the same MAC as its bearer token instead, to
//
//	/v1/CLUSTER        Authorization: Bearer MAC
//
// which keeps it out of the request logs of whatever stands in between.
//
// Path and header are secrets: nothing here or in a caller may log them, and errors name
// neither them nor a key. A key is rotated in two steps: put the new one first and keep the
// old one second until every cluster's configuration has the new URL; then drop it.
//
// The format is frozen by testdata/paths.txt and changes only with its version. The
// package uses the standard library and neg alone and does no I/O.
package caller

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

const version = "v1"

// minKey is the least length of a key: as long as the MAC's own output.
const minKey = sha256.Size

// maxKeys is one key in use and, while it is rotated, the one before or after it.
const maxKeys = 2

// maxPath bounds what Verify looks at: version, name, MAC and three slashes.
const maxPath = len(version) + neg.MaxClusterName + 64

// ErrUnknown is all that a caller with a wrong path may learn.
var ErrUnknown = errors.New("verify caller: unknown path")

// Keys are the accepted keys; the first one signs.
type Keys struct{ keys [][]byte }

// ParseKeys reads one or two keys, separated by commas or newlines. Each is hexadecimal,
// else base64 (either alphabet, padded or not), else taken as it is, and at least 32
// bytes long.
func ParseKeys(s string) (Keys, error) {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' })
	var k Keys
	for _, field := range fields {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		key, form := parseKey(field)
		if len(key) < minKey {
			return Keys{}, fmt.Errorf("parse caller keys: key %d has %d bytes (read as %s), want at least %d",
				len(k.keys)+1, len(key), form, minKey)
		}
		k.keys = append(k.keys, key)
	}
	switch {
	case len(k.keys) == 0:
		return Keys{}, errors.New("parse caller keys: there is none; make one with: openssl rand -hex 32")
	case len(k.keys) > maxKeys:
		return Keys{}, fmt.Errorf("parse caller keys: %d keys, want at most %d; drop those no URL uses any more", len(k.keys), maxKeys)
	}
	return k, nil
}

func parseKey(s string) (key []byte, form string) {
	if b, err := hex.DecodeString(s); err == nil {
		return b, "hexadecimal"
	}
	alphabet := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.DecodeString(alphabet); err == nil {
		return b, "base64"
	}
	return []byte(s), "text"
}

// String hides the keys from every formatted log line.
func (k Keys) String() string { return fmt.Sprintf("%d caller keys", len(k.keys)) }

// GoString hides them from %#v too.
func (k Keys) GoString() string { return k.String() }

// Sign returns the path for cluster under the first key.
func (k Keys) Sign(cluster string) (path string, err error) {
	if err := neg.ValidClusterName(cluster); err != nil {
		return "", fmt.Errorf("sign path: %w", err)
	}
	if len(k.keys) == 0 {
		return "", errors.New("sign path: no caller key is configured")
	}
	return "/" + version + "/" + cluster + "/" + encode(sum(k.keys[0], cluster)), nil
}

// Token returns the path and the bearer token of a caller that sends the MAC in a header.
func (k Keys) Token(cluster string) (path, token string, err error) {
	signed, err := k.Sign(cluster)
	if err != nil {
		return "", "", err
	}
	at := strings.LastIndexByte(signed, '/')
	return signed[:at], signed[at+1:], nil
}

// VerifyRequest returns the cluster that the request's path, or its path and bearer token,
// were signed for.
func (k Keys) VerifyRequest(r *http.Request) (cluster string, err error) {
	path := r.URL.Path
	if token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found && strings.Count(path, "/") == 2 {
		path += "/" + token
	}
	return k.Verify(path)
}

// Verify returns the cluster that path was signed for, by any of the keys.
func (k Keys) Verify(path string) (cluster string, err error) {
	if len(path) > maxPath {
		return "", ErrUnknown
	}
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[0] != "" || parts[1] != version || neg.ValidClusterName(parts[2]) != nil {
		return "", ErrUnknown
	}
	valid := false
	for _, key := range k.keys {
		// Texts are compared: base64 is read with line breaks anywhere, and a MAC has one path.
		// Every key is tried, so that the time taken does not tell which one matched.
		valid = hmac.Equal([]byte(parts[3]), []byte(encode(sum(key, parts[2])))) || valid
	}
	if !valid {
		return "", ErrUnknown
	}
	return parts[2], nil
}

func sum(key []byte, cluster string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(version + "\n" + cluster))
	return h.Sum(nil)
}

func encode(mac []byte) string { return base64.RawURLEncoding.EncodeToString(mac) }
