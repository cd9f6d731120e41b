package oidfverifier_test

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// serveLists starts the server of status lists. What it serves where is said by
// the tests.
func (s *suite) serveLists() {
	s.t.Helper()
	key := check(s.tls.IssueTLS(trusttest.LeafOptions{DNSNames: []string{"localhost", "127.0.0.1"}}))(s.t)
	s.lists = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if serve, ok := s.listAt.Load(r.URL.Path); ok {
			serve.(http.HandlerFunc)(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	s.lists.TLS = &tls.Config{Certificates: []tls.Certificate{key.TLSCertificate()}, MinVersion: tls.VersionTLS12}
	s.lists.StartTLS()
	s.t.Cleanup(s.lists.Close)
}

// list is a status list token, for a test to spoil before it is signed.
type list struct {
	header, payload object
	signer          *keys.Key
	bits            int
	// bytes are the entries, packed.
	bytes []byte
	// packed replaces the compressed entries, body the whole token.
	packed, body []byte
	media        string
}

const revokedEntry = 9

// honestList returns one of 64 entries of which one is revoked.
func (s *suite) honestList(uri string) *list {
	now := time.Now()
	return &list{
		header:  object{"alg": "ES256", "typ": "statuslist+jwt", "x5c": wire.X5C(s.statusSigner.Chain)},
		payload: object{"sub": uri, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(), "ttl": 600},
		signer:  s.statusSigner, bits: 1, bytes: []byte{0, 1 << (revokedEntry - 8), 0, 0, 0, 0, 0, 0}, media: "application/statuslist+jwt",
	}
}

func (l *list) encode(t testing.TB) []byte {
	t.Helper()
	if l.body != nil {
		return l.body
	}
	packed := l.packed
	if packed == nil {
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, _ = w.Write(l.bytes)
		_ = w.Close()
		packed = out.Bytes()
	}
	if l.payload["status_list"] == nil {
		l.payload["status_list"] = object{"bits": l.bits, "lst": wire.B64(packed)}
	}
	return []byte(wire.SignText(l.signer.Signer, string(check(json.Marshal(l.header))(t)), string(check(json.Marshal(l.payload))(t))))
}

// publish serves a list at a path of its own, and counts how often it is asked
// for.
func (s *suite) publish(t testing.TB, path string, spoil func(l *list)) (uri string, fetched *atomic.Int64) {
	t.Helper()
	uri = s.lists.URL + path
	l := s.honestList(uri)
	if spoil != nil {
		spoil(l)
	}
	body, media, count := l.encode(t), l.media, new(atomic.Int64)
	s.listAt.Store(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(body)
	}))
	return uri, count
}

// withStatus points a credential to an entry of a list.
func withStatus(uri string, index any) func(*sdjwt) {
	return func(p *sdjwt) { p.payload["status"] = object{"status_list": object{"idx": index, "uri": uri}} }
}
