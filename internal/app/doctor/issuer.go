package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// issuer looks at a credential issuer and its authorization server.
func (d *doctor) issuer(ctx context.Context, id string) {
	d.issuerMetadata(ctx, id)
	d.serverMetadata(ctx, id)
	d.signerKeys(ctx, id)
}

// identifier compares an identifier byte for byte.
func (d *doctor) identifier(where, member, got, want string) bool {
	if got == want {
		d.OK(where, "%s is the identifier, byte for byte", member)
		return true
	}
	how := "is another"
	switch {
	case got == "":
		how = "is missing"
	case strings.TrimRight(got, "/") == want:
		how = "has a slash at the end"
	case strings.EqualFold(got, want):
		how = "differs in upper and lower case"
	case strings.EqualFold(strings.Replace(got, "http://", "https://", 1), want):
		how = "is http"
	}
	d.Fault(where, "set origin and path in the configuration to exactly what wallets are told, and let the proxy pass the Host on unchanged",
		"%s %s: it is %q, asked for was %q", member, how, got, want)
	return false
}

func (d *doctor) issuerMetadata(ctx context.Context, id string) {
	where, err := openid4vci.MetadataURL(id)
	if err != nil {
		d.Fault(id, "correct the origin", "%s", err)
		return
	}
	a, ok := d.get(ctx, where, "application/json", "let the proxy forward /.well-known/ to the service without rewriting it")
	if !ok {
		return
	}
	var name struct {
		CredentialIssuer string `json:"credential_issuer"`
	}
	if err := jose.UnmarshalJSON(a.body, &name); err != nil {
		d.Fault(where, "let the proxy pass the document on unchanged", "the metadata is %s", err)
		return
	}
	if !d.identifier(where, "credential_issuer", name.CredentialIssuer, id) {
		id = name.CredentialIssuer // to find what else is wrong
	}
	m, err := openid4vci.ParseIssuerMetadata(a.body, id)
	if err == nil {
		err = m.ValidateAll(id)
	}
	if err != nil {
		d.Fault(where, "compare the document with OpenID4VCI 1.0 section 12.2.4", "the metadata is not valid: %s", err)
		return
	}
	d.OK(where, "the metadata is valid, with %d configurations", len(m.Configurations))
	final := false
	for _, c := range m.Configurations {
		final = final || c.Metadata != nil
	}
	if !final {
		d.Warn(where, "publish credential_metadata", "no configuration has credential_metadata: some wallets then take the issuer for one of a draft")
	}
	if d.endpoint(ctx, "credential_endpoint", m.CredentialEndpoint, "application/json") && m.NonceEndpoint != "" {
		d.nonce(ctx, m.NonceEndpoint)
	}
}

func (d *doctor) serverMetadata(ctx context.Context, id string) {
	where, err := openid4vci.AuthorizationServerMetadataURL(id)
	if err != nil {
		return // told already
	}
	a, ok := d.get(ctx, where, "application/json", "let the proxy forward /.well-known/ to the service without rewriting it")
	if !ok {
		return
	}
	var name struct {
		Issuer string `json:"issuer"`
	}
	if err := jose.UnmarshalJSON(a.body, &name); err != nil {
		d.Fault(where, "let the proxy pass the document on unchanged", "the metadata is %s", err)
		return
	}
	if !d.identifier(where, "issuer", name.Issuer, id) {
		id = name.Issuer
	}
	m, err := openid4vci.ParseAuthorizationServerMetadata(a.body, id)
	if err != nil {
		d.Fault(where, "compare the document with RFC 8414 and OpenID4VCI 1.0 section 12.3", "the metadata is not valid: %s", err)
		return
	}
	if err := m.CheckHighAssurance(); err != nil {
		d.Fault(where, "do not strip members of the metadata", "HAIP 1.0 wallets need more of the metadata: %s", err)
	} else {
		d.OK(where, "the metadata has what HAIP 1.0 demands")
	}
	d.endpoint(ctx, "token_endpoint", m.TokenEndpoint, "application/x-www-form-urlencoded")
	if m.PAREndpoint != "" {
		d.endpoint(ctx, "pushed_authorization_request_endpoint", m.PAREndpoint, "application/x-www-form-urlencoded")
	}
	if m.AuthorizationEndpoint != "" && d.own(m.AuthorizationEndpoint) {
		if a, err := d.client.get(ctx, m.AuthorizationEndpoint, ""); err != nil || a.status == http.StatusNotFound || a.status >= 500 {
			d.Fault(m.AuthorizationEndpoint, "let the proxy forward the path to the service", "the authorization endpoint does not answer as one")
		} else {
			d.cookies(m.AuthorizationEndpoint, a)
			d.OK(m.AuthorizationEndpoint, "the authorization endpoint answers")
		}
	}
}

