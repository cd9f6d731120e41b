package holder

import (
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// FuzzCallback is in the package, since what reads the callback runs only after
// the first half of an issuance. A code is only taken from the server that was
// asked, in an answer to this request.
func FuzzCallback(f *testing.F) {
	i := &issuance{
		w:      &Wallet{RedirectURI: "https://wallet.example/cb?own=1"},
		server: &openid4vci.AuthorizationServerMetadata{Issuer: "https://issuer.example"},
	}
	f.Add("https://wallet.example/cb?own=1&code=SplxlOBeZQQYbYS6WxSbIA&state=s&iss=https%3A%2F%2Fissuer.example")
	f.Add("https://wallet.example/cb?error=access_denied&state=s&iss=https%3A%2F%2Fissuer.example")
	f.Add("https://wallet.example/cb?code=a&code=b&state=s&iss=https%3A%2F%2Fother.example")
	f.Fuzz(func(t *testing.T, callback string) {
		code, err := i.readCallback(callback, &attempt{state: "s"})
		if (err == nil) != (code != "") {
			t.Errorf("code %q, error %v", code, err)
		}
		u, parseErr := url.Parse(callback)
		if err == nil && (parseErr != nil || u.Query().Get("iss") != "https://issuer.example" || u.Query().Get("state") != "s") {
			t.Errorf("took a code from %q", callback)
		}
	})
}
