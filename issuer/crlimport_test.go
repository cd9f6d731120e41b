package issuer

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/records"
)

var (
	importStart  = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	importSecret = bytes.Repeat([]byte{7}, 32)
)

const (
	importTenant = "minato"
	importType   = "urn:tegata:identity:jp:1"
)

// importer is an issuer with no more than importing needs.
type importer struct {
	*Issuer
	db    *database.DB
	lists *statuslist.Lists
	audit *audit.Log
	now   time.Time
}

func newImporter(t testing.TB, db *database.DB, ca *x509.Certificate) *importer {
	t.Helper()
	w := &importer{db: db, now: importStart}
	var err error
	if w.lists, err = statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{importSecret}}); err != nil {
		t.Fatal(err)
	}
	if w.audit, err = audit.New("issuer", importSecret); err != nil {
		t.Fatal(err)
	}
	sealer, err := evidence.NewSealer(importSecret)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	w.Issuer = &Issuer{sealer: sealer, pseudonymKey: importSecret, cfg: Config{
		Tenant: importTenant, RecheckInterval: time.Hour, Now: clock, Log: slog.New(slog.DiscardHandler), ImportBatch: 10,
		JPKIAnchors: []trust.Anchor{{Certificate: ca}},
		Records:     &records.Records{DB: db, Lists: w.lists, Audit: w.audit, Now: clock},
	}}
	return w
}

// issue makes a grant and n credentials on a certificate of the CA.
func (w *importer) issue(ca *x509.Certificate, partition string, serial int64, n int) ([]records.Issued, error) {
	handle := jpki.Handle{IssuerKeyID: ca.SubjectKeyId, Partition: partition, Serial: big.NewInt(serial).Bytes()}
	pseudonym, err := jpki.Pseudonym(w.pseudonymKey, handle.IssuerKeyID, big.NewInt(serial))
	if err != nil {
		return nil, err
	}
	toRecheck, err := grantRecords{w.Issuer}.toRecheck(evidence.KindJPKISignature, &evidence.Certificate{Pseudonym: pseudonym, Handle: handle})
	if err != nil {
		return nil, err
	}
	grant := fmt.Sprint("grant ", pseudonym)
	err = w.cfg.Records.StartGrant(context.Background(), importTenant, records.Grant{
		ID: grant, EvidenceKind: "jpki-signature", Expires: w.now.Add(48 * time.Hour), Limits: map[string]int{"c": 1 << 30}, Evidence: toRecheck,
	})
	if err != nil && !errors.Is(err, records.ErrGrantExists) {
		return nil, err
	}
	return w.cfg.Records.AllocateCredentials(context.Background(), importTenant, records.Allocation{
		GrantID: grant, ConfigID: "c", Type: importType, Format: "dc+sd-jwt", Count: n, IssuedAt: w.now, ValidUntil: w.now.Add(24 * time.Hour),
	})
}

// importRaw imports a list as it was fetched.
func (w *importer) importRaw(ctx context.Context, ca *x509.Certificate, partition string, raw []byte) (records.CRLImport, error) {
	list, err := trust.ParseCRL(raw, ca, w.now)
	if err != nil {
		return records.CRLImport{}, err
	}
	return w.ImportCRL(ctx, ca, partition, list)
}

