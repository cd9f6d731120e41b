package trust_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// refOf names an end-entity certificate on a CA's undivided list.
func refOf(ca *trusttest.CA, serial int64) trust.CertRef {
	return trust.CertRef{Issuer: ca.Certificate, Serial: big.NewInt(serial)}
}

// TestCRLSingleFlight: one attempt for all who want the same list, whoever
// leaves.
func TestCRLSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newCA(t, trusttest.CAOptions{})
		raw, err := ca.CRL(start, start.Add(day))
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int32
		release := make(chan struct{})
		checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(ctx context.Context, _ *x509.Certificate, _ string) ([]byte, error) {
			asked.Add(1)
			select {
			case <-release:
				return raw, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}), at(start))
		first, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := checker.Status(first, refOf(ca, 1))
			left <- err
		}()
		synctest.Wait()
		var others sync.WaitGroup
		for i := range 10 {
			others.Go(func() {
				if got := look(t, checker, refOf(ca, int64(i+1))); got != "" {
					t.Errorf("one of those who stayed: %q", got)
				}
			})
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left: %v", err)
		}
		close(release)
		others.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestCRLTimeout: a source that hangs is out of reach after the timeout, for
// everybody at once.
func TestCRLTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newCA(t, trusttest.CAOptions{})
		checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(ctx context.Context, _ *x509.Certificate, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), at(start))
		begin := time.Now()
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if got := look(t, checker, refOf(ca, 1)); got != trust.ReasonRevocationUnavailable {
					t.Errorf("got %q", got)
				}
			})
		}
		callers.Wait()
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestNegCRLHardFail(t *testing.T) {
	t.Parallel()
	for stance, reason := range map[trust.Unavailable]trust.Reason{trust.UseFresh: "", trust.HardFail: trust.ReasonRevocationUnavailable} {
		ca := newCA(t, trusttest.CAOptions{})
		gone := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{}).Leaf()
		ca.Revoke(gone, start, 1)
		raw, err := ca.CRL(start, start.Add(day))
		if err != nil {
			t.Fatal(err)
		}
		source, now := &server{raw: raw}, start
		checker := trust.NewCRLChecker(source, func() time.Time { return now })
		checker.Unavailable = stance
		if got := look(t, checker, refOf(ca, 1)); got != "" {
			t.Fatal(got)
		}
		source.err, now = errors.New("down"), start.Add(time.Hour)
		for range 2 {
			if got := look(t, checker, refOf(ca, 1)); got != reason {
				t.Errorf("stance %d: got %q, want %q", stance, got, reason)
			}
			if got := look(t, checker, trust.CertRef{Issuer: ca.Certificate, Serial: gone.SerialNumber}); got != trust.ReasonRevoked {
				t.Errorf("stance %d: the revoked one is %q", stance, got)
			}
		}
	}
	checker := trust.NewCRLChecker(&server{}, at(start))
	checker.Unavailable = 0
	if got := look(t, checker, refOf(newCA(t, trusttest.CAOptions{}), 1)); got != trust.ReasonConfiguration {
		t.Errorf("without a stance: %q", got)
	}
}

