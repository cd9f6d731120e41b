package holder

import (
	"context"
	"crypto"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/fetch"
)

const (
	typeForm     = "application/x-www-form-urlencoded"
	popLifetime  = time.Minute
	headerDPoP   = "DPoP"
	headerNonce  = "DPoP-Nonce"
	headerAccept = "Accept"
)

// client is how the wallet authenticates at the authorization server.
type client struct {
	id          string
	attestation string
	instance    crypto.Signer
	// challenge came in a response and is used once.
	challenge string
}

// dpopNonces holds the latest DPoP nonce of each server, by origin.
type dpopNonces map[string]string

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

func (n dpopNonces) learn(address string, response *fetch.Response) {
	if response == nil {
		return
	}
	if nonce := response.Header.Get(headerNonce); nonce != "" {
		n[origin(address)] = nonce
	}
}

// authenticate gets the client attestation for this authorization server.
func (i *issuance) authenticate(ctx context.Context) error {
	compact, instance, err := i.w.Attester.ClientAttestation(ctx, i.server.Issuer)
	if err != nil {
		return err
	}
	read, err := attestation.Read(compact)
	if err != nil {
		return err
	}
	i.client = client{id: read.ClientID, attestation: compact, instance: instance}
	return nil
}

// clientHeaders returns the attestation with a fresh proof of possession.
func (i *issuance) clientHeaders(ctx context.Context) (http.Header, error) {
	challenge := i.client.challenge
	i.client.challenge = ""
	if challenge == "" && i.server.ChallengeEndpoint != "" {
		response, err := i.steps.post(ctx, "attestation challenge", PartyAuthorizationServer, i.server.ChallengeEndpoint, typeForm, nil, nil)
		if err != nil {
			return nil, refused(err)
		}
		c, err := openid4vci.ParseChallengeResponse(response.Body)
		if err != nil {
			return nil, err
		}
		challenge = c.Challenge
	}
	pop, err := attestation.SignPoP(attestation.PoP{
		ClientID: i.client.id, Audience: i.server.Issuer, Challenge: challenge,
		Now: i.w.Now(), Lifetime: popLifetime,
	}, i.client.instance)
	if err != nil {
		return nil, err
	}
	return http.Header{
		attestation.HeaderClient: {i.client.attestation},
		attestation.HeaderPoP:    {pop},
		headerAccept:             {typeJSON},
	}, nil
}

// postForm sends a form to the authorization server as an authenticated client,
// with a DPoP proof if wanted. It tries again, once for each, if the server
// asks for a DPoP nonce or for a challenge.
func (i *issuance) postForm(ctx context.Context, name, endpoint string, form url.Values, withDPoP bool) (*fetch.Response, error) {
	mended := map[string]bool{}
	for {
		headers, err := i.clientHeaders(ctx)
		if err != nil {
			return nil, err
		}
		if withDPoP {
			proof, err := i.prove(endpoint, "")
			if err != nil {
				return nil, err
			}
			headers.Set(headerDPoP, proof)
		}
		response, err := i.steps.post(ctx, name, PartyAuthorizationServer, endpoint, typeForm, []byte(form.Encode()), headers)
		i.nonces.learn(endpoint, answer(response, err))
		if err == nil {
			return response, nil
		}
		failure := refused(err)
		code := openid4vci.CodeOf(failure)
		if mended[code] || !i.mend(code, answer(response, err)) {
			return nil, failure
		}
		mended[code] = true
	}
}

// mend reports whether the next attempt will do what the server asked for.
func (i *issuance) mend(code string, response *fetch.Response) bool {
	if response == nil {
		return false
	}
	switch code {
	case openid4vci.CodeUseDPoPNonce:
		return response.Header.Get(headerNonce) != ""
	case attestation.CodeUseChallenge:
		i.client.challenge = response.Header.Get(attestation.HeaderChallenge)
		return i.client.challenge != "" || i.server.ChallengeEndpoint != ""
	}
	return false
}

func (i *issuance) prove(endpoint, accessToken string) (string, error) {
	return dpop.Sign(dpop.ProofOptions{
		Method: http.MethodPost, URL: endpoint, AccessToken: accessToken,
		Nonce: i.nonces[origin(endpoint)], Now: i.w.Now(),
	}, i.dpop)
}

// postResource sends a request with the access token to the issuer. It tries
// again once if the server asks for a DPoP nonce.
func (i *issuance) postResource(ctx context.Context, name, endpoint, contentType string, body []byte) (*fetch.Response, error) {
	for attempt := 0; ; attempt++ {
		proof, err := i.prove(endpoint, i.token.AccessToken)
		if err != nil {
			return nil, err
		}
		headers := http.Header{"Authorization": {"DPoP " + i.token.AccessToken}, headerDPoP: {proof}}
		response, err := i.steps.post(ctx, name, PartyIssuer, endpoint, contentType, body, headers)
		got := answer(response, err)
		i.nonces.learn(endpoint, got)
		if err == nil {
			return response, nil
		}
		if attempt > 0 || got == nil || !asksForNonce(got) {
			return nil, refused(err)
		}
	}
}

// asksForNonce reads the demand of a resource server (RFC 9449 section 9),
// whose scheme may be in any case.
func asksForNonce(response *fetch.Response) bool {
	if response.Status != http.StatusUnauthorized || response.Header.Get(headerNonce) == "" {
		return false
	}
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		if strings.Contains(strings.ToLower(challenge), "dpop") && strings.Contains(challenge, openid4vci.CodeUseDPoPNonce) {
			return true
		}
	}
	return false
}

// refused puts what an error response says into the error, as an
// *openid4vci.Error.
func refused(err error) error {
	response := answer(nil, err)
	if response == nil {
		return err
	}
	e, parseErr := openid4vci.ParseError(response.Status, response.Body)
	if parseErr != nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, e)
}
