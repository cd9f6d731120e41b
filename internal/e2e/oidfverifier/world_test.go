// Package oidfverifier_test holds the verifier to what the OpenID Foundation's
// conformance suite demands of one, and to the catalogue of attacks on
// presentations, over real HTTPS against the real application. The wallet here
// shares no code with the one it tests: what it reads and writes is in package
// wire.
package oidfverifier_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/internal/session"
)

const (
	walletURL   = "https://suite.example/test/a/tegata/authorize"
	relyingURL  = "https://rp.example/back"
	pidVCT      = "urn:eudi:pid:1"
	mdlDocType  = "org.iso.18013.5.1.mDL"
	mdlSpace    = "org.iso.18013.5.1"
	queryOfPID  = `{"credentials":[{"id":"my_credential","format":"dc+sd-jwt","meta":{"vct_values":["urn:eudi:pid:1"]},"claims":[{"path":["given_name"]},{"path":["family_name"]}]}]}`
	queryOfMDL  = `{"credentials":[{"id":"my_credential","format":"mso_mdoc","meta":{"doctype_value":"org.iso.18013.5.1.mDL"},"claims":[{"path":["org.iso.18013.5.1","given_name"]},{"path":["org.iso.18013.5.1","family_name"]}]}]}`
	credential  = "my_credential"
	formatSDJWT = "sd_jwt_vc"
	formatMdoc  = "iso_mdl"
)

// variants are the combinations that the suite has. Those of HAIP come first.
var variants = []variant{
	{name: "haip", prefix: "x509_hash", mode: "direct_post.jwt", haip: true},
	{name: "x509-hash-clear", prefix: "x509_hash", mode: "direct_post"},
	{name: "x509-san-dns", prefix: "x509_san_dns", mode: "direct_post.jwt"},
	{name: "x509-san-dns-clear", prefix: "x509_san_dns", mode: "direct_post"},
	{name: "redirect-uri", prefix: "redirect_uri", mode: "direct_post.jwt"},
	{name: "redirect-uri-clear", prefix: "redirect_uri", mode: "direct_post"},
}

type variant struct {
	name, prefix, mode string
	haip               bool
}

func (v variant) signed() bool { return v.prefix != "redirect_uri" }

// suite is a process with a verifier for each variant, and what stands around
// it: issuers, one of which nobody trusts, and a server of status lists.
type suite struct {
	t         *testing.T
	dir       string
	cfg       *config.Config
	token     string
	origin    string
	listeners []string
	turn      atomic.Int64
	client    *http.Client

	// There are two authorities for SD-JWT VCs, and a stranger that has the name of
	// the first.
	tls, ca, second, iaca, access, stranger  *trusttest.CA
	signer, secondSigner, docSigner, strange *keys.Key
	statusSigner                             *keys.Key
	holder                                   *ecdsa.PrivateKey
	lists                                    *httptest.Server
	listAt                                   sync.Map // path to http.HandlerFunc
	log                                      *safeBuffer
}