func (w *importer) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	err := w.db.Read(t.Context(), func(tx *sql.Tx) error { return tx.QueryRowContext(t.Context(), query, args...).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const isRevoked = `SELECT COUNT(*) FROM issued_credentials c JOIN status_entries e
	ON e.tenant = c.tenant AND e.list_id = c.list_id AND e.idx = c.idx WHERE c.id = $1 AND c.revoked_at > 0 AND e.invalid_at > 0`

func importCA(t testing.TB) *trusttest.CA {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: importStart.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// partOf makes a list that names its partition by URI.
func partOf(uri string) pkix.Extension {
	n := byte(len(uri))
	content := append([]byte{0xa0, n + 4, 0xa0, n + 2, 0x86, n}, uri...)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append([]byte{0x30, byte(len(content))}, content...)}
}

// crlOf makes list number with the serial numbers.
func crlOf(t testing.TB, ca *trusttest.CA, number int64, at time.Time, partition string, reason int, serials ...int64) []byte {
	t.Helper()
	raw, err := ca.EditedCRL(at, at.Add(24*time.Hour), func(l *x509.RevocationList) {
		l.Number = big.NewInt(number)
		l.ExtraExtensions = []pkix.Extension{partOf(partition)}
		l.RevokedCertificateEntries = nil
		for _, s := range serials {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(s), RevocationTime: at, ReasonCode: reason})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const (
	partA = "http://crl.test/a"
	partB = "http://crl.test/b"
)

func serialsUpTo(n int64) []int64 {
	var out []int64
	for s := int64(1); s <= n; s++ {
		out = append(out, s)
	}
	return out
}

func TestImportCRL(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca := importCA(t)
		w := newImporter(t, db, ca.Certificate)
		issued := map[int64][]records.Issued{}
		for _, serial := range []int64{5, 33, 50, 51, 1000} {
			var err error
			if issued[serial], err = w.issue(ca.Certificate, "uri:"+partA, serial, 2); err != nil {
				t.Fatal(err)
			}
		}
		state, err := w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, crlOf(t, ca, 1, w.now, partA, 3, serialsUpTo(50)...))
		if err != nil || !state.Finished || state.Position != 50 || state.Total != 50 || state.Matched != 3 {
			t.Fatalf("%+v, %v", state, err)
		}
		for serial, credentials := range issued {
			for _, c := range credentials {
				if got, want := w.count(t, isRevoked, c.ID) == 1, serial <= 50; got != want {
					t.Errorf("serial %d: revoked %t", serial, got)
				}
			}
		}
		if n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoke_reason = 'affiliation_changed'`); n != 6 {
			t.Errorf("%d credentials have the reason", n)
		}
		if _, err := w.issue(ca.Certificate, "uri:"+partA, 5, 1); !errors.Is(err, records.ErrEvidenceRevoked) {
			t.Errorf("issued on a revoked certificate: %v", err)
		}
		// The same list again is not looked at.
		again, err := w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, crlOf(t, ca, 2, w.now, partA, 3, serialsUpTo(51)...))
		if err != nil || again.Matched != 1 || !again.Finished {
			t.Errorf("the next list: %+v, %v", again, err)
		}
		if n := w.count(t, isRevoked, issued[51][0].ID); n != 1 {
			t.Error("what the next list adds did not fall")
		}
	})
}

func TestImportGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca := importCA(t)
		w := newImporter(t, db, ca.Certificate)
		for _, serial := range []int64{3, 25, 99} {
			if _, err := w.issue(ca.Certificate, "uri:"+partA, serial, 1); err != nil {
				t.Fatal(err)
			}
		}
		raw := crlOf(t, ca, 7, w.now, partA, 1, serialsUpTo(100)...)
		registry := prometheus.NewRegistry()
		w.cfg.Metrics = NewMetrics(registry)
		ctx, cancel := context.WithCancel(t.Context())
		w.cfg.Records.Revoked = func(string, string, int) {
			if w.count(t, `SELECT position FROM crl_imports`) == 30 {
				cancel() // within the third batch, which is committed
			}
		}
		state, err := w.importRaw(ctx, ca.Certificate, "uri:"+partA, raw)
		if !errors.Is(err, context.Canceled) || state.Position != 30 || state.Matched != 2 || state.Finished {
			t.Fatalf("%+v, %v", state, err)
		}
		if oldest, left, err := w.cfg.Records.ImportBacklog(t.Context(), importTenant); err != nil || left != 70 || !oldest.Equal(w.now) {
			t.Errorf("backlog of %d since %v, %v", left, oldest, err)
		}
		w.cfg.Records.Revoked = nil
		state, err = w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, raw)
		if err != nil || !state.Finished || state.Matched != 3 {
			t.Errorf("%+v, %v", state, err)
		}
		if n := testutil.ToFloat64(w.cfg.Metrics.entries.WithLabelValues(importTenant)); n != 100 {
			t.Errorf("%v entries were looked at, want each once", n)
		}
		before := w.count(t, `SELECT COUNT(*) FROM audit_events`)
		if state, err = w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, raw); err != nil || !state.Finished {
			t.Errorf("%+v, %v", state, err)
		}
		if n := testutil.ToFloat64(w.cfg.Metrics.entries.WithLabelValues(importTenant)); n != 100 {
			t.Errorf("%v entries: a finished import was repeated", n)
		}
		if after := w.count(t, `SELECT COUNT(*) FROM audit_events`); before != 3 || after != before {
			t.Errorf("%d events, then %d", before, after)
		}
	})
}

// K10: numbers never go back, whatever the process remembers.
func TestNegImportCRL(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca, stranger := importCA(t), importCA(t)
		w := newImporter(t, db, ca.Certificate)
		c, err := w.issue(ca.Certificate, "uri:"+partA, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		imp := func(raw []byte) error {
			_, err := w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, raw)
			return err
		}
		if err := imp(crlOf(t, ca, 10, w.now, partA, 0)); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		for name, tc := range map[string]struct {
			raw  []byte
			want error
		}{
			"older number":                 {crlOf(t, ca, 9, w.now, partA, 0, 1), records.ErrOlderList},
			"newer number of earlier time": {crlOf(t, ca, 11, w.now.Add(-2*time.Hour), partA, 0, 1), records.ErrOlderList},
			"other partition":              {crlOf(t, ca, 11, w.now, partB, 0, 1), nil},
			"other CA":                     {crlOf(t, stranger, 11, w.now, partA, 0, 1), nil},
			"stale":                        {crlOf(t, ca, 11, w.now.Add(-24*time.Hour), partA, 0, 1), nil},
			"nothing":                      {nil, nil},
		} {
			if err := imp(tc.raw); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := w.count(t, isRevoked, c[0].ID); n != 0 {
			t.Error("a list that was refused took effect")
		}
		// The honest twin; and the same number with other bytes is looked at.
		if err := imp(crlOf(t, ca, 10, w.now, partA, 0, 1)); err != nil {
			t.Error(err)
		}
		if n := w.count(t, isRevoked, c[0].ID); n != 1 {
			t.Error("the honest twin had no effect")
		}
	})
}

// A hold that becomes a reason for which a type falls takes effect then.
func TestImportByTypeAndReason(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca := importCA(t)
		w := newImporter(t, db, ca.Certificate)
		w.cfg.Records.Cascade = func(_, reason string) bool { return reason != "certificate_hold" }
		c, err := w.issue(ca.Certificate, "uri:"+partA, 4, 1)
		if err != nil {
			t.Fatal(err)
		}
		for number, tc := range []struct{ reason, fallen int }{{6, 0}, {6, 0}, {1, 1}, {1, 1}} {
			raw := crlOf(t, ca, int64(number+1), w.now, partA, tc.reason, 4)
			if _, err := w.importRaw(t.Context(), ca.Certificate, "uri:"+partA, raw); err != nil {
				t.Fatal(err)
			}
			if n := w.count(t, isRevoked, c[0].ID); n != tc.fallen {
				t.Errorf("after list %d: %d fallen, want %d", number+1, n, tc.fallen)
			}
			// Nothing is issued on it, either way.
			if _, err := w.issue(ca.Certificate, "uri:"+partA, 4, 1); !errors.Is(err, records.ErrEvidenceRevoked) {
				t.Errorf("after list %d: %v", number+1, err)
			}
		}
	})
}

// Every part in which evidence may be found is imported, and one that can't be
// had does not keep the others waiting.
func TestImportCRLs(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca := importCA(t)
		w := newImporter(t, db, ca.Certificate)
		registry := prometheus.NewRegistry()
		w.cfg.Metrics = NewMetrics(registry)
		var fallen []string
		for serial, part := range []string{partA, partB, "http://crl.test/away", partB} {
			c, err := w.issue(ca.Certificate, "uri:"+part, int64(serial+1), 1)
			if err != nil {
				t.Fatal(err)
			}
			fallen = append(fallen, c[0].ID)
		}
		asked := map[string]int{}
		w.cfg.CRLs = trust.NewCRLChecker(trust.CRLSourceFunc(func(_ context.Context, _ *x509.Certificate, partition string) ([]byte, error) {
			asked[partition]++
			switch partition {
			case "uri:" + partA:
				return crlOf(t, ca, 1, importStart, partA, 1, 1), nil
			case "uri:" + partB:
				return crlOf(t, ca, 1, importStart, partB, 1, 2), nil
			}
			return nil, errors.New("away")
		}), w.cfg.Now)
		w.now = w.now.Add(time.Hour)
		w.importAndMeasure(t.Context())
		for i, want := range []int{1, 1, 0, 0} {
			if n := w.count(t, isRevoked, fallen[i]); n != want {
				t.Errorf("credential %d: %d, want %d", i, n, want)
			}
		}
		if !slices.Equal([]int{asked["uri:"+partA], asked["uri:"+partB], asked["uri:http://crl.test/away"]}, []int{1, 1, 1}) {
			t.Errorf("asked %v", asked)
		}
		for metric, want := range map[prometheus.Collector]float64{
			w.cfg.Metrics.importFailures.WithLabelValues(importTenant): 1,
			w.cfg.Metrics.importAge.WithLabelValues(importTenant):      3600,
			w.cfg.Metrics.backlog.WithLabelValues(importTenant):        0,
		} {
			if got := testutil.ToFloat64(metric); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}

// Of two processes that import the same list one goes on; that the other stands
// back is no failure.
func TestImportByTwoProcesses(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ca := importCA(t)
		w, other := newImporter(t, db, ca.Certificate), newImporter(t, db, ca.Certificate)
		for _, serial := range []int64{3, 25, 99} {
			if _, err := w.issue(ca.Certificate, "uri:"+partA, serial, 1); err != nil {
				t.Fatal(err)
			}
		}
		source := trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
			return crlOf(t, ca, 1, importStart, partA, 1, serialsUpTo(100)...), nil
		})
		w.cfg.CRLs = trust.NewCRLChecker(source, w.cfg.Now)
		list, err := w.cfg.CRLs.List(t.Context(), ca.Certificate, "uri:"+partA)
		if err != nil {
			t.Fatal(err)
		}
		fell := 0
		w.cfg.Records.Revoked = func(_, _ string, n int) {
			if fell += n; fell > 1 {
				return
			}
			// The other one overtakes while this one is in its first batch.
			if state, err := other.ImportCRL(t.Context(), ca.Certificate, "uri:"+partA, list); err != nil || !state.Finished {
				t.Errorf("the other: %+v, %v", state, err)
			}
		}
		if err := w.ImportCRLs(t.Context()); err != nil {
			t.Errorf("the one that was overtaken: %v", err)
		}
		if fell != 1 {
			t.Errorf("%d fell in the process that was overtaken, want that of its first batch", fell)
		}
		if n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0`); n != 3 {
			t.Errorf("%d fell", n)
		}
		if n := w.count(t, `SELECT COUNT(*) FROM audit_events`); n != 3 {
			t.Errorf("%d events", n)
		}
	})
}
