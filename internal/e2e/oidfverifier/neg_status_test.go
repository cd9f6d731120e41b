package oidfverifier_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

func compressed(w io.WriteCloser, out *bytes.Buffer, data []byte) []byte {
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// TestNegStatusList holds what a status list may be. The honest twin of every
// fault is an honest list at the same address.
func TestNegStatusList(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	zeros := make([]byte, 8)
	zipped := func(data []byte) []byte { var b bytes.Buffer; return compressed(zlib.NewWriter(&b), &b, data) }
	claim := func(name string, value any) func(l *list) { return func(l *list) { l.payload[name] = value } }
	now := time.Now()
	for i, tt := range []struct {
		name  string
		spoil func(l *list)
		// index replaces the entry that is asked for.
		index any
		cause string
	}{
		{"T01 bomb", func(l *list) { l.packed = zipped(make([]byte, 16<<20)) }, nil, "list_malformed"},
		{"T01 trailing data", func(l *list) { l.packed = append(zipped(zeros), 0) }, nil, "list_malformed"},
		{"T01 gzip", func(l *list) { var b bytes.Buffer; l.packed = compressed(gzip.NewWriter(&b), &b, zeros) }, nil, "list_malformed"},
		{"T01 raw deflate", func(l *list) {
			var b bytes.Buffer
			w, _ := flate.NewWriter(&b, 9)
			l.packed = compressed(w, &b, zeros)
		}, nil, "list_malformed"},
		{"T01 preset dictionary", func(l *list) {
			var b bytes.Buffer
			w, _ := zlib.NewWriterLevelDict(&b, 9, []byte("dictionary"))
			l.packed = compressed(w, &b, zeros)
		}, nil, "list_malformed"},
		{"T02 index beyond the list", nil, 64, "no_entry"},
		{"T02 index is negative", nil, -1, ""},
		{"T02 index with a fraction", nil, 1.5, ""},
		{"T02 index is a text", nil, "3", ""},
		{"T02 three bits", func(l *list) { l.bits = 3 }, nil, "list_malformed"},
		{"T03 another list", claim("sub", s.lists.URL+"/another"), nil, "list_malformed"},
		{"T03 typ", func(l *list) { l.header["typ"] = "JWT" }, nil, "list_malformed"},
		{"T03 signer nobody trusts", func(l *list) {
			l.signer = check(s.stranger.IssueStatusSigner(trusttest.LeafOptions{}))(t)
			l.header["x5c"] = wire.X5C(l.signer.Chain)
		}, nil, "list_untrusted"},
		{"T03 no chain", func(l *list) { delete(l.header, "x5c") }, nil, "list_malformed"},
		{"T03 from the future", claim("iat", now.Add(time.Hour).Unix()), nil, "list_malformed"},
		{"T03 expired", claim("exp", now.Add(-time.Second).Unix()), nil, "list_expired"},
		{"T03 ttl is zero", claim("ttl", 0), nil, "list_malformed"},
		{"T03 ttl is negative", claim("ttl", -1), nil, "list_malformed"},
		{"T03 ttl of ten years", claim("ttl", 10*366*24*3600), nil, "list_malformed"},
		{"T04 other media type", func(l *list) { l.media = "text/html" }, nil, "list_unavailable"},
		{"T04 hundred megabytes", func(l *list) { l.body = bytes.Repeat([]byte("a"), 100<<20) }, nil, "list_unavailable"},
		{"T04 no token", func(l *list) { l.body = []byte("<html>") }, nil, "list_malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := variants[0]
			path := "/t/" + string(rune('a'+i))
			present := func(path string, index any, spoil func(l *list)) (transaction, *answer) {
				uri, _ := s.publish(t, path, spoil)
				tx := s.begin(t, v, queryOfPID, "same_device")
				r := s.read(t, v, tx, nil)
				return tx, s.post(t, r.ResponseURI, r.form(t, s.presentation(t, r, formatSDJWT, withStatus(uri, index), nil)))
			}
			if _, a := present(path+"/honest", 3, nil); a.status != http.StatusOK {
				t.Fatalf("the honest twin: %d %s", a.status, a.body)
			}
			index := tt.index
			if index == nil {
				index = 3
			}
			tx, a := present(path, index, tt.spoil)
			s.wantRefused(t, v, tx, a)
			if got := s.result(t, v, tx, "").Refusal; got.Reason != "status_unavailable" || got.Cause != tt.cause {
				t.Errorf("refused for %s, %s; want %s", got.Reason, got.Cause, tt.cause)
			}
		})
	}
}

