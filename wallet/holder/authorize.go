package holder

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// attempt is one authorization request and what must come back with it.
type attempt struct {
	verifier, state string
	url             string
}

// push sends the authorization request to the server, which alone reads it
// (RFC 9126); the browser gets a reference.
func (i *issuance) push(ctx context.Context) (*attempt, error) {
	a := &attempt{verifier: openid4vci.NewCodeVerifier(), state: rand.Text()}
	jkt, err := jose.ThumbprintOf(i.dpop.Public())
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"response_type":         {"code"},
		"client_id":             {i.client.id},
		"redirect_uri":          {i.w.RedirectURI},
		"state":                 {a.state},
		"code_challenge":        {openid4vci.CodeChallenge(a.verifier)},
		"code_challenge_method": {openid4vci.ChallengeMethodS256},
		"dpop_jkt":              {jkt},
	}
	scopes, details := i.scopes()
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
		if i.server.Issuer != i.issuer.CredentialIssuer {
			form.Set("resource", i.issuer.CredentialIssuer)
		}
	}
	if len(details) > 0 {
		encoded, err := json.Marshal(details)
		if err != nil {
			return nil, err
		}
		form.Set("authorization_details", string(encoded))
	}
	if g := i.offer.Grants; g != nil && g.AuthorizationCode != nil && g.AuthorizationCode.IssuerState != "" {
		form.Set("issuer_state", g.AuthorizationCode.IssuerState)
	}
	if err := i.addReturning(ctx, form); err != nil {
		return nil, err
	}
	response, err := i.postForm(ctx, "pushed authorization request", i.server.PAREndpoint, form, false)
	if openid4vci.CodeOf(err) == openid4vci.CodeInvalidGrant && form.Has("refresh_token") {
		// The consent has ended; the person can begin anew.
		form.Del("refresh_token")
		response, err = i.postForm(ctx, "pushed authorization request", i.server.PAREndpoint, form, false)
	}
	if err != nil {
		return nil, err
	}
	pushed, err := openid4vci.ParsePARResponse(response.Body)
	if err != nil {
		return nil, err
	}
	a.url = withQuery(i.server.AuthorizationEndpoint, url.Values{
		"client_id": {i.client.id}, "request_uri": {pushed.RequestURI},
	})
	return a, nil
}

// addReturning adds the newest refresh token that the server has issued, if the
// wallet offers people to return.
func (i *issuance) addReturning(ctx context.Context, form url.Values) error {
	if !i.w.Return {
		return nil
	}
	held, err := i.w.Vault.List(ctx)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for _, h := range slices.Backward(held) {
		if h.Refresh != nil && h.Refresh.Server == i.server.Issuer {
			form.Set("refresh_token", h.Refresh.Token)
			return nil
		}
	}
	return nil
}

func withQuery(endpoint string, parameters url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + parameters.Encode()
}

// visit lets the person log in and returns the code.
func (i *issuance) visit(ctx context.Context, agent UserAgent, a *attempt) (string, error) {
	done := i.steps.begin("authorization", PartyBrowser, PartyAuthorizationServer)
	callback, err := agent.Authorize(ctx, a.url, i.w.RedirectURI)
	if err != nil {
		done("no answer")
		return "", err
	}
	code, err := i.readCallback(callback, a)
	if err != nil {
		done("refused")
		return "", err
	}
	done("code received")
	return code, nil
}

// readCallback checks that the response is from the server that was asked (RFC
// 9207) and to this request before it looks at anything else.
func (i *issuance) readCallback(callback string, a *attempt) (string, error) {
	u, err := url.Parse(callback)
	if err != nil {
		return "", fmt.Errorf("%w: not a URL", ErrCallback)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", fmt.Errorf("%w: malformed query", ErrCallback)
	}
	if !sameAddress(u, i.w.RedirectURI) {
		return "", fmt.Errorf("%w: it came to another address", ErrCallback)
	}
	for _, name := range []string{"iss", "state", "code", "error"} {
		if len(query[name]) > 1 {
			return "", fmt.Errorf("%w: a parameter occurs twice", ErrCallback)
		}
	}
	if query.Get("iss") != i.server.Issuer {
		return "", fmt.Errorf("%w: iss is missing or another server", ErrCallback)
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(a.state)) != 1 {
		return "", fmt.Errorf("%w: state is missing or another", ErrCallback)
	}
	if code := query.Get("error"); code != "" {
		e := openid4vci.NewError(code, openid4vci.SanitizeDescription(query.Get("error_description")))
		return "", e
	}
	if query.Get("code") == "" {
		return "", fmt.Errorf("%w: neither code nor error", ErrCallback)
	}
	return query.Get("code"), nil
}

// sameAddress compares all but the query, of which the redirect URI's own part
// may be repeated in the callback.
func sameAddress(callback *url.URL, redirectURI string) bool {
	want, err := url.Parse(redirectURI)
	return err == nil && callback.User == nil && callback.Opaque == want.Opaque &&
		strings.EqualFold(callback.Scheme, want.Scheme) && strings.EqualFold(callback.Host, want.Host) &&
		callback.EscapedPath() == want.EscapedPath()
}
