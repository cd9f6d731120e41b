package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/internal/telemetry"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
)

// deployment is a sandbox with a process that runs on it inside the test, and a
// JPKI outside of it whose cards the test holds.
type deployment struct {
	box   *sandbox.Sandbox
	cfg   *config.Config
	app   *app.App
	log   *logBuffer
	clock *clock
	// persons lends its cards to the login page, unless it is nil.
	persons *jpkitest.JPKI
	http    *http.Client
	spans   sdktrace.SpanExporter
	// replicas are the addresses at which each origin answers, one by default.
	replicas map[string][]string
	turn     atomic.Int64
}

// deployOptions say how a deployment differs from a plain one.
type deployOptions struct {
	redis string
	// postgres is where the records are kept; nil means SQLite.
	postgres *databasetest.Server
	// patience is how long an operation of Redis may take; zero is the default.
	patience time.Duration
	// lists is how long a revocation list of the JPKI serves, recheck how often
	// credentials are matched with them, and window how often status lists are
	// published.
	lists, recheck, window time.Duration
	// spans, if set, receives the spans; the log is then as talkative as it can
	// be, and there is an admin listener.
	spans sdktrace.SpanExporter
	// noTestPersons leaves the login page with real cards alone.
	noTestPersons bool
	// sameDevice lets people sign on the device of their browser alone. Most
	// tests paste signatures, because that is shorter.
	sameDevice bool
	// direct leaves out what holds exchanges against the documents.
	direct bool
	// prepare, if set, changes the sandbox before the process starts.
	prepare func(*sandbox.Sandbox)
	// configure, if set, changes the configuration after it was read.
	configure func(*deployment)
	// before, if set, is called when everything is there but the process, and
	// before this program migrates the database.
	before func(*deployment)
}

