package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// TestNegResponseEncryption asks for encrypted credentials of an issuer whose
// metadata offers no encryption. It must not answer in clear instead.
func TestNegResponseEncryption(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	jwk, err := jose.NewJWK(newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.Alg, jwk.Kid = jose.ECDHES, "1"

	request := c.credentialRequest(t, 1)
	request.ResponseEncryption = &openid4vci.EncryptionParameters{JWK: jwk, Enc: jose.A256GCM}
	a := c.credential(t, token, request, nil)
	a.want(t, http.StatusBadRequest, openid4vci.CodeInvalidEncryptionParameters)
	if strings.Contains(string(a.body), "~") {
		t.Error("I23 a credential was sent in clear")
	}
	t.Run("honest twin, with the nonce that was not used up", func(t *testing.T) {
		request.ResponseEncryption = nil
		if got := c.credential(t, token, request, nil).credentials(t); len(got) != 1 {
			t.Errorf("%d credentials", len(got))
		}
	})
}
