package rfc5280_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

const (
	anyPolicy = "2.5.29.32.0"
	gold      = "1.2.3.1"
	silver    = "1.2.3.2"
	foreign   = "1.2.4.1"
)

func oid(text string) x509.OID {
	o, err := x509.ParseOID(text)
	if err != nil {
		panic(err)
	}
	return o
}

func with(edit func(*x509.Certificate), policies ...string) *x509.Certificate {
	c := &x509.Certificate{RawSubject: []byte("s"), RawIssuer: []byte("i")}
	for _, p := range policies {
		c.Policies = append(c.Policies, oid(p))
	}
	if edit != nil {
		edit(c)
	}
	return c
}

func mapping(from, to string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.PolicyMappings = append(c.PolicyMappings, x509.PolicyMapping{IssuerDomainPolicy: oid(from), SubjectDomainPolicy: oid(to)})
	}
}

func selfIssued(c *x509.Certificate) { c.RawIssuer = c.RawSubject }

// TestCheckPolicies has one case for each rule; NIST's suite has the rest. The
// path runs from the leaf to below the anchor.
func TestCheckPolicies(t *testing.T) {
	t.Parallel()
	type certs = []*x509.Certificate
	explicit := rfc5280.PolicyInputs{Explicit: true}
	wantGold := rfc5280.PolicyInputs{Explicit: true, Accepted: []string{gold}}
	demand := func(c *x509.Certificate) { c.RequireExplicitPolicyZero = true }
	lots := make([]string, 65)
	for i := range lots {
		lots[i] = fmt.Sprintf("1.2.5.%d", i)
	}
	tests := []struct {
		name string
		path certs
		in   rfc5280.PolicyInputs
		want error
	}{
		{"no policies, no demand", certs{with(nil), with(nil)}, rfc5280.PolicyInputs{}, nil},
		{"no policies, demanded", certs{with(nil), with(nil)}, explicit, rfc5280.ErrNoPolicy},
		{"the same policy", certs{with(nil, gold), with(nil, gold)}, wantGold, nil},
		{"another policy", certs{with(nil, silver), with(nil, silver)}, wantGold, rfc5280.ErrNoPolicy},
		{"a policy that the CA was not given", certs{with(nil, gold), with(nil, silver)}, wantGold, rfc5280.ErrNoPolicy},
		{"a CA without policies", certs{with(nil, gold), with(nil)}, wantGold, rfc5280.ErrNoPolicy},
		{"a CA for any policy", certs{with(nil, gold), with(nil, anyPolicy)}, wantGold, nil},
		{"a leaf for any policy", certs{with(nil, anyPolicy), with(nil, gold)}, wantGold, nil},
		{"a leaf for any policy, which stands for nothing", certs{with(nil, anyPolicy), with(nil, gold)},
			rfc5280.PolicyInputs{Explicit: true, NoAny: true}, rfc5280.ErrNoPolicy},
		{"any policy inhibited by a CA", certs{with(nil, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicyZero = true }, gold)}, explicit, rfc5280.ErrNoPolicy},
		{"any policy inhibited one certificate later", certs{with(nil, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicy = 1 }, gold)}, explicit, nil},
		{"demanded by a CA", certs{with(nil), with(demand, gold)}, rfc5280.PolicyInputs{}, rfc5280.ErrNoPolicy},
		{"demanded by a CA and there", certs{with(nil, gold), with(demand, gold)}, rfc5280.PolicyInputs{}, nil},
		{"demanded by the leaf itself", certs{with(demand), with(nil)}, rfc5280.PolicyInputs{}, rfc5280.ErrNoPolicy},
		{"mapped", certs{with(nil, foreign), with(mapping(gold, foreign), gold)}, wantGold, nil},
		{"mapped and no more what it was", certs{with(nil, gold), with(mapping(gold, foreign), gold)}, wantGold, rfc5280.ErrNoPolicy},
		{"mapped by a CA for any policy", certs{with(nil, foreign), with(mapping(gold, foreign), anyPolicy)}, wantGold, nil},
		{"mapped although inhibited", certs{with(nil, foreign), with(mapping(gold, foreign), gold)},
			rfc5280.PolicyInputs{Explicit: true, Accepted: []string{gold}, NoMapping: true}, rfc5280.ErrNoPolicy},
		{"mapped although a CA above inhibits it", certs{
			with(nil, foreign), with(mapping(gold, foreign), gold), with(func(c *x509.Certificate) { c.InhibitPolicyMappingZero = true }, gold),
		}, wantGold, rfc5280.ErrNoPolicy},
		{"mapped to any policy", certs{with(nil, foreign), with(mapping(gold, anyPolicy), gold)}, rfc5280.PolicyInputs{}, rfc5280.ErrPolicyMapping},
		{"mapped from any policy", certs{with(nil, foreign), with(mapping(anyPolicy, foreign), anyPolicy)}, rfc5280.PolicyInputs{}, rfc5280.ErrPolicyMapping},
		{"mapped by a CA for any policy, although inhibited", certs{with(nil, foreign), with(mapping(gold, foreign), anyPolicy)},
			rfc5280.PolicyInputs{Explicit: true, Accepted: []string{gold}, NoMapping: true}, rfc5280.ErrNoPolicy},
		{"mapped from what a policy above was mapped to", certs{
			with(nil, foreign), with(mapping(gold, foreign), gold, anyPolicy), with(mapping(silver, gold), silver, anyPolicy),
		}, wantGold, rfc5280.ErrNoPolicy},
		{"mapped twice", certs{
			with(nil, foreign), with(mapping(gold, foreign), gold, anyPolicy), with(mapping(silver, gold), silver, anyPolicy),
		}, rfc5280.PolicyInputs{Explicit: true, Accepted: []string{silver}}, nil},
		{"any policy inhibited above, and less so below", certs{
			with(nil, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicy = 5 }, gold), with(func(c *x509.Certificate) { c.InhibitAnyPolicyZero = true }, gold),
		}, explicit, rfc5280.ErrNoPolicy},
		{"any policy in a self-issued certificate, although inhibited", certs{
			with(nil, gold), with(selfIssued, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicyZero = true }, gold),
		}, explicit, nil},
		{"any policy in another certificate, inhibited", certs{
			with(nil, gold), with(nil, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicyZero = true }, gold),
		}, explicit, rfc5280.ErrNoPolicy},
		{"any policy in a self-issued leaf, inhibited", certs{
			with(selfIssued, anyPolicy), with(func(c *x509.Certificate) { c.InhibitAnyPolicyZero = true }, gold),
		}, explicit, rfc5280.ErrNoPolicy},
		{"inhibited after one certificate, self-issued ones not counted", certs{
			with(nil, anyPolicy), with(selfIssued, gold), with(func(c *x509.Certificate) { c.InhibitAnyPolicy = 1 }, gold),
		}, explicit, nil},
		{"inhibited after one certificate", certs{
			with(nil, anyPolicy), with(nil, gold), with(func(c *x509.Certificate) { c.InhibitAnyPolicy = 1 }, gold),
		}, explicit, rfc5280.ErrNoPolicy},
		{"64 policies", certs{with(nil, lots[:64]...)}, explicit, nil},
		{"65 policies", certs{with(nil, lots...)}, explicit, rfc5280.ErrTooManyPolicies},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := rfc5280.CheckPolicies(append(tt.path, with(nil)), tt.in)
			if !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
