package openid4vci_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
)

// TestSignedMetadataExample reads the published signed metadata. Its signature
// verifies and its payload is metadata, but the certificate that it carries is
// self-signed, so a path to it is refused even if it is an anchor.
func TestSignedMetadataExample(t *testing.T) {
	t.Parallel()
	compact := strings.Join(strings.Fields(string(file(t, "credential_issuer_metadata_sd_jwt_jwt.txt"))), "")
	u := must[*jose.Unverified](t)(jose.Parse(compact))
	if u.Header.Typ != "openidvci-issuer-metadata+jwt" || len(u.Header.X5C) != 1 {
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
