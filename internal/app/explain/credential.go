package explain

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
)

// sdjwt explains an SD-JWT VC, with a key binding JWT at its end or without.
func (e *explainer) sdjwt(ctx context.Context, raw string) {
	const where = "sd-jwt vc"
	last := raw[strings.LastIndexByte(raw, '~')+1:]
	if !e.anchored(where) {
		return
	}
	v := &sdjwt.Verifier{
		Trust: e.policy(trust.ProfileSDJWTIssuer), Now: e.opt.Now, AcceptLegacyType: true, AllowUnlimited: true,
	}
	if last == "" {
		e.OK(where, "a credential without key binding, as it was issued")
		verified, err := v.VerifyIssued(ctx, raw)
		e.verdict(ctx, where, verified, err)
		return
	}
	e.OK(where, "a presentation with a key binding JWT")
	binding := e.opt.Binding
	if binding.Nonce == "" {
		var err error
		if binding, err = ownBinding(last); err != nil {
			e.Fault(where, "give the presentation as the wallet sent it", "the key binding JWT cannot be read: %s", err)
			return
		}
		e.Warn(where, "give --nonce and --client-id as they were asked for", "whom it was made for, and whether it is fresh, was not judged: nonce and audience are those of the presentation itself")
		v.KeyBindingMaxAge = e.now.Sub(time.Unix(0, 0)) // any age
	}
	verified, err := v.Verify(ctx, raw, binding)
	e.verdict(ctx, where, verified, err)
}

// ownBinding returns what a key binding JWT says of itself.
func ownBinding(compact string) (b credentials.Binding, err error) {
	object, err := jose.Parse(compact)
	if err != nil {
		return b, err
	}
	var claims struct {
		Nonce    string `json:"nonce"`
		Audience string `json:"aud"`
	}
	if err := jose.UnmarshalJSON(object.UnverifiedPayload(), &claims); err != nil {
		return b, err
	}
	return credentials.Binding{Mode: credentials.BindingRedirect, Nonce: claims.Nonce, ClientID: claims.Audience}, nil
}

// cbor explains an mdoc, as issued or as presented.
func (e *explainer) cbor(ctx context.Context, data []byte) {
	const where = "mdoc"
	var response struct {
		Documents []struct {
			IssuerSigned cose.RawMessage `cbor:"issuerSigned"`
		} `cbor:"documents"`
	}
	_, issuedErr := mdoc.Parse(data)
	presented := issuedErr != nil && cose.Unmarshal(data, &response) == nil && len(response.Documents) > 0
	if issuedErr != nil && !presented {
		e.Fault(where, fixKind, "this is neither an mdoc nor a presentation of one: %s", issuedErr)
		return
	}
	if !e.anchored(where) {
		return
	}
	policy := e.policy(trust.ProfileMdocSigner)
	switch {
	case !presented:
		e.OK(where, "a document as it was issued")
		verified, err := mdoc.VerifyIssued(ctx, data, policy, e.now)
		e.verdict(ctx, where, verified, err)
	case e.opt.Binding.Nonce != "":
		e.OK(where, "a presentation")
		v := &mdoc.Verifier{Trust: policy, Now: e.opt.Now}
		verified, err := v.Verify(ctx, data, e.opt.Binding)
		e.verdict(ctx, where, verified, err)
	default:
		e.OK(where, "a presentation of %d documents", len(response.Documents))
		e.Warn(where, "give --nonce, --client-id and --response-uri as they were asked for", "whether the holder's key signed, and for whom, was not judged")
		for _, document := range response.Documents {
			verified, err := mdoc.VerifyIssued(ctx, document.IssuerSigned, policy, e.now)
			e.verdict(ctx, where, verified, err)
		}
	}
}

// verdict says what was verified, or why not.
func (e *explainer) verdict(ctx context.Context, where string, v *credentials.Verified, err error) {
	if err != nil {
		e.Fault(where, fixVerdict(err), "not trusted: %s", reasonOf(err))
		return
	}
	e.OK(where, "type %s", v.Type)
	for _, check := range v.Checks {
		e.OK(where, "%s: %s", check.Name, check.Detail)
	}
	if entity, ok := trust.LegalEntityOf(v.Chain[0]); ok {
		e.OK(where, "the signer's certificate names the legal entity %s, %s", entity.Name, entity.OrganizationIdentifier)
	}
	switch {
	case v.Status == nil:
		e.OK(where, "it names no status list, so that it can't be revoked before it ends")
	case e.opt.Status == nil:
		e.Warn(where, "give --online to have the list fetched", "whether it was revoked was not looked at")
	default:
		state, err := e.opt.Status(ctx, *v.Status)
		switch {
		case err != nil:
			e.Fault(where, "make the list reachable, or ask its issuer", "the status can't be found out: %s", err)
			return
		case state != "VALID":
			e.Fault(where, "ask for a new credential", "its status is %s", state)
			return
		}
		e.OK(where, "its status list says VALID")
	}
	e.OK(where, "trusted under the anchor %s", v.Chain[len(v.Chain)-1].Subject.CommonName)
}

// reasonOf returns the reason of a format's error, with that of its chain.
func reasonOf(err error) string {
	var chain *trust.Error
	if errors.As(err, &chain) {
		return plain(chain)
	}
	var s *sdjwt.Error
	if errors.As(err, &s) {
		return string(s.Reason) + ", " + s.Detail
	}
	var m *mdoc.Error
	if errors.As(err, &m) {
		return string(m.Reason) + ", " + m.Detail
	}
	return err.Error()
}

func fixVerdict(err error) string {
	var chain *trust.Error
	if errors.As(err, &chain) {
		return fixReason(chain)
	}
	return "ask whoever made it: the reason is the code that the verifier answers with"
}