// own reports whether a URL is on one of the origins that were given. Others are
// not asked: whoever wrote the document may have put anything there.
func (d *doctor) own(raw string) bool {
	u, err := url.Parse(raw)
	if err == nil && d.mine(u) {
		return true
	}
	d.Warn(raw, "give that origin to the doctor as well", "the address is on an origin of others and was not asked")
	return false
}

func (d *doctor) mine(u *url.URL) bool {
	origin := u.Scheme + "://" + u.Host
	return slices.ContainsFunc(slices.Concat(d.target.Issuers, d.target.Verifiers, d.target.Providers), func(id string) bool {
		return originOf(id) == origin
	})
}

// endpoint sends an empty request to an endpoint, which must refuse it in the
// way of the protocol.
func (d *doctor) endpoint(ctx context.Context, name, raw, contentType string) bool {
	if !d.own(raw) {
		return false
	}
	a, err := d.client.post(ctx, raw, contentType, nil, nil)
	switch {
	case err != nil:
		d.Fault(raw, "let the proxy forward the path to the service", "%s does not answer: %s", name, short(err))
	case a.status == http.StatusServiceUnavailable:
		d.Fault(raw, "look at /readyz of the admin listener, which names the store that is away", "%s answers 503: a store is away", name)
	case a.status < 400 || a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status >= 500:
		d.Fault(raw, "let the proxy forward POST requests of the path to the service", "%s answers an empty request with %d", name, a.status)
	case a.contentType() != "application/json":
		d.Fault(raw, "let the proxy pass errors of the service on instead of pages of its own", "%s answers errors as %q and not as application/json", name, a.contentType())
	default:
		d.OK(raw, "%s answers", name)
		return true
	}
	return false
}

// nonce asks for two nonces (OpenID4VCI 1.0 section 7).
func (d *doctor) nonce(ctx context.Context, where string) {
	if !d.own(where) {
		return
	}
	seen := map[string]bool{}
	for range 2 {
		a, err := d.client.post(ctx, where, "application/json", nil, nil)
		if err != nil || a.status != http.StatusOK {
			d.Fault(where, "let the proxy forward POST requests of the path to the service", "nonce_endpoint does not answer with a nonce")
			return
		}
		n, err := openid4vci.ParseNonceResponse(a.body)
		if err != nil {
			d.Fault(where, "let the proxy pass the answer on unchanged", "nonce_endpoint: %s", err)
			return
		}
		if !a.noStore() {
			d.Fault(where, "let the proxy pass Cache-Control on, and cache nothing of this path", "nonce_endpoint answers without Cache-Control: no-store")
			return
		}
		if seen[n.Nonce] {
			d.Fault(where, "cache nothing of this path", "nonce_endpoint hands the same nonce out twice: something caches it")
			return
		}
		seen[n.Nonce] = true
	}
	d.OK(where, "nonces are fresh and not cached")
}

// absent demands 404 for well-known paths that the service does not have:
// wallets try them, and take any other answer for a document.
func (d *doctor) absent(ctx context.Context, origin string) {
	good := true
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwt-vc-issuer", "/.well-known/tegata-doctor-asks-for-nothing"} {
		a, err := d.client.get(ctx, origin+path, "application/json")
		if err != nil || a.status == http.StatusNotFound {
			continue
		}
		var document struct {
			Issuer string `json:"issuer"`
		}
		if a.status == http.StatusOK && jose.UnmarshalJSON(a.body, &document) == nil && strings.HasPrefix(document.Issuer, origin) {
			continue // somebody put it there on purpose
		}
		good = false
		d.Fault(origin+path, "answer 404 for what is not there: no start page, redirect or login of the proxy", "an absent well-known path answers %d %s and not 404", a.status, a.contentType())
	}
	if good {
		d.OK(origin, "absent well-known paths answer 404")
	}
}

// cookies looks at the cookies of a page.
func (d *doctor) cookies(where string, a *answer) {
	response := http.Response{Header: a.header}
	for _, c := range response.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite == http.SameSiteNoneMode || c.SameSite == 0 {
			d.Fault(where, "let the proxy pass Set-Cookie on unchanged", "the cookie %s lacks Secure, HttpOnly or SameSite", c.Name)
		} else {
			d.OK(where, "the cookie %s is Secure, HttpOnly and SameSite", c.Name)
		}
	}
}
