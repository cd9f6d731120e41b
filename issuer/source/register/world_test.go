package register_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/source/register"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
)

// clock is a time that tests move. TLS keeps to that of the machine.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a register and a client of it.
type world struct {
	*registertest.Server
	clock    *clock
	outcomes []register.Outcome
}

func newWorld(t *testing.T, wrap func(http.Handler) http.Handler) *world {
	t.Helper()
	people, err := registertest.People()
	if err != nil {
		t.Fatal(err)
	}
	server, err := registertest.Serve(registertest.New(people, time.Now), wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return &world{Server: server, clock: &clock{now: time.Now()}}
}

// documented holds exchanges against the contract.
func documented(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	v, err := openapitest.New(openapi.Source, "")
	if err != nil {
		t.Fatal(err)
	}
	return func(next http.Handler) http.Handler { return v.Handler(t, next) }
}

// fetcher returns a client with the certificate that trusts the authority.
func (w *world) fetcher(t *testing.T, o fetch.Options, authority *x509.Certificate, certificate *tls.Certificate) *fetch.Client {
	t.Helper()
	o.Purpose, o.Now, o.MaxBytes = "register", time.Now, register.MaxAnswer
	o.OnlyRoots, o.AllowedHosts = []*x509.Certificate{authority}, []string{strings.TrimPrefix(w.URL, "https://")}
	if certificate != nil {
		o.ClientCertificate = func() (*tls.Certificate, error) { return certificate, nil }
	}
	client, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func (w *world) certificate(t *testing.T, ca *trusttest.CA, lifetime time.Duration) *tls.Certificate {
	t.Helper()
	key, err := registertest.IssueClient(ca, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	certificate := key.TLSCertificate()
	return &certificate
}

// client returns an honest client, which edit may change.
func (w *world) client(t *testing.T, edit func(*register.Config)) *register.Register {
	t.Helper()
	key := sha256.Sum256([]byte("key of this register"))
	c := register.Config{
		URL: w.URL, PseudonymKey: key[:], MaxAge: 24 * time.Hour, Now: w.clock.Now,
		Observe: func(o register.Outcome) { w.outcomes = append(w.outcomes, o) },
	}
	if edit != nil {
		edit(&c)
	}
	if c.Client == nil {
		c.Client = w.fetcher(t, fetch.Options{}, w.CA.Certificate, w.certificate(t, w.CA, time.Hour))
	}
	r, err := register.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signed(pseudonym string) *evidence.Evidence {
	return &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{Pseudonym: pseudonym}}
}

func hanako() *source.Person {
	return &source.Person{
		Name: "山田　花子", NameSubstitutes: "00000", Address: "東京都清瀬市中里五丁目８４２番地",
		BirthDate: &credentials.FullDate{Year: 1985, Month: time.April, Day: 1}, Sex: 2,
	}
}

// stated is evidence without a certificate.
func stated() *evidence.Evidence {
	return &evidence.Evidence{Kind: evidence.KindOpenID, Stated: &jpki.Attributes{}}
}
