package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const day = 24 * time.Hour

var start = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func newCA(t *testing.T, o trusttest.CAOptions) *trusttest.CA {
	t.Helper()
	if o.NotBefore.IsZero() {
		o.NotBefore = start
	}
	ca, err := trusttest.NewCA(o)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newIntermediate(t *testing.T, ca *trusttest.CA, o trusttest.CAOptions) *trusttest.CA {
	t.Helper()
	sub, err := ca.NewIntermediate(o)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

type issue func(trusttest.LeafOptions) (*keys.Key, error)

func signer(t *testing.T, issue issue, o trusttest.LeafOptions) *keys.Key {
	t.Helper()
	key, err := issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func policy(profile trust.Profile, now time.Time, anchors ...*trusttest.CA) *trust.Policy {
	p := &trust.Policy{Profile: profile, Revocation: trust.NotChecked("test"), Now: at(now)}
	for _, ca := range anchors {
		p.Anchors = append(p.Anchors, ca.Anchor())
	}
	return p
}

// want checks that err has the reason; the empty reason stands for success.
func want(t *testing.T, err error, reason trust.Reason) {
	t.Helper()
	var got trust.Reason
	if err != nil {
		var e *trust.Error
		if !errors.As(err, &e) {
			t.Fatalf("error %v is not a *trust.Error", err)
		}
		got = e.Reason
	}
	if got != reason {
		t.Errorf("got %q (%v), want %q", got, err, reason)
	}
}

func verify(p *trust.Policy, chain []*x509.Certificate) error {
	_, err := p.Verify(context.Background(), chain[0], chain[1:])
	return err
}
