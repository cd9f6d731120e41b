package e2e_test

import (
	"net/http"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
)

// TestSignedMetadata has a wallet take an offer of an issuer whose metadata it
// takes signed only.
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	policy := &trust.Policy{
		Anchors: []trust.Anchor{d.box.VerifierAnchor}, Profile: trust.ProfileVerifierAccess,
		Revocation: trust.NotChecked("the sandbox publishes no lists"), Now: d.clock.Now,
	}
	a := d.send(t, http.MethodGet, d.endpoint(openid4vci.WellKnownIssuer), http.Header{"Accept": {"application/jwt"}}, nil)
	if got := a.header.Get("Content-Type"); got != "application/jwt" {
		t.Fatalf("%d %s", a.status, got)
	}
	expect := openid4vci.SignedMetadataExpect{Identifier: d.box.Issuer, Policy: policy, Now: d.clock.Now()}
	if _, _, err := openid4vci.ParseSignedMetadata(t.Context(), string(a.body), expect); err != nil {
		t.Fatal(err)
	}
	expect.Identifier += "/b"
	if _, _, err := openid4vci.ParseSignedMetadata(t.Context(), string(a.body), expect); err == nil {
		t.Error("taken for another issuer's")
	}
	// I36: what a request says of host and scheme changes nothing.
	spoofed := d.send(t, http.MethodGet, d.endpoint(openid4vci.WellKnownIssuer), http.Header{
		"Accept": {"application/jwt"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "Forwarded": {"host=evil.example"},
	}, nil)
	if string(spoofed.body) != string(a.body) {
		t.Error("the metadata depends on headers of the request")
	}
	wallet := d.newWallet(t)
	wallet.MetadataTrust = policy
	held, err := wallet.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt"), citizen{t, d, cardOf(t, "hanako")})
	if err != nil || len(held) == 0 {
		t.Errorf("%d credentials, %v", len(held), err)
	}
}
