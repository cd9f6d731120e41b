package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// revokeToken asks for the end of an access token.
func (c *oauthClient) revokeToken(t *testing.T, token string) *answer {
	t.Helper()
	address := c.d.endpoint("/revoke")
	form := url.Values{"client_id": {c.id}, "token": {token}, "token_type_hint": {"access_token"}}
	return c.d.send(t, http.MethodPost, address, c.headers(t, address), []byte(form.Encode()))
}

// TestNegTokenRevocation (O15) revokes access tokens: of others, which stay, and its
// own, which doesn't.
func TestNegTokenRevocation(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	var metadata openid4vci.AuthorizationServerMetadata
	address, err := openid4vci.AuthorizationServerMetadataURL(d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	d.send(t, http.MethodGet, address, nil, nil).read(t, &metadata)
	if metadata.RevocationEndpoint != d.endpoint("/revoke") {
		t.Errorf("revocation_endpoint %q", metadata.RevocationEndpoint)
	}
	c, other := d.newClient(t), d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	nonsense := []byte(`{"credential_configuration_id":"passport"}`)

	unknownToken, ofOther := other.revokeToken(t, unknown()), other.revokeToken(t, token)
	if unknownToken.status != http.StatusOK || ofOther.status != http.StatusOK || len(unknownToken.body)+len(ofOther.body) > 0 {
		t.Errorf("unknown: %d %s, of another instance: %d %s", unknownToken.status, unknownToken.body, ofOther.status, ofOther.body)
	}
	c.revokeToken(t, "").want(t, http.StatusBadRequest, "invalid_request")
	bare := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	d.send(t, http.MethodPost, d.endpoint("/revoke"), bare, []byte(url.Values{"token": {token}}.Encode())).
		want(t, http.StatusUnauthorized, "invalid_client")
	c.credential(t, token, nonsense, nil).want(t, http.StatusBadRequest, "unknown_credential_configuration")

	issued := c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
	for range 2 { // the second time it is unknown
		if a := c.revokeToken(t, token); a.status != http.StatusOK {
			t.Errorf("honest: %d %s", a.status, a.body)
		}
	}
	c.credential(t, token, nonsense, nil).want(t, http.StatusUnauthorized, "invalid_token")
	if d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0") != 0 || len(issued) != 1 {
		t.Error("a credential was revoked with the token")
	}
}
