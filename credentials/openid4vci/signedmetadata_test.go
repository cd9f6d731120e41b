package openid4vci_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestSignedMetadataExample reads the published signed metadata. Its signature
// verifies and its payload is metadata, but the certificate that it carries is
// self-signed, so a path to it is refused even if it is an anchor.
func TestSignedMetadataExample(t *testing.T) {
	t.Parallel()
	compact := strings.Join(strings.Fields(string(file(t, "credential_issuer_metadata_sd_jwt_jwt.txt"))), "")
	u := must[*jose.Unverified](t)(jose.Parse(compact))
	if u.Header.Typ != openid4vci.TypeSignedMetadata || len(u.Header.X5C) != 1 {
		t.Fatalf("TV-16: type %q, %d certificates", u.Header.Typ, len(u.Header.X5C))
	}
	leaf := u.Header.X5C[0]
	payload, err := u.Verify(leaf.PublicKey)
	if err != nil {
		t.Fatalf("TV-16: %v", err)
	}
	m, err := openid4vci.ParseIssuerMetadata(payload, "https://credential-issuer.example.com")
	if err != nil {
		t.Fatalf("TV-16: %v", err)
	}
	c, err := m.Configuration("SD_JWT_VC_example_in_OpenID4VCI")
	if err != nil || c.Type() != "SD_JWT_VC_example_in_OpenID4VCI" {
		t.Errorf("TV-16: %+v, %v", c, err)
	}
	policy := &trust.Policy{
		Anchors: []trust.Anchor{{Certificate: leaf}}, Profile: trust.ProfileSDJWTIssuer,
		Revocation: trust.NotChecked("published example"), Now: func() time.Time { return leaf.NotBefore.Add(time.Hour) },
	}
	_, err = policy.Verify(context.Background(), leaf, nil)
	var refused *trust.Error
	if !errors.As(err, &refused) || refused.Reason != trust.ReasonPath {
		t.Errorf("TV-16: a self-signed certificate was not refused as one: %v", err)
	}
}

// signedMetadata is a signer, who may sign under a policy, and metadata.
type signedMetadata struct {
	ca     *trusttest.CA
	key    *keys.Key
	policy *trust.Policy
	m      *openid4vci.IssuerMetadata
}

func newSignedMetadata(t *testing.T) *signedMetadata {
	t.Helper()
	ca := must[*trusttest.CA](t)(trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-48 * time.Hour)}))
	return &signedMetadata{
		ca: ca, key: must[*keys.Key](t)(ca.IssueVerifierAccess(trusttest.LeafOptions{Lifetime: 72 * time.Hour, DNSNames: []string{"issuer.example"}})),
		policy: &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileVerifierAccess,
			Revocation: trust.NotChecked("test"), Now: func() time.Time { return now },
		},
		m: &openid4vci.IssuerMetadata{
			CredentialIssuer: issuer, CredentialEndpoint: issuer + "/credential", NonceEndpoint: issuer + "/nonce",
			Configurations: map[string]*openid4vci.Configuration{"id": {Format: credentials.FormatSDJWTVC, Scope: "id", VCT: "urn:test"}},
		},
	}
}

func (s *signedMetadata) expect() openid4vci.SignedMetadataExpect {
	return openid4vci.SignedMetadataExpect{Identifier: issuer, Policy: s.policy, Now: now}
}

// TestSignMetadata holds that what is signed is what is read, that the anchor is
// not in the header, and that nothing outlives the signer's chain.
func TestSignMetadata(t *testing.T) {
	t.Parallel()
	s := newSignedMetadata(t)
	_, end := s.key.Validity()
	for name, tc := range map[string]struct{ expires, want time.Time }{
		"before the chain ends": {now.Add(time.Hour), now.Add(time.Hour)},
		"after the chain ends":  {end.Add(time.Hour), end},
		"not said":              {time.Time{}, end},
	} {
		compact := must[string](t)(openid4vci.SignMetadata(s.m, s.key, now, tc.expires))
		m, _, err := openid4vci.ParseSignedMetadata(t.Context(), compact, s.expect())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m.CredentialEndpoint != s.m.CredentialEndpoint || len(m.Configurations) != 1 {
			t.Errorf("%s: read %+v", name, m)
		}
		u := must[*jose.Unverified](t)(jose.Parse(compact))
		var claims map[string]any
		if err := json.Unmarshal(u.UnverifiedPayload(), &claims); err != nil {
			t.Fatal(err)
		}
		if claims["sub"] != issuer || claims["iat"] != float64(now.Unix()) || claims["exp"] != float64(tc.want.Unix()) || claims["credential_issuer"] != issuer {
			t.Errorf("%s: claims %v, want exp %d", name, claims, tc.want.Unix())
		}
		if u.Header.Typ != "openidvci-issuer-metadata+jwt" || u.Header.Alg != "ES256" || len(u.Header.X5C) != 1 || u.Header.X5C[0].Equal(s.ca.Certificate) {
			t.Errorf("%s: header %+v", name, u.Header)
		}
	}
}