// clock is the time plus what the test has let pass.
type clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *clock) Now() time.Time {
	now := time.Now()
	if at := c.stopped.Load(); at != nil {
		now = *at
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// stop lets no time pass any more but what the test lets pass, so that nothing
// expires on a slow machine. It stops ahead of those who go by the real time,
// such as the JPKI with its revocation lists.
func (c *clock) stop() {
	at := time.Now().Add(5 * time.Minute)
	c.stopped.Store(&at)
}

// deploy starts issuer, verifier and wallet provider and stops them with the
// test. The log is shown if the test fails.
func deploy(t *testing.T, o deployOptions) *deployment {
	t.Helper()
	d := &deployment{log: &logBuffer{}, clock: &clock{}}
	crls := httptest.NewUnstartedServer(publishCRLs())
	var err error
	d.box, err = sandbox.New(t.TempDir(), sandbox.Options{
		Now: time.Now(), Redis: o.redis, RedisTimeout: o.patience, BatchSize: 3, SignatureAnchors: nation(t).Anchors(jpki.Signature),
		JPKI: config.JPKI{
			CRLURL: "https://" + crls.Listener.Addr().String(), CRLRefresh: config.Duration(o.lists),
			RecheckInterval: config.Duration(o.recheck), OtherDevice: !o.sameDevice,
		},
		StatusWindow: o.window,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.box.TLS.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if o.prepare != nil {
		o.prepare(d.box)
	}
	crls.TLS = &tls.Config{Certificates: []tls.Certificate{key.TLSCertificate()}, MinVersion: tls.VersionTLS12}
	crls.StartTLS()
	t.Cleanup(crls.Close)

	if o.postgres != nil {
		usePostgres(t, d.box, o.postgres)
		if o.patience > 0 {
			file := read(t, d.box)
			file.set("database.timeout", o.patience.String())
			file.write(t, d.box)
		}
	}
	if d.cfg, err = config.Load(d.box.ConfigFile); err != nil {
		t.Fatal(err)
	}
	if o.configure != nil {
		o.configure(d)
	}
	d.replicas = map[string][]string{d.box.Issuer: {d.cfg.Issuer.Listen}, d.box.Verifier: {d.cfg.Verifier.Listen}}
	if !o.noTestPersons {
		d.persons = nation(t)
	}
	if d.spans = o.spans; d.spans != nil {
		d.cfg.Admin = "127.0.0.1:0"
	}
	d.http = d.client(t, o.direct)
	if o.before != nil {
		o.before(d)
	}
	if o.postgres != nil {
		if _, err := app.Migrate(t.Context(), d.box.ConfigFile); err != nil {
			t.Fatal(err)
		}
	}
	d.app = d.run(t, d.cfg)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the process:\n%s", d.log)
		}
	})
	return d
}

// run starts a process and stops it with the test.
func (d *deployment) run(t *testing.T, cfg *config.Config) *app.App {
	t.Helper()
	level := slog.LevelInfo
	if d.spans != nil {
		level = slog.LevelDebug
	}
	log, err := telemetry.NewLogger(d.log, level, telemetry.LogText)
	if err != nil {
		t.Fatal(err)
	}
	process, err := app.New(t.Context(), cfg, app.Options{Log: log, Now: d.clock.Now, TestJPKI: d.persons, Spans: d.spans})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	t.Cleanup(func() {
		d.http.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
	return process
}

// addReplica starts a second issuer and verifier on the same stores. The client
// talks to both processes in turn.
func (d *deployment) addReplica(t *testing.T) {
	t.Helper()
	cfg, i, v := *d.cfg, *d.cfg.Issuer, *d.cfg.Verifier
	i.Listen, v.Listen = freeAddress(t), freeAddress(t)
	cfg.Issuer, cfg.Verifier, cfg.Provider = &i, &v, nil
	d.run(t, &cfg)
	d.replicas[d.box.Issuer] = append(d.replicas[d.box.Issuer], i.Listen)
	d.replicas[d.box.Verifier] = append(d.replicas[d.box.Verifier], v.Listen)
	d.http.CloseIdleConnections()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// transport trusts the sandbox and spreads its connections over the replicas.
func (d *deployment) transport(t *testing.T) *http.Transport {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(d.box.TLSRoot)
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: racers,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if replicas := d.replicas["https://"+address]; len(replicas) > 0 {
				address = replicas[int(d.turn.Add(1))%len(replicas)]
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// client returns a client that follows no redirects.
func (d *deployment) client(t *testing.T, direct bool) *http.Client {
	t.Helper()
	client := &http.Client{
		Transport: d.transport(t), Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if direct {
		return client
	}
	documented := map[string]*openapitest.Validator{}
	names := map[string]openapi.Name{
		config.RoleIssuer: openapi.Issuer, config.RoleVerifier: openapi.Verifier, config.RoleProvider: openapi.Wallet,
	}
	for _, tenant := range d.cfg.Tenants() {
		validator, err := openapitest.New(names[tenant.Role], tenant.Path)
		if err != nil {
			t.Fatal(err)
		}
		documented[strings.TrimPrefix(tenant.BaseURL(), "https://")] = validator
	}
	client.Transport = openapitest.Transport(client.Transport, documented, t.Error)
	return client
}

// nation returns the JPKI that all tests share, because its keys take a while.
func nation(t *testing.T) *jpkitest.JPKI {
	t.Helper()
	j, err := theNation()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

var theNation = sync.OnceValues(func() (*jpkitest.JPKI, error) { return jpkitest.New(jpkitest.Options{Now: time.Now}) })

// newCard returns a card that no other test has.
func newCard(t *testing.T, person string) *jpkitest.Card {
	t.Helper()
	p, ok := jpkitest.PersonByKey(person)
	if !ok {
		t.Fatalf("there is no %s", person)
	}
	card, err := nation(t).NewCard(p, jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return card
}

var sharedCards sync.Map

// cardOf returns a card that tests share, and must not be revoked.
func cardOf(t *testing.T, person string) *jpkitest.Card {
	t.Helper()
	if card, ok := sharedCards.Load(person); ok {
		return card.(*jpkitest.Card)
	}
	card, _ := sharedCards.LoadOrStore(person, newCard(t, person))
	return card.(*jpkitest.Card)
}

// publishCRLs serves the nation's revocation lists as a platform operator does.
func publishCRLs() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{ca}/{partition}", func(w http.ResponseWriter, r *http.Request) {
		j, err := theNation()
		if err != nil {
			http.Error(w, "no JPKI", http.StatusInternalServerError)
			return
		}
		for _, anchor := range slices.Concat(j.Anchors(jpki.Signature), j.Anchors(jpki.Authentication)) {
			if hex.EncodeToString(anchor.Certificate.SubjectKeyId) != r.PathValue("ca") {
				continue
			}
			if list, err := j.CRL(anchor.Certificate, r.PathValue("partition")); err == nil {
				w.Header().Set("Content-Type", "application/pkix-crl")
				_, _ = w.Write(list)
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}

// providerKey is the key with which the wallet provider signs attestations.
func (d *deployment) providerKey(t *testing.T) *keys.Key {
	t.Helper()
	c := d.cfg.Provider.Keys.Attestation[0]
	key, err := keys.LoadFile(c.Key, c.Chain)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// secret returns the content of a file of the sandbox.
func secret(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// query returns one number from the database, beside the process.
func (d *deployment) query(t *testing.T, statement string, args ...any) int {
	t.Helper()
	db := d.openDatabase(t)
	defer db.Close()
	var n int
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return n
}

// openDatabase opens the database beside the process.
func (d *deployment) openDatabase(t *testing.T) *sql.DB {
	t.Helper()
	driver, name := "sqlite", "file:"+d.cfg.Database.Path+"?mode=ro&_pragma=busy_timeout(5000)"
	if c := d.cfg.Database; c.Driver == database.DriverPostgres {
		u, err := url.Parse(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(u.User.Username(), secret(t, c.PasswordFile))
		driver, name = "pgx", u.String()
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// rows counts what issuance writes.
func (d *deployment) rows(t *testing.T) string {
	t.Helper()
	var counts []string
	for _, table := range []string{"grants", "grant_limits", "issued_credentials", "evidence", "status_entries", "wallet_instances"} {
		counts = append(counts, fmt.Sprintf("%s %d", table, d.query(t, "SELECT COUNT(*) FROM "+table)))
	}
	return strings.Join(counts, ", ")
}