func check[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// safeBuffer takes the log of the process.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written.
func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newSuite starts the process, and a second one beside it if there is a Redis.
func newSuite(t *testing.T, redis string) *suite {
	t.Helper()
	s := &suite{t: t, dir: t.TempDir(), token: rand.Text() + rand.Text(), log: &safeBuffer{}}
	old := time.Now().Add(-24 * time.Hour)
	for _, spec := range []struct {
		ca      **trusttest.CA
		name    string
		profile trusttest.Profile
	}{
		{&s.tls, "Suite TLS CA", trusttest.Generic}, {&s.ca, "Suite Issuing CA", trusttest.Generic}, {&s.second, "Suite Second CA", trusttest.Generic}, {&s.iaca, "Suite IACA", trusttest.IACA},
		{&s.access, "Suite Access CA", trusttest.Generic}, {&s.stranger, "Suite Issuing CA", trusttest.Generic},
	} {
		*spec.ca = check(trusttest.NewCA(trusttest.CAOptions{Name: spec.name, Profile: spec.profile, NotBefore: old}))(t)
	}
	s.signer = check(s.ca.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	s.secondSigner = check(s.second.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	s.strange = check(s.stranger.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	s.docSigner = check(s.iaca.IssueMdocSigner(trusttest.LeafOptions{}))(t)
	s.statusSigner = check(s.ca.IssueStatusSigner(trusttest.LeafOptions{}))(t)
	s.holder = wire.NewKey()
	s.serveLists()
	s.configure(redis)
	s.newClient(redis != "")
	s.run(s.cfg)
	if redis != "" {
		second := *s.cfg
		v := *s.cfg.Verifier
		v.Listen = check(loopback.Address())(t)
		second.Verifier = &v
		s.run(&second)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the process:\n%s", s.log)
		}
	})
	return s
}

func (s *suite) file(name string, data []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *suite) key(name string, key *keys.Key) config.KeyList {
	s.t.Helper()
	return config.KeyList{{
		Key:   s.file(name+".key.pem", check(keys.EncodeKeyPEM(key.Signer))(s.t)),
		Chain: s.file(name+".chain.pem", keys.EncodeChainPEM(key.Chain)),
	}}
}

func (s *suite) certificate(name string, ca *trusttest.CA) string {
	return s.file(name+".pem", keys.EncodeChainPEM([]*x509.Certificate{ca.Certificate}))
}

// configure writes the configuration: the first variant in the main file and a
// file for every other one, or the first alone if there are to be replicas.
func (s *suite) configure(redis string) {
	s.t.Helper()
	address := check(loopback.Address())(s.t)
	_, port, _ := net.SplitHostPort(address)
	s.origin = "https://localhost:" + port
	tlsKey := s.key("tls", check(s.tls.IssueTLS(trusttest.LeafOptions{DNSNames: []string{"localhost"}}))(s.t))
	c := &config.Config{Mode: config.ModeTest}
	c.Log.Format = "text"
	c.Outbound.Roots = s.certificate("tls-root", s.tls)
	c.Outbound.AllowLoopback = []string{strings.TrimPrefix(s.lists.URL, "https://")}
	if redis != "" {
		c.Redis = &config.Redis{Addresses: []string{redis}, Prefix: "suite:"}
		c.SessionKeys = s.file("session.keys", session.NewRandomKeys().Encode())
	}
	for i, v := range variants {
		verifier := &config.Verifier{
			Endpoint: config.Endpoint{Tenant: v.name, Listen: address, Origin: s.origin, Path: "/" + v.name, TLS: &tlsKey},
			NameJA:   "手形銀行", NameEN: "Tegata Bank", APIToken: s.file("api.token", []byte(s.token)), WalletURL: walletURL,
			Issuers: []config.Anchor{
				{File: s.certificate("ca", s.ca), Jurisdiction: "JP", Formats: []string{"dc+sd-jwt"}},
				{File: s.certificate("second", s.second), Jurisdiction: "JP", Formats: []string{"dc+sd-jwt"}},
				{File: s.certificate("iaca", s.iaca), Jurisdiction: "JP", Formats: []string{"mso_mdoc"}},
			},
			Request: config.VerifierRequest{Prefix: v.prefix, Mode: v.mode},
		}
		verifier.Keys.Request = s.key("request-"+v.name, check(s.access.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"localhost"}}))(s.t))
		if i == 0 {
			c.Verifier = verifier
			continue
		}
		if redis != "" {
			break
		}
		s.file("tenants/"+v.name+".yaml", check(yaml.Marshal(config.Roles{Verifier: verifier}))(s.t))
	}
	if redis == "" {
		c.TenantsDir = filepath.Join(s.dir, "tenants")
	}
	s.cfg = check(config.Load(s.file("tegata.yaml", check(yaml.Marshal(c))(s.t))))(s.t)
}

// run starts a process and stops it with the test.
func (s *suite) run(cfg *config.Config) {
	s.t.Helper()
	process := check(app.New(s.t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(s.log, nil)), Now: time.Now}))(s.t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	s.t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("the process ended with %v", err)
		}
	})
	s.listeners = append(s.listeners, cfg.Verifier.Listen)
}

// newClient makes a client that follows no redirects and, if there are several
// processes, goes to the next one with every request.
func (s *suite) newClient(several bool) {
	pool := x509.NewCertPool()
	pool.AddCert(s.tls.Certificate)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.listeners[int(s.turn.Add(1))%len(s.listeners)])
		},
		DisableKeepAlives: several,
	}
	s.client = &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response of the verifier.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *suite) do(t testing.TB, method, address string, header http.Header, body string) *answer {
	t.Helper()
	r := check(http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body)))(t)
	if header != nil {
		r.Header = header
	}
	response := check(s.client.Do(r))(t)
	defer response.Body.Close()
	return &answer{response.StatusCode, response.Header, check(io.ReadAll(response.Body))(t)}
}

func (s *suite) post(t testing.TB, address string, form url.Values) *answer {
	t.Helper()
	return s.do(t, http.MethodPost, address, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode())
}

// transaction is one of the relying party's.
type transaction struct {
	ID   string `json:"id"`
	Link string `json:"link"`
}

// begin asks for claims as the relying party does.
func (s *suite) begin(t testing.TB, v variant, query, flow string, more ...string) transaction {
	t.Helper()
	body := `{"flow":"` + flow + `","redirect_uri":"` + relyingURL + `","dcql_query":` + query + strings.Join(more, "") + `}`
	a := s.api(t, v, http.MethodPost, "", body)
	if a.status != http.StatusCreated {
		t.Fatalf("transaction: %d %s", a.status, a.body)
	}
	var tx transaction
	if err := json.Unmarshal(a.body, &tx); err != nil {
		t.Fatal(err)
	}
	return tx
}

func (s *suite) api(t testing.TB, v variant, method, path, body string) *answer {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + s.token}}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	return s.do(t, method, s.origin+"/"+v.name+"/api/transactions"+path, header, body)
}

// result is what the relying party reads.
type result struct {
	State       string `json:"state"`
	Credentials []struct {
		Claims map[string]any `json:"claims"`
	} `json:"credentials"`
	Refusal struct {
		Reason string `json:"reason"`
		Cause  string `json:"cause"`
	} `json:"refusal"`
}

func (s *suite) result(t testing.TB, v variant, tx transaction, code string) result {
	t.Helper()
	path := "/" + tx.ID
	if code != "" {
		path += "?response_code=" + code
	}
	a := s.api(t, v, http.MethodGet, path, "")
	var r result
	if err := json.Unmarshal(a.body, &r); err != nil || a.status != http.StatusOK {
		t.Fatalf("result: %d %s", a.status, a.body)
	}
	return r
}