// TestNegCRLNumber: numbers grow, and two lists never share one.
func TestNegCRLNumber(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	list := func(number int64, from time.Time) []byte {
		raw, err := ca.EditedCRL(from, from.Add(day), func(l *x509.RevocationList) { l.Number = big.NewInt(number) })
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, tt := range []struct {
		name   string
		number int64
		from   time.Time
		want   trust.Reason
	}{
		{"honest twin: next", 6, start.Add(time.Minute), ""},
		{"honest twin: the same again", 5, start, ""},
		{"K10 lower number", 4, start.Add(time.Minute), trust.ReasonRevocationStale},
		{"K10 higher number, earlier", 6, start.Add(-time.Minute), trust.ReasonRevocationStale},
		{"K10 same number, later", 5, start.Add(time.Minute), trust.ReasonRevocationInvalid},
	} {
		source, now := &server{raw: list(5, start)}, start
		checker := trust.NewCRLChecker(source, func() time.Time { return now })
		checker.Unavailable = trust.HardFail
		if got := look(t, checker, refOf(ca, 1)); got != "" {
			t.Fatal(got)
		}
		source.raw, now = list(tt.number, tt.from), start.Add(time.Hour)
		if got := look(t, checker, refOf(ca, 1)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCRLLimit: with room for one list, the other is dropped and fetched again,
// but not taken back from before.
func TestCRLLimit(t *testing.T) {
	t.Parallel()
	cas := map[string]*trusttest.CA{}
	for _, name := range []string{"a", "b"} {
		cas[name] = newCA(t, trusttest.CAOptions{Name: name})
	}
	asked, now := 0, start
	lists := map[string][]byte{}
	renew := func() {
		for name, ca := range cas {
			raw, err := ca.CRL(now, now.Add(day))
			if err != nil {
				t.Fatal(err)
			}
			lists[name] = raw
		}
	}
	renew()
	old := lists["a"]
	now = now.Add(time.Minute)
	renew()
	checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(_ context.Context, issuer *x509.Certificate, _ string) ([]byte, error) {
		asked++
		return lists[issuer.Subject.CommonName], nil
	}), func() time.Time { return now })
	checker.MaxLists = 1
	for range 2 {
		for _, name := range []string{"a", "b"} {
			now = now.Add(time.Second)
			if got := look(t, checker, refOf(cas[name], 1)); got != "" {
				t.Error(got)
			}
		}
	}
	if asked != 4 || len(checker.Held()) != 1 {
		t.Errorf("asked %d times, holds %d", asked, len(checker.Held()))
	}
	lists["a"] = old
	now = now.Add(time.Second)
	if got := look(t, checker, refOf(cas["a"], 1)); got != trust.ReasonRevocationStale {
		t.Errorf("K10 a list from before the one that was dropped: %q", got)
	}
}

// TestNegCRLIncomplete takes pieces out of lists that have to be there.
func TestNegCRLIncomplete(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	// The members: version, algorithm, issuer, thisUpdate, nextUpdate, extensions.
	without := func(member int) func([]byte) []byte {
		return func(tbs []byte) []byte {
			var members []asn1.RawValue
			if _, err := asn1.Unmarshal(tbs, &members); err != nil || len(members) != 6 {
				t.Fatalf("%d members, %v", len(members), err)
			}
			out, err := asn1.Marshal(slices.Delete(members, member, member+1))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	for name, tt := range map[string]struct {
		spoil func([]byte) []byte
		want  trust.Reason
	}{
		"honest twin":              {slices.Clone[[]byte], ""},
		"K10 version 1":            {without(0), trust.ReasonRevocationInvalid},
		"K10 no algorithm":         {without(1), trust.ReasonRevocationInvalid},
		"K10 no issuer":            {without(2), trust.ReasonRevocationInvalid},
		"K10 no nextUpdate":        {without(4), trust.ReasonRevocationInvalid},
		"K10 no number":            {without(5), trust.ReasonRevocationInvalid},
		"K10 nothing":              {func([]byte) []byte { return []byte{0x30, 0} }, trust.ReasonRevocationInvalid},
		"K10 more after the end":   {func(tbs []byte) []byte { return append(slices.Clone(tbs), 5, 0) }, trust.ReasonRevocationInvalid},
		"K08 inner algorithm lies": {func(tbs []byte) []byte { return bytes.Replace(tbs, sha256ECDSA, sha384ECDSA, 1) }, trust.ReasonRevocationInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := ca.SpoiledCRL(start, start.Add(day), nil, tt.spoil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = trust.ParseCRL(raw, ca.Certificate, start)
			want(t, err, tt.want)
		})
	}
}

// The OIDs of ecdsa-with-SHA256 and ecdsa-with-SHA384.
var (
	sha256ECDSA = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}
	sha384ECDSA = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}
)

// TestCRLList: a list is handed out as long as it is current, and the source is
// asked no more often than for certificates.
func TestCRLList(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	raw, err := ca.CRL(start, start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	now, asked, away := start, 0, false
	checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
		asked++
		if away {
			return nil, errors.New("away")
		}
		return raw, nil
	}), func() time.Time { return now })
	for range 3 {
		list, err := checker.List(t.Context(), ca.Certificate, "")
		if err != nil || !list.NextUpdate().Equal(start.Add(day)) || asked != 1 {
			t.Fatalf("asked %d times, %v", asked, err)
		}
	}
	if look(t, checker, refOf(ca, 1)) != "" || asked != 1 {
		t.Errorf("asked %d times for the same list", asked)
	}
	away, now = true, start.Add(day-time.Second)
	if _, err := checker.List(t.Context(), ca.Certificate, ""); err != nil {
		t.Errorf("the list at hand: %v", err)
	}
	now = start.Add(day)
	if _, err := checker.List(t.Context(), ca.Certificate, ""); reason(err) != trust.ReasonRevocationStale {
		t.Errorf("beyond nextUpdate: %v", err)
	}
	if _, err := checker.List(t.Context(), ca.Certificate, "uri:other"); err == nil {
		t.Error("a list that can't be had")
	}
}

func reason(err error) trust.Reason {
	var e *trust.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
