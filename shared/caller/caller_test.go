package caller

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

// Keys of tests only.
var (
	oldKey = strings.Repeat("0f", 32)
	newKey = strings.Repeat("a1", 32)
)

func keys(t testing.TB, s string) Keys {
	t.Helper()
	k, err := ParseKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The path is in the configuration of every cluster: the file changes only with a version.
func TestPathFormat(t *testing.T) {
	const file = "testdata/paths.txt"
	var b strings.Builder
	for _, key := range []string{oldKey, newKey} {
		for _, cluster := range []string{"a", "prod-eu", strings.Repeat("x", 40)} {
			path, err := keys(t, key).Sign(cluster)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s…  %s\n", key[:8], path)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestVerify(t *testing.T) {
	rotating := keys(t, newKey+"\n"+oldKey)
	old, _ := keys(t, oldKey).Sign("prod-eu")
	fresh, _ := keys(t, newKey).Sign("prod-eu")
	for _, path := range []string{old, fresh} {
		if cluster, err := rotating.Verify(path); cluster != "prod-eu" || err != nil {
			t.Errorf("a path of an accepted key: %q, %v", cluster, err)
		}
	}
	if _, err := keys(t, newKey).Verify(old); !errors.Is(err, ErrUnknown) {
		t.Errorf("the path of a dropped key: %v", err)
	}
	mac := fresh[strings.LastIndex(fresh, "/")+1:]
	for name, path := range map[string]string{
		"empty":              "",
		"root":               "/",
		"no MAC":             "/v1/prod-eu/",
		"no cluster":         "/v1//" + mac,
		"another cluster":    "/v1/prod-us/" + mac,
		"another version":    "/v2/prod-eu/" + mac,
		"a longer path":      fresh + "/x",
		"a trailing slash":   fresh + "/",
		"a truncated MAC":    fresh[:len(fresh)-2],
		"padding":            fresh + "=",
		"hexadecimal":        "/v1/prod-eu/" + strings.Repeat("ab", 32),
		"an invalid cluster": "/v1/Prod/" + mac,
		"a huge path":        "/v1/" + strings.Repeat("a", 1<<20) + "/" + mac,
	} {
		if cluster, err := rotating.Verify(path); cluster != "" || !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %q, %v", name, cluster, err)
		}
	}
	if _, err := (Keys{}).Verify(fresh); !errors.Is(err, ErrUnknown) {
		t.Errorf("without keys: %v", err)
	}
}

// A caller that can send a header keeps the MAC out of the URL.
func TestVerifyRequest(t *testing.T) {
	rotating := keys(t, newKey+"\n"+oldKey)
	signed, _ := keys(t, newKey).Sign("prod-eu")
	path, token, err := keys(t, newKey).Token("prod-eu")
	if err != nil || path != "/v1/prod-eu" || path+"/"+token != signed {
		t.Fatalf("path %q, %v", path, err)
	}
	_, old, _ := keys(t, oldKey).Token("prod-eu")
	for name, c := range map[string]struct {
		path, header string
		known        bool
	}{
		"the path":                      {signed, "", true},
		"the header":                    {path, "Bearer " + token, true},
		"the header, of the older key":  {path, "Bearer " + old, true},
		"a path, and another's header":  {signed, "Bearer x", true},
		"no header":                     {path, "", false},
		"the header of another cluster": {"/v1/prod-us", "Bearer " + token, false},
		"another scheme":                {path, "Basic " + token, false},
		"a header that goes on":         {path, "Bearer " + token + "/x", false},
		"a header with the path's rest": {"/v1", "Bearer prod-eu/" + token, false},
		"a wrong path, and a header":    {signed[:len(signed)-1], "Bearer " + token, false},
		"a path that ends with a slash": {path + "/", "Bearer " + token, false},
		"a huge header":                 {path, "Bearer " + strings.Repeat("a", 1<<20), false},
	} {
		r := &http.Request{URL: &url.URL{Path: c.path}, Header: http.Header{"Authorization": {c.header}}}
		cluster, err := rotating.VerifyRequest(r)
		if c.known != (cluster == "prod-eu" && err == nil) || !c.known && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %q, %v", name, cluster, err)
		}
	}
}

// A MAC has one spelling: a second one would pass through lists of known URLs.
func TestVerifyTakesOneSpelling(t *testing.T) {
	k := keys(t, newKey)
	path, _ := k.Sign("prod-eu")
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, last := range alphabet {
		other := path[:len(path)-1] + string(last)
		if _, err := k.Verify(other); (err == nil) != (other == path) {
			t.Errorf("last character %q: %v", last, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	raw, _ := hex.DecodeString(newKey)
	path, _ := keys(t, newKey).Sign("prod-eu")
	for name, s := range map[string]string{
		"hexadecimal": newKey,
		"upper case":  strings.ToUpper(newKey),
		"base64":      base64.StdEncoding.EncodeToString(raw),
		"base64url":   base64.RawURLEncoding.EncodeToString(raw),
		"white space": "\n " + newKey + "\r\n",
		"commas":      newKey + "," + oldKey + ",",
	} {
		if got, _ := keys(t, s).Sign("prod-eu"); got != path {
			t.Errorf("%s: another path", name)
		}
	}
	keys(t, "a text of more than thirty-two bytes is a key as it is")
}

func TestParseKeysRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":              "",
		"separators":           ",\n,",
		"a short key":          "abcd1234",
		"a short second key":   newKey + ",c0ffee",
		"a short hex key":      newKey[:62],
		"base64 of 24 bytes":   base64.StdEncoding.EncodeToString(make([]byte, 24)),
		"three keys":           newKey + "," + oldKey + "," + newKey,
		"a text under the min": "not hex, nor base64!",
	} {
		_, err := ParseKeys(s)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '\n' }) {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error prints the key", name)
			}
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k := keys(t, newKey)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, k); got != "1 caller keys" {
			t.Errorf("%s prints %q", format, got)
		}
	}
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	for _, cluster := range []string{"", "Prod", "a/b", strings.Repeat("x", 41)} {
		if _, err := keys(t, newKey).Sign(cluster); err == nil {
			t.Errorf("signed %q", cluster)
		}
	}
	if _, err := (Keys{}).Sign("prod-eu"); err == nil {
		t.Error("signed without a key")
	}
}

