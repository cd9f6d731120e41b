package trust_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// idp makes an issuingDistributionPoint from the DER of its members.
func idp(content ...byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append([]byte{0x30, byte(len(content))}, content...)}
}

// idpURI names a partition by URI.
func idpURI(uri string) pkix.Extension {
	n := byte(len(uri))
	return idp(append([]byte{0xa0, n + 4, 0xa0, n + 2, 0x86, n}, uri...)...)
}

func with(extensions ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = extensions }
}

func onlyLeafCRL(raw []byte, err error) trust.CRLSource {
	return trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) { return raw, err })
}

const crlURL = "http://crl.test.invalid/a.crl"

func TestNegCRL(t *testing.T) {
	t.Parallel()
	now := start.Add(10 * day)
	ca := newCA(t, trusttest.CAOptions{CRLURL: crlURL})
	// Of the same name, but another key: another generation, or a forgery.
	sameName := newCA(t, trusttest.CAOptions{CRLURL: crlURL, Edit: func(c *x509.Certificate) { c.SubjectKeyId = ca.Certificate.SubjectKeyId }})
	otherName := newCA(t, trusttest.CAOptions{Name: "Other"})
	key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	serial := key.Leaf().SerialNumber

	entry := func(e x509.RevocationListEntry) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{e} }
	}
	criticalEntry := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	tests := []struct {
		name       string
		from       *trusttest.CA
		this, next time.Duration // from now; 0 means an hour
		edit       func(*x509.RevocationList)
		want       trust.Reason
	}{
		{name: "honest twin"},
		{name: "K09 revoked", edit: entry(x509.RevocationListEntry{SerialNumber: serial, RevocationTime: start}), want: trust.ReasonRevoked},
		{name: "K09 revoked for a reason", edit: entry(x509.RevocationListEntry{SerialNumber: serial, RevocationTime: start, ReasonCode: 1}), want: trust.ReasonRevoked},
		{name: "K09 on hold", edit: entry(x509.RevocationListEntry{SerialNumber: serial, RevocationTime: start, ReasonCode: 6}), want: trust.ReasonRevoked},
		{name: "K09 revoked in the future", edit: entry(x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now.Add(day)}), want: trust.ReasonRevoked},
		{name: "K09 removed from a complete list", edit: entry(x509.RevocationListEntry{SerialNumber: serial, RevocationTime: start, ReasonCode: 8}), want: trust.ReasonRevocationInvalid},
		{name: "K09 other serial revoked", edit: entry(x509.RevocationListEntry{SerialNumber: big.NewInt(7), RevocationTime: start})},
		{name: "K10 other issuer", from: otherName, want: trust.ReasonRevocationMismatch},
		{name: "K10 same name and key identifier, other key", from: sameName, want: trust.ReasonRevocationInvalid},
		{name: "K10 first second", this: time.Nanosecond},
		{name: "K10 from the future", this: time.Second, want: trust.ReasonRevocationInvalid},
		{name: "K10 last second", next: time.Second},
		{name: "K10 next list due", next: time.Nanosecond, want: trust.ReasonRevocationStale},
		{name: "K10 next list overdue", next: -time.Second, want: trust.ReasonRevocationStale},
		{name: "K10 next list in ten years", next: 10 * 365 * day, want: trust.ReasonRevocationInvalid},
		{name: "K10 delta", edit: with(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}), want: trust.ReasonRevocationInvalid},
		{name: "K10 unknown critical extension", edit: with(unknownCritical), want: trust.ReasonRevocationInvalid},
		{name: "K10 unknown critical extension of an entry", edit: entry(x509.RevocationListEntry{SerialNumber: big.NewInt(7), RevocationTime: start, ExtraExtensions: []pkix.Extension{criticalEntry}}), want: trust.ReasonRevocationInvalid},
		{name: "K10 right partition", edit: with(idpURI(crlURL))},
		{name: "K10 other partition", edit: with(idpURI("http://crl.test.invalid/b.crl")), want: trust.ReasonRevocationMismatch},
		{name: "K10 for users", edit: with(idp(0x81, 1, 0xff))},
		{name: "K10 for CAs", edit: with(idp(0x82, 1, 0xff)), want: trust.ReasonRevocationMismatch},
		{name: "K10 for attribute certificates", edit: with(idp(0x85, 1, 0xff)), want: trust.ReasonRevocationInvalid},
		{name: "K10 for some reasons", edit: with(idp(0x83, 2, 6, 0x40)), want: trust.ReasonRevocationInvalid},
		{name: "K10 indirect", edit: with(idp(0x84, 1, 0xff)), want: trust.ReasonRevocationInvalid},
		{name: "K10 malformed scope", edit: with(idp(0x81, 1)), want: trust.ReasonRevocationInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := ca
			if tt.from != nil {
				from = tt.from
			}
			thisUpdate, nextUpdate := now.Add(tt.this.Truncate(time.Second)), now.Add(tt.next.Truncate(time.Second))
			if tt.this == 0 {
				thisUpdate = now.Add(-time.Hour)
			}
			if tt.next == 0 {
				nextUpdate = now.Add(time.Hour)
			}
			raw, err := from.EditedCRL(thisUpdate, nextUpdate, tt.edit)
			if err != nil {
				t.Fatal(err)
			}
			p := policy(trust.ProfileSDJWTIssuer, now, ca)
			p.Revocation = trust.NewCRLChecker(onlyLeafCRL(raw, nil), at(now))
			want(t, verify(p, key.Chain), tt.want)
		})
	}
	for name, source := range map[string]trust.CRLSource{
		"K10 no list":        onlyLeafCRL(nil, errors.New("down")),
		"K10 no list at all": onlyLeafCRL(nil, nil),
		"K10 garbage":        onlyLeafCRL([]byte("\x1f\x8b gzip"), nil),
		"K10 too large":      onlyLeafCRL(make([]byte, 33<<20), nil),
	} {
		t.Run(name, func(t *testing.T) {
			p := policy(trust.ProfileSDJWTIssuer, now, ca)
			p.Revocation = trust.NewCRLChecker(source, at(now))
			reason := trust.ReasonRevocationInvalid
			if name == "K10 no list" {
				reason = trust.ReasonRevocationUnavailable
			}
			want(t, verify(p, key.Chain), reason)
		})
	}
}