// TestNegSignMetadata refuses signers that nobody could trust.
func TestNegSignMetadata(t *testing.T) {
	t.Parallel()
	s := newSignedMetadata(t)
	withAnchor := &keys.Key{Signer: s.key.Signer, Chain: append(s.key.Chain[:1:1], s.ca.Certificate)}
	other := must[*keys.Key](t)(s.ca.IssueVerifierAccess(trusttest.LeafOptions{}))
	_, end := s.key.Validity()
	for name, tc := range map[string]struct {
		key         *keys.Key
		at, expires time.Time
	}{
		"anchor in the chain (HAIP-08)": {withAnchor, now, now.Add(time.Hour)},
		"certificate of another key":    {&keys.Key{Signer: other.Signer, Chain: s.key.Chain}, now, now.Add(time.Hour)},
		"no certificate":                {&keys.Key{Signer: s.key.Signer}, now, now.Add(time.Hour)},
		"no key":                        {nil, now, now.Add(time.Hour)},
		"chain ended":                   {s.key, end.Add(time.Second), end.Add(time.Hour)},
		"expired from the beginning":    {s.key, now, now},
	} {
		if _, err := openid4vci.SignMetadata(s.m, tc.key, tc.at, tc.expires); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestNegSignedMetadata spoils one thing at a time.
func TestNegSignedMetadata(t *testing.T) {
	t.Parallel()
	s := newSignedMetadata(t)
	stranger := newSignedMetadata(t)
	verifier := must[*keys.Key](t)(s.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"verifier.example"}}))
	nameless := must[*keys.Key](t)(s.ca.IssueStatusSigner(trusttest.LeafOptions{}))
	parameters := must[[]byte](t)(json.Marshal(s.m))
	claims := func(edit func(map[string]any)) map[string]any {
		c := map[string]any{}
		if err := json.Unmarshal(parameters, &c); err != nil {
			t.Fatal(err)
		}
		c["sub"], c["iat"], c["exp"] = issuer, now.Unix(), now.Add(time.Hour).Unix()
		edit(c)
		return c
	}
	keep := func(map[string]any) {}
	header := jose.Header{Typ: openid4vci.TypeSignedMetadata, X5C: s.key.Chain}
	for name, tc := range map[string]struct {
		header jose.Header
		claims map[string]any
		key    *keys.Key
		ok     bool
	}{
		"as it should be":           {header, claims(keep), s.key, true},
		"with iss":                  {header, claims(func(c map[string]any) { c["iss"] = "https://auditor.example" }), s.key, true},
		"without exp":               {header, claims(func(c map[string]any) { delete(c, "exp") }), s.key, true},
		"I36 another typ":           {jose.Header{Typ: "JWT", X5C: s.key.Chain}, claims(keep), s.key, false},
		"I36 another sub":           {header, claims(func(c map[string]any) { c["sub"] = issuer + "/b" }), s.key, false},
		"no sub":                    {header, claims(func(c map[string]any) { delete(c, "sub") }), s.key, false},
		"I36 expired":               {header, claims(func(c map[string]any) { c["exp"] = now.Unix() }), s.key, false},
		"no iat":                    {header, claims(func(c map[string]any) { delete(c, "iat") }), s.key, false},
		"iat in the future":         {header, claims(func(c map[string]any) { c["iat"] = now.Add(time.Minute).Unix() }), s.key, false},
		"not valid yet":             {header, claims(func(c map[string]any) { c["nbf"] = now.Add(time.Minute).Unix() }), s.key, false},
		"I36 credential_issuer":     {header, claims(func(c map[string]any) { c["credential_issuer"] = issuer + "/b" }), s.key, false},
		"parameters missing":        {header, claims(func(c map[string]any) { delete(c, "credential_endpoint") }), s.key, false},
		"VCI-MD-09 unknown signer":  {jose.Header{Typ: header.Typ, X5C: stranger.key.Chain}, claims(keep), stranger.key, false},
		"signer without host names": {jose.Header{Typ: header.Typ, X5C: nameless.Chain}, claims(keep), nameless, true},
		"signer for another host":   {jose.Header{Typ: header.Typ, X5C: verifier.Chain}, claims(keep), verifier, false},
		"signature of another key":  {header, claims(keep), stranger.key, false},
		"no x5c":                    {jose.Header{Typ: header.Typ}, claims(keep), s.key, false},
		"HAIP-08 anchor in the x5c": {jose.Header{Typ: header.Typ, X5C: append(s.key.Chain[:1:1], s.ca.Certificate)}, claims(keep), s.key, false},
	} {
		compact := must[string](t)(jose.Sign(tc.header, must[[]byte](t)(json.Marshal(tc.claims)), tc.key.Signer))
		m, _, err := openid4vci.ParseSignedMetadata(t.Context(), compact, s.expect())
		if tc.ok != (err == nil) || tc.ok != (m != nil) || err != nil && !errors.Is(err, openid4vci.ErrSignedMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := openid4vci.ParseSignedMetadata(t.Context(), "a.b.c", s.expect()); !errors.Is(err, openid4vci.ErrSignedMetadata) {
		t.Errorf("no JWS: %v", err)
	}
}