// TestStatusFetches holds that a list is fetched once for all who present at the
// same time, and not at all for those who come later.
func TestStatusFetches(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	uri, fetched := s.publish(t, "/t06", nil)
	v := variants[0]
	var wg sync.WaitGroup
	answers := make([]*answer, 8)
	for i := range answers {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		form := r.form(t, s.presentation(t, r, formatSDJWT, withStatus(uri, 3), nil))
		wg.Go(func() { answers[i] = s.post(t, r.ResponseURI, form) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != http.StatusOK {
			t.Errorf("T06: %d %s", a.status, a.body)
		}
	}
	if n := fetched.Load(); n != 1 {
		t.Errorf("T06: %d fetches for %d presentations", n, len(answers))
	}
}

// TestNegSSRF points credentials at addresses that the verifier must not
// connect to. A server that nobody may reach counts connections.
func TestNegSSRF(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	var connections atomic.Int64
	inner := httptest.NewUnstartedServer(http.NotFoundHandler())
	inner.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		connections.Add(1)
		return ctx
	}
	inner.StartTLS()
	t.Cleanup(inner.Close)
	_, port, _ := net.SplitHostPort(inner.Listener.Addr().String())
	redirect := func(path, to string, status int) string {
		s.listAt.Store(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }))
		return s.lists.URL + path
	}
	honest, _ := s.publish(t, "/x", nil)
	v := variants[0]
	present := func(uri string) (transaction, *answer) {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		return tx, s.post(t, r.ResponseURI, r.form(t, s.presentation(t, r, formatSDJWT, withStatus(uri, 3), nil)))
	}
	if _, a := present(honest); a.status != http.StatusOK {
		t.Fatalf("the honest twin: %d %s", a.status, a.body)
	}
	host, _ := strings.CutPrefix(s.lists.URL, "https://")
	for name, uri := range map[string]string{
		"X01 loopback":                 "https://127.0.0.1:" + port + "/list",
		"X01 name of loopback":         "https://localhost:" + port + "/list",
		"X01 loopback of version 6":    "https://[::1]:" + port + "/list",
		"X01 mapped to version 6":      "https://[::ffff:127.0.0.1]:" + port + "/list",
		"X01 decimal":                  "https://2130706433:" + port + "/list",
		"X01 hexadecimal":              "https://0x7f000001:" + port + "/list",
		"X01 octal":                    "https://0177.0.0.1:" + port + "/list",
		"X01 short":                    "https://127.1:" + port + "/list",
		"X01 any address":              "https://0.0.0.0:" + port + "/list",
		"X01 link-local":               "https://169.254.169.254/list",
		"X01 private":                  "https://10.0.0.1/list",
		"X01 unique local":             "https://[fd00::1]/list",
		"X01 user":                     "https://127.0.0.1@" + host + "/x",
		"X01 another host behind user": "https://" + host + "@127.0.0.1:" + port + "/list",
		"X01 plain http":               "http://" + host + "/x",
		"X01 file":                     "file:///etc/passwd",
		"X01 gopher":                   "gopher://127.0.0.1:" + port + "/list",
		"X01 socket":                   "unix:///var/run/docker.sock",
		"X02 redirect to loopback":     redirect("/r1", "https://127.0.0.1:"+port+"/list", http.StatusFound),
		"X02 redirect to itself":       redirect("/r2", "/r2", http.StatusTemporaryRedirect),
		"X02 redirect to http":         redirect("/r3", "http://"+host+"/x", http.StatusMovedPermanently),
	} {
		t.Run(name, func(t *testing.T) {
			tx, a := present(uri)
			if reason := s.wantRefused(t, v, tx, a); reason != "status_unavailable" {
				t.Errorf("refused for %s", reason)
			}
		})
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("X01: %d connections to a server that is none of the verifier's business", n)
	}
	if strings.Contains(s.log.String(), "Dupont") {
		t.Error("the log names the person")
	}
}