func TestNegCRLIssuer(t *testing.T) {
	t.Parallel()
	t.Run("K10 issuer without cRLSign", func(t *testing.T) {
		for _, usage := range []x509.KeyUsage{x509.KeyUsageCertSign | x509.KeyUsageCRLSign, x509.KeyUsageCertSign} {
			ca := newCA(t, trusttest.CAOptions{})
			raw, err := ca.CRL(start, start.Add(day))
			if err != nil {
				t.Fatal(err)
			}
			issuer := *ca.Certificate
			issuer.KeyUsage = usage
			_, err = trust.ParseCRL(raw, &issuer, start)
			reason := trust.ReasonRevocationInvalid
			if usage&x509.KeyUsageCRLSign != 0 {
				reason = ""
			}
			want(t, err, reason)
		}
	})
	t.Run("K10 issuer expired", func(t *testing.T) {
		ca := newCA(t, trusttest.CAOptions{Lifetime: day})
		raw, err := ca.CRL(start, start.Add(10*day))
		if err != nil {
			t.Fatal(err)
		}
		_, err = trust.ParseCRL(raw, ca.Certificate, start.Add(day))
		want(t, err, "")
		_, err = trust.ParseCRL(raw, ca.Certificate, start.Add(day+time.Second))
		want(t, err, trust.ReasonExpired)
	})
	t.Run("K09 revoked intermediate", func(t *testing.T) {
		root := newCA(t, trusttest.CAOptions{Name: "root"})
		sub := newIntermediate(t, root, trusttest.CAOptions{Name: "sub"})
		key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
		source := trust.CRLSourceFunc(func(_ context.Context, issuer *x509.Certificate, _ string) ([]byte, error) {
			if issuer.Equal(root.Certificate) {
				return root.CRL(start, start.Add(day))
			}
			return sub.CRL(start, start.Add(day))
		})
		p := policy(trust.ProfileSDJWTIssuer, start, root)
		p.Revocation = trust.NewCRLChecker(source, p.Now)
		want(t, verify(p, key.Chain), "")
		root.Revoke(sub.Certificate, start, 2)
		p.Revocation = trust.NewCRLChecker(source, p.Now)
		want(t, verify(p, key.Chain), trust.ReasonRevoked)
	})
}

// server is a source whose list and failure a test can change.
type server struct {
	raw   []byte
	err   error
	asked int
}

func (s *server) CRL(context.Context, *x509.Certificate, string) ([]byte, error) {
	s.asked++
	return s.raw, s.err
}

