package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// A policy names everything that counts: anchors, profile, stance on
// revocation and the time. Leaving one out is an error.
func ExamplePolicy_Verify() {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := &trust.Policy{
		Anchors:    []trust.Anchor{ca.Anchor()},
		Profile:    trust.ProfileSDJWTIssuer,
		Revocation: trust.NotChecked("an example has no revocation lists"),
		Now:        func() time.Time { return now },
	}
	chain, err := policy.Verify(context.Background(), signer.Leaf(), nil)
	fmt.Println(len(chain.Certificates), err)

	policy.Now = func() time.Time { return now.AddDate(2, 0, 0) }
	_, err = policy.Verify(context.Background(), signer.Leaf(), nil)
	var refused *trust.Error
	fmt.Println(errors.As(err, &refused), refused.Reason)
	// Output:
	// 2 <nil>
	// true expired
}

// Whoever kept no more than issuer and serial number can still learn of a
// revocation. The package never dials: the source is where requests leave.
func ExampleOCSPChecker() {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	responder, err := ca.NewResponder(clock, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := trust.NewOCSPChecker(trust.OCSPOptions{
		Source: trust.OCSPSourceFunc(func(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
			return responder.Respond(request) // elsewhere: POST it to the responder
		}),
		Now: clock, Nonce: trust.NonceRequired,
		Cache: trust.CacheOptions{Unavailable: trust.UseFresh},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ref := trust.CertRef{Issuer: ca.Certificate, Serial: signer.Leaf().SerialNumber}
	status, err := checker.Status(context.Background(), ref)
	fmt.Println(status.Revoked, status.NextUpdate.Sub(now), err)

	ca.Revoke(signer.Leaf(), now, 4)
	now = now.Add(15 * time.Minute)
	status, err = checker.Status(context.Background(), ref)
	fmt.Println(status.Revoked, status.Revocation.ReasonCode, err)
	// Output:
	// false 1h0m0s <nil>
	// true 4 <nil>
}

// A purpose of one's own is a copy of a profile with other fields: here seals
// of one certificate policy, under at most one intermediate CA. Whoever takes a
// CA into the list of anchors asks first whether anything could pass under it.
func ExampleProfile() {
	profile := trust.ProfileSeal
	profile.Name = "seal-of-our-scheme"
	profile.Policies = []string{"1.2.392.200149.8.5.1.0.101"}
	profile.MaxIntermediates = 1

	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.CheckAnchor(ca.Certificate))
	seal, err := ca.IssueSeal(trusttest.LeafOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.CheckSigner(seal.Leaf()))
	// Output:
	// <nil>
	// trust: certificate_policy: the certificate policy is not one of seal-of-our-scheme
}

// A platform operator is asked first, and revocation lists while it is out of
// reach. The chain of stances is a stance of a policy, too.
func ExampleFallback() {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	operator, err := trust.NewOperatorChecker(trust.OperatorOptions{
		Source: trust.OperatorSourceFunc(func(context.Context, trust.OperatorQuestion) (trust.OperatorAnswer, error) {
			return trust.OperatorAnswer{}, errors.New("down for maintenance")
		}),
		Now: clock, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lists := trust.NewCRLChecker(trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
		return ca.CRL(now, now.AddDate(0, 0, 1))
	}), clock)
	ca.Revoke(signer.Leaf(), now, 1)
	policy := &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileSDJWTIssuer, Now: clock,
		Revocation: trust.CheckedBy(trust.Fallback(operator, lists)),
	}
	_, err = policy.Verify(context.Background(), signer.Leaf(), nil)
	fmt.Println(err)
	// Output:
	// trust: revoked: a certificate of the path is revoked
}
