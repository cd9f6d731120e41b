package e2e_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
)

// registered starts a register whose exchanges are held against the contract, and
// a deployment that takes the data of PIDs and driving licences from it.
func registered(t *testing.T) (*deployment, *registertest.Server) {
	t.Helper()
	people, err := registertest.People()
	if err != nil {
		t.Fatal(err)
	}
	contract, err := openapitest.New(openapi.Source, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := registertest.Serve(registertest.New(people, time.Now), func(next http.Handler) http.Handler { return contract.Handler(t, next) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := registertest.IssueClient(server.CA, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.EncodeKeyPEM(client.Signer)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source := config.HTTPSource{
		URL: server.URL, Roots: write("ca.pem", keys.EncodeChainPEM([]*x509.Certificate{server.CA.Certificate})),
		Key: config.KeyList{{Key: write("key.pem", key), Chain: write("chain.pem", keys.EncodeChainPEM(client.Chain))}},
	}
	residents, licences := source, source
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.Issuer.Sources = map[string]*config.Source{"residents": {HTTP: &residents}, "licences": {HTTP: &licences}}
		d.cfg.Issuer.BatchSize = 10
		d.cfg.Issuer.Credentials = []string{"identity_sd_jwt", "eu_pid_sd_jwt", "eu_pid_mdoc", "mdl_mdoc"}
		if err := d.cfg.Validate(); err != nil {
			t.Fatal(err)
		}
	}})
	return d, server
}

// asking pushes a request for credentials and returns the address for a browser.
func (c *oauthClient) asking(t *testing.T, scope string) string {
	t.Helper()
	form := c.parForm()
	form.Set("scope", scope)
	return c.visit(t, c.push(t, form, nil))
}

// TestHTTPSource issues what a register behind HTTP knows, and nothing where it
// does not know, does not know whom, or does not answer.
func TestHTTPSource(t *testing.T) {
	t.Parallel()
	d, server := registered(t)
	const scope = "eu_pid_sd_jwt eu_pid_mdoc mdl_mdoc"

	c, b := d.newClient(t), d.newBrowser(t)
	code := b.authorize(t, c.asking(t, scope), cardOf(t, "hanako")).Query().Get("code")
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(code), nil).read(t, &token)
	issue := func(configuration string) string {
		request := c.credentialRequest(t, 1)
		request.ConfigurationID = configuration
		return c.credential(t, token.AccessToken, request, nil).credentials(t)[0]
	}
	pid, err := sdjwt.Parse(issue("eu_pid_sd_jwt"))
	if err != nil {
		t.Fatal(err)
	}
	place, _ := pid.Claims["place_of_birth"].(credentials.Object)
	if picture, _ := pid.Claims["picture"].(credentials.Text); place["country"] != credentials.Text("JP") || !strings.HasPrefix(string(picture), "data:image/jpeg;base64,") {
		t.Errorf("the PID says %v of the place of birth, and has a picture of %d characters", place, len(picture))
	}
	raw, err := jose.DecodeBase64(issue("mdl_mdoc"))
	if err != nil {
		t.Fatal(err)
	}
	licence, err := mdoc.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	elements, _ := licence.Elements["org.iso.18013.5.1"].(credentials.Object)
	if ends := (credentials.FullDate{Year: 2029, Month: time.May, Day: 1}); elements["document_number"] != credentials.Text("308800012345") || elements["expiry_date"] != ends {
		t.Errorf("the licence says %v", elements)
	}
	issue("eu_pid_mdoc")

	asked := server.Lookups()
	if len(asked) != 2 || asked[0].Pseudonym == asked[1].Pseudonym || asked[0].RequestID == asked[1].RequestID {
		t.Errorf("the two registers could find out that they were asked for one person: %+v", asked)
	}

	// Who asks for what the certificate says alone is told to no register.
	d.newBrowser(t).authorize(t, d.newClient(t).asking(t, "identity_sd_jwt"), cardOf(t, "taro"))
	if n := len(server.Lookups()); n != 2 {
		t.Errorf("%d lookups after somebody asked for nothing of the register", n)
	}
	t.Run("refused", func(t *testing.T) { refusedByRegister(t, d, server, scope) })
	for _, canary := range []string{"山田", "清瀬", "308800012345", asked[0].Pseudonym} {
		if strings.Contains(d.log.String(), canary) {
			t.Errorf("F04 the log says %q", canary)
		}
	}
}