func TestCRLCheckerOverTime(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{CRLURL: crlURL})
	key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	other := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	list := func(from time.Time) []byte {
		raw, err := ca.CRL(from, from.Add(day))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	now := start
	source := &server{raw: list(start)}
	clean := source.raw
	p := policy(trust.ProfileSDJWTIssuer, start, ca)
	p.Now = func() time.Time { return now }
	checker := trust.NewCRLChecker(source, p.Now)
	p.Revocation = checker
	if held := checker.Held(); len(held) != 0 {
		t.Errorf("holds %v before it was asked", held)
	}

	want(t, verify(p, key.Chain), "")
	if held := checker.Held(); len(held) != 1 || held[0] != (trust.HeldCRL{ThisUpdate: start, NextUpdate: start.Add(day), Used: start}) {
		t.Errorf("holds %v", held)
	}
	want(t, verify(p, key.Chain), "")
	if source.asked != 1 {
		t.Errorf("source was asked %d times for one list", source.asked)
	}
	// A newer list is found within the hour, though the old one is still good.
	ca.Revoke(key.Leaf(), start, 3)
	now = start.Add(time.Hour)
	source.raw = list(start.Add(time.Minute))
	want(t, verify(p, key.Chain), trust.ReasonRevoked)
	want(t, verify(p, other.Chain), "")
	// K10 rollback: the first list is offered again, and is still good by time.
	now = start.Add(2 * time.Hour)
	source.raw = clean
	want(t, verify(p, key.Chain), trust.ReasonRevoked)
	want(t, verify(p, other.Chain), "")
	// The source goes away: the list at hand serves until it ends, to the second.
	source.err = errors.New("down")
	now = start.Add(time.Minute + day - time.Second)
	want(t, verify(p, other.Chain), "")
	now = start.Add(time.Minute + day)
	want(t, verify(p, other.Chain), trust.ReasonRevocationStale)
	// K12 what was revoked stays revoked.
	want(t, verify(p, key.Chain), trust.ReasonRevoked)
	// It comes back, which is noticed when it is asked again.
	source.err, source.raw = nil, list(now)
	want(t, verify(p, other.Chain), trust.ReasonRevocationStale)
	now = now.Add(checker.RetryAfter)
	want(t, verify(p, other.Chain), "")
	want(t, verify(p, key.Chain), trust.ReasonRevoked)
}

func TestCRLCheckerMaxAge(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	raw, err := ca.CRL(start, start.Add(30*day))
	if err != nil {
		t.Fatal(err)
	}
	for age, reason := range map[time.Duration]trust.Reason{2 * day: "", 2*day + time.Second: trust.ReasonRevocationStale} {
		p := policy(trust.ProfileSDJWTIssuer, start.Add(age), ca)
		checker := trust.NewCRLChecker(onlyLeafCRL(raw, nil), p.Now)
		checker.MaxAge = 2 * day
		p.Revocation = checker
		want(t, verify(p, key.Chain), reason)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{CRLURL: crlURL})
	key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	partitions, err := trust.Partitions(key.Leaf())
	if err != nil || len(partitions) != 1 || partitions[0] != "uri:"+crlURL {
		t.Fatalf("partitions %q, %v", partitions, err)
	}
	ca.Revoke(key.Leaf(), start, 3)
	raw, err := ca.CRL(start, start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	checker := trust.NewCRLChecker(onlyLeafCRL(raw, nil), at(start))
	r, found, err := checker.Lookup(context.Background(), ca.Certificate, partitions[0], key.Leaf().SerialNumber)
	if err != nil || !found || r.ReasonCode != 3 || !r.At.Equal(start) {
		t.Errorf("Lookup: %+v, %v, %v", r, found, err)
	}
	if _, found, err := checker.Lookup(context.Background(), ca.Certificate, partitions[0], big.NewInt(1)); err != nil || found {
		t.Errorf("Lookup of another serial number: %v, %v", found, err)
	}
	crl, err := trust.ParseCRL(raw, ca.Certificate, start)
	if err != nil {
		t.Fatal(err)
	}
	for serial, r := range crl.All() {
		if serial.Cmp(key.Leaf().SerialNumber) != 0 || r.ReasonCode != 3 {
			t.Errorf("list holds %v, %+v", serial, r)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	down := trust.CRLSourceFunc(func(ctx context.Context, _ *x509.Certificate, _ string) ([]byte, error) { return nil, ctx.Err() })
	if _, _, err := trust.NewCRLChecker(down, at(start)).Lookup(ctx, ca.Certificate, "", big.NewInt(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup under a cancelled context: %v", err)
	}
}

// TestListMadeWhileWaiting: a list that begins while its source is asked is
// not one of the future.
func TestListMadeWhileWaiting(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{CRLURL: crlURL})
	key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
	now := start.Add(-time.Millisecond)
	source := trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
		now = now.Add(time.Millisecond)
		return ca.CRL(start, start.Add(day))
	})
	p := policy(trust.ProfileSDJWTIssuer, start, ca)
	p.Revocation = trust.NewCRLChecker(source, func() time.Time { return now })
	want(t, verify(p, key.Chain), "")
	// The twin: a list of a minute ahead is.
	early := trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
		return ca.CRL(start.Add(time.Minute), start.Add(day))
	})
	p.Revocation = trust.NewCRLChecker(early, func() time.Time { return now })
	want(t, verify(p, key.Chain), trust.ReasonRevocationInvalid)
}
