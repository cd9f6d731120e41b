package openid4vp_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func clock() time.Time { return start.Add(24 * time.Hour) }

const verifierHost = "verifier.test.invalid"

// scene is a verifier with a certificate and a wallet that trusts its CA.
type scene struct {
	ca         *trusttest.CA
	key        *keys.Key
	encryption *ecdsa.PrivateKey
	options    openid4vp.ParseOptions
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newScene(t *testing.T) *scene {
	t.Helper()
	ca := must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start}))(t)
	key := must(ca.IssueVerifierAccess(trusttest.LeafOptions{}))(t)
	return &scene{
		ca: ca, key: key,
		encryption: must(keys.GenerateP256())(t),
		options: openid4vp.ParseOptions{
			ClientID: openid4vp.X509HashClientID(key.Leaf()),
			Now:      clock,
			Trust: &trust.Policy{
				Anchors:    []trust.Anchor{ca.Anchor()},
				Profile:    trust.ProfileVerifierAccess,
				Revocation: trust.NotChecked("test"),
				Now:        clock,
			},
		},
	}
}

const query = `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["urn:a"]},"claims":[{"path":["family_name"]}]}]}`

// request returns an honest request.
func (s *scene) request(t *testing.T, mode openid4vp.ResponseMode) *openid4vp.AuthorizationRequest {
	t.Helper()
	jwk := must(jose.NewJWK(&s.encryption.PublicKey))(t)
	issued, expires := jose.NewNumericDate(clock()), jose.NewNumericDate(clock().Add(5*time.Minute))
	r := &openid4vp.AuthorizationRequest{
		ClientID:       openid4vp.X509HashClientID(s.key.Leaf()),
		ResponseType:   "vp_token",
		ResponseMode:   mode,
		Nonce:          "n-0S6_WzA2Mj~.n-0S6_WzA2Mj",
		DCQLQuery:      json.RawMessage(query),
		ClientMetadata: must(openid4vp.NewClientMetadata(jwk, "k1"))(t),
		IssuedAt:       &issued,
		Expires:        &expires,
	}
	if mode.OverDCAPI() {
		r.ExpectedOrigins = []string{"https://" + verifierHost}
		return r
	}
	r.ResponseURI = "https://" + verifierHost + "/post"
	r.State = "af0ifjsldkj"
	r.Audience = openid4vp.Audience{openid4vp.AudienceSelfIssued}
	return r
}

// forge signs the request after changing its members, past every check that
// an honest verifier makes. A nil value removes a member.
func (s *scene) forge(t *testing.T, r *openid4vp.AuthorizationRequest, change map[string]any, header func(*jose.Header)) string {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal(must(json.Marshal(r))(t), &members); err != nil {
		t.Fatal(err)
	}
	maps.Copy(members, change)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	h := jose.Header{Typ: openid4vp.RequestObjectType, X5C: s.key.Chain}
	if header != nil {
		header(&h)
	}
	return must(jose.Sign(h, must(json.Marshal(members))(t), s.key.Signer))(t)
}

// code returns the code of the error, or "".
func code(err error) openid4vp.ErrorCode {
	var e *openid4vp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
