package explain

import (
	"context"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
)

// tokenKinds explain signed tokens by their typ.
var tokenKinds = map[string]func(*explainer, context.Context, string, *jose.Unverified){
	"dc+sd-jwt": func(e *explainer, ctx context.Context, compact string, _ *jose.Unverified) {
		e.Warn("sd-jwt vc", "give it with the ~ at its end", "an SD-JWT ends with ~; it was added")
		e.sdjwt(ctx, compact+"~")
	},
	status.TokenType:       (*explainer).statusList,
	attestation.TypeClient: (*explainer).clientAttestation,
	openid4vp.RequestObjectType: func(e *explainer, ctx context.Context, _ string, object *jose.Unverified) {
		e.signer(ctx, trust.ProfileVerifierAccess, object)
	},
}

func (e *explainer) statusList(ctx context.Context, compact string, object *jose.Unverified) {
	const where = "status list"
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := jose.UnmarshalJSON(object.UnverifiedPayload(), &claims); err != nil {
		e.Fault(where, "ask whoever published it", "the token cannot be read: %s", err)
		return
	}
	if !e.anchored(where) {
		return
	}
	token, err := status.Verify(ctx, compact, claims.Subject, e.policy(trust.ProfileStatusSigner), e.now)
	if err != nil {
		e.Fault(where, fixVerdict(err), "not trusted: %s", reasonOf(err))
		return
	}
	e.OK(where, "a list for %s, trusted; a verifier must have it from that address", token.URI)
}

func (e *explainer) clientAttestation(ctx context.Context, compact string, _ *jose.Unverified) {
	const where = "wallet attestation"
	if !e.anchored(where) {
		return
	}
	client, err := attestation.VerifyAttestation(ctx, compact, attestation.Expect{
		Audience: "explain", Policy: e.policy(trust.ProfileWalletProvider), Now: e.now,
	})
	if err != nil {
		e.Fault(where, fixVerdict(err), "not trusted: %s", reasonOf(err))
		return
	}
	e.OK(where, "trusted: it vouches for an instance of %s", client.ID)
}

// signer judges the certificate of a token whose content is not judged.
func (e *explainer) signer(ctx context.Context, profile trust.Profile, object *jose.Unverified) {
	where := "profile " + profile.Name
	chain := object.Header.X5C
	if len(chain) == 0 {
		e.Fault(where, "send the certificate in x5c", "the header has no certificate")
		return
	}
	if _, err := object.Verify(chain[0].PublicKey); err != nil {
		e.Fault(where, "send the token as it was signed", "the key of the certificate did not sign it: %s", err)
		return
	}
	e.OK(where, "signed by the key of the first certificate")
	e.path(ctx, profile, chain[0], chain[1:])
}
