package issuer

import (
	"context"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/issuer/records"
)

// TestRecheckBySource finds revocations through OCSP and through a platform
// operator, of whom the certificate's name is all that was kept.
func TestRecheckBySource(t *testing.T) {
	t.Parallel()
	ca := importCA(t)
	for name, tc := range map[string]struct {
		handle  jpki.Handle
		checker func(t *testing.T, w *importer, revoked func() bool) trust.StatusChecker
	}{
		"OCSP": {jpki.Handle{Serial: []byte{77}}, func(t *testing.T, w *importer, revoked func() bool) trust.StatusChecker {
			t.Helper()
			ca := importCA(t) // one that others do not revoke with
			w.cfg.JPKIAnchors = []trust.Anchor{ca.Anchor()}
			responder, err := ca.NewResponder(w.cfg.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			checker, err := trust.NewOCSPChecker(trust.OCSPOptions{
				Now: w.cfg.Now, Nonce: trust.NonceRequired, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
				Responders: nil, Source: trust.OCSPSourceFunc(func(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
					if revoked() {
						ca.Revoke(&x509.Certificate{SerialNumber: big.NewInt(77)}, w.now, 3)
					}
					return responder.Respond(request)
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			return checker
		}},
		"operator": {jpki.Handle{Serial: []byte{77}, Operator: "handle-1"}, func(t *testing.T, w *importer, revoked func() bool) trust.StatusChecker {
			t.Helper()
			checker, err := trust.NewOperatorChecker(trust.OperatorOptions{
				Now: w.cfg.Now, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
				Source: trust.OperatorSourceFunc(func(_ context.Context, q trust.OperatorQuestion) (trust.OperatorAnswer, error) {
					if q.Handle != "handle-1" || q.Certificate != nil {
						t.Errorf("asked for %q", q.Handle)
					}
					a := trust.OperatorAnswer{Status: trust.OperatorGood, Nonce: q.Nonce, Handle: q.Handle, ThisUpdate: w.now, NextUpdate: w.now.Add(time.Minute)}
					if revoked() {
						a.Status, a.Revocation = trust.OperatorRevoked, trust.Revoked{At: w.now, ReasonCode: 3}
					}
					return a, nil
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			return checker
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				w := newImporter(t, db, ca.Certificate)
				revoked := false
				w.cfg.Revocations = tc.checker(t, w, func() bool { return revoked })
				handle := tc.handle
				handle.IssuerKeyID = w.cfg.JPKIAnchors[0].Certificate.SubjectKeyId
				handle.Partition = "uri:" + partA
				c := w.issueOn(t, handle)
				for _, step := range []struct {
					revoked bool
					fallen  int
				}{{false, 0}, {true, 1}, {true, 0}} {
					w.now, revoked = w.now.Add(2*time.Hour), step.revoked
					if n, err := w.Recheck(t.Context()); err != nil || n != step.fallen {
						t.Errorf("revoked %t: %d fell, %v", step.revoked, n, err)
					}
				}
				if n := w.count(t, isRevoked, c.ID); n != 1 {
					t.Error("the credential stands")
				}
				if n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoke_reason = 'affiliation_changed'`); n != 1 {
					t.Errorf("%d credentials have the reason", n)
				}
			})
		})
	}
}

// issueOn makes a credential on evidence of any handle.
func (w *importer) issueOn(t *testing.T, handle jpki.Handle) records.Issued {
	t.Helper()
	sealed, err := w.sealer.Seal(importTenant, "p", handle)
	if err != nil {
		t.Fatal(err)
	}
	err = w.cfg.Records.StartGrant(t.Context(), importTenant, records.Grant{
		ID: "g", EvidenceKind: "jpki-signature", Expires: w.now.Add(48 * time.Hour), Limits: map[string]int{"c": 1},
		Evidence: &records.Evidence{Pseudonym: "p", Kind: "jpki-signature", IssuerKeyID: "ca", SealedHandle: sealed, NextCheck: w.now},
	})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := w.cfg.Records.AllocateCredentials(t.Context(), importTenant, records.Allocation{
		GrantID: "g", ConfigID: "c", Type: importType, Format: "dc+sd-jwt", Count: 1, IssuedAt: w.now, ValidUntil: w.now.Add(48 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return issued[0]
}