// TestOnePath: a MAC with line breaks in it is another text, though base64 reads it the same.
func TestOnePath(t *testing.T) {
	k := keys(t, newKey)
	signed, err := k.Sign("prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	for _, added := range []string{"\r", "\n", "=", " "} {
		for _, path := range []string{signed + added, signed[:len(signed)-9] + added + signed[len(signed)-9:]} {
			if _, err := k.Verify(path); err == nil {
				t.Errorf("accepted %q", path)
			}
		}
	}
}

func FuzzVerifyRequest(f *testing.F) {
	k := keys(f, newKey)
	signed, _ := k.Sign("prod-eu")
	path, token, _ := k.Token("prod-eu")
	f.Add(signed, "")
	f.Add(path, "Bearer "+token)
	f.Fuzz(func(t *testing.T, path, header string) {
		r := &http.Request{URL: &url.URL{Path: path}, Header: http.Header{"Authorization": {header}}}
		cluster, err := k.VerifyRequest(r)
		if err != nil {
			return
		}
		want, _ := k.Sign(cluster)
		if token, _ := strings.CutPrefix(header, "Bearer "); path != want && path+"/"+token != want {
			t.Fatalf("accepted %q with %q", path, header)
		}
	})
}

func FuzzVerify(f *testing.F) {
	k := keys(f, newKey)
	path, _ := k.Sign("prod-eu")
	f.Add(path)
	f.Add("/v1/a/b")
	f.Fuzz(func(t *testing.T, s string) {
		cluster, err := k.Verify(s)
		if err != nil {
			return
		}
		if want, _ := k.Sign(cluster); want != s {
			t.Fatalf("accepted %q", s)
		}
	})
}