func refusedByRegister(t *testing.T, d *deployment, server *registertest.Server, scope string) {
	other := func(a map[string]any) {
		if person, ok := a["person"].(map[string]any); ok {
			person["birth_date"] = "1999-09-09"
		}
	}
	for _, tt := range []struct {
		name, person  string
		faults        registertest.Faults
		status        int
		error, reason string
	}{
		{"honest twin", "taro", registertest.Faults{}, http.StatusOK, "", ""},
		{"not in the register", "abroad", registertest.Faults{}, http.StatusBadRequest, "access_denied", "no_credential"},
		{"two who are the same on paper", "alias", registertest.Faults{}, http.StatusBadRequest, "access_denied", "ambiguous_record"},
		{"the record of somebody else", "taro", registertest.Faults{Answer: other}, http.StatusBadRequest, "access_denied", "ambiguous_record"},
		{"away", "taro", registertest.Faults{Status: http.StatusServiceUnavailable}, http.StatusServiceUnavailable, "temporarily_unavailable", ""},
	} {
		server.Set(tt.faults)
		b := d.newBrowser(t)
		p := b.open(t, d.newClient(t).asking(t, scope))
		p = b.submit(t, p, "sign-form", sign(t, p, cardOf(t, tt.person)))
		if p.status != tt.status || p.text("oauth-error") != tt.error || p.text("reason") != tt.reason {
			t.Errorf("%s: %d %s %s", tt.name, p.status, p.text("oauth-error"), p.text("reason"))
		}
		if tt.status == http.StatusServiceUnavailable && p.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", tt.name)
		}
	}
}

// TestRefreshAsksRegisters refreshes while the register says the same as before,
// something else, nothing any more, or nothing at all: what the person has not
// agreed to is not issued, nor what no longer is so.
func TestRefreshAsksRegisters(t *testing.T) {
	t.Parallel()
	d, server := registered(t)
	c, b := d.newClient(t), d.newBrowser(t)
	code := b.authorize(t, c.asking(t, "identity_sd_jwt eu_pid_sd_jwt mdl_mdoc"), cardOf(t, "hanako")).Query().Get("code")
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(code), nil).read(t, &token)
	asked := len(server.Lookups())
	claim := func(name string, value any) func(map[string]any) {
		return func(a map[string]any) {
			claims, _ := a["claims"].(map[string]any)
			if _, ok := claims[name]; !ok {
				return
			}
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		scope  string
		faults registertest.Faults
		status int
		code   string
		asks   int
	}{
		{"the same", "eu_pid_sd_jwt mdl_mdoc", registertest.Faults{}, http.StatusOK, "", 2},
		{"the same, of one register", "mdl_mdoc", registertest.Faults{}, http.StatusOK, "", 1},
		{"changed", "eu_pid_sd_jwt", registertest.Faults{Answer: claim("nationality", []any{"US"})}, http.StatusBadRequest, "invalid_grant", 1},
		{"changed, in what is not asked for", "mdl_mdoc", registertest.Faults{Answer: claim("nationality", []any{"US"})}, http.StatusOK, "", 1},
		{"no longer on record", "mdl_mdoc", registertest.Faults{Answer: claim("document_number", nil)}, http.StatusBadRequest, "invalid_grant", 1},
		{"away", "eu_pid_sd_jwt", registertest.Faults{Status: http.StatusServiceUnavailable}, http.StatusServiceUnavailable, "temporarily_unavailable", 0},
		{"away, and not needed", "identity_sd_jwt", registertest.Faults{Status: http.StatusServiceUnavailable}, http.StatusOK, "", 0},
		{"the same again", "eu_pid_sd_jwt", registertest.Faults{}, http.StatusOK, "", 1},
	} {
		server.Set(tt.faults)
		a := c.refresh(t, token.RefreshToken, "scope", tt.scope)
		if tt.status == http.StatusOK && a.status != tt.status || tt.status != http.StatusOK && (a.status != tt.status || !strings.Contains(string(a.body), tt.code)) {
			t.Errorf("%s: %d %s", tt.name, a.status, a.body)
		}
		if tt.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", tt.name)
		}
		if n := len(server.Lookups()) - asked; n != tt.asks {
			t.Errorf("%s: %d lookups, want %d", tt.name, n, tt.asks)
		}
		asked = len(server.Lookups())
	}
	var again openid4vci.TokenResponse
	c.refresh(t, token.RefreshToken, "scope", "mdl_mdoc").read(t, &again)
	request := c.credentialRequest(t, 1)
	request.ConfigurationID = "mdl_mdoc"
	if got := c.credential(t, again.AccessToken, request, nil).credentials(t); len(got) != 1 {
		t.Errorf("%d credentials", len(got))
	}
	if d.sealed(t) != 1 {
		t.Error("the grant has ended")
	}
}
