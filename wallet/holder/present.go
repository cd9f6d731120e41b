package holder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// Outcome is how a presentation ended.
type Outcome struct {
	// RedirectURI is where the browser must go now, without which the
	// verifier drops the response (HAIP 1.0 section 5.1). Empty if the
	// verifier named nothing.
	RedirectURI string
	// Presented are copies, without keys, of what was shown; nil if nothing
	// was.
	Presented []*Held
}

// Present answers the request behind a link with one of the schemes
// openid4vp and haip-vp or an https address. The verifier must be trusted and
// the request in order before the person is asked. The answer holds everything
// that is needed to satisfy the request or nothing.
//
// If there is no answer, the error says why: ErrNoMatch, ErrDeclined or an
// *[openid4vp.Error]. If the verifier is known by then, it is told in a way
// that does not say which of the two, and the outcome holds what it replied.
func (w *Wallet) Present(ctx context.Context, link string, consent Consent) (Outcome, error) {
	request, err := w.fetchRequest(ctx, link)
	if err != nil {
		return w.report(ctx, nil, err)
	}
	reply := &openid4vp.Reply{ResponseURI: request.Parameters.ResponseURI, State: request.Parameters.State}
	params, encryption, shown, err := w.respond(ctx, request, consent)
	if err != nil {
		return w.report(ctx, reply, err)
	}
	form, err := responseForm(params, encryption)
	if err != nil {
		return w.report(ctx, reply, err)
	}
	outcome, err := w.send(ctx, "presentation", reply.ResponseURI, form)
	outcome.Presented = shown
	return outcome, err
}

// fetchRequest gets the request and validates it, whether the link says where
// it is, holds it, or is the request itself. Nothing beside a request object but
// whose it must be counts (OpenID4VP 1.0 section 5.10.1).
func (w *Wallet) fetchRequest(ctx context.Context, raw string) (*openid4vp.Request, error) {
	known := false
	for _, scheme := range []string{openid4vp.EndpointOpenID4VP, openid4vp.EndpointHAIP, "https://"} {
		known = known || strings.HasPrefix(strings.ToLower(raw), scheme)
	}
	if !known {
		return nil, errors.New("request link: unknown scheme")
	}
	link, err := openid4vp.ParseRequestLink(raw)
	if err != nil {
		return nil, err
	}
	options := openid4vp.ParseOptions{ClientID: link.ClientID, Trust: w.VerifierTrust, Now: w.Now, TransactionData: w.TransactionData}
	if link.Parameters != nil {
		if !w.AcceptUnsigned {
			return nil, errors.New("request link: the request is not signed")
		}
		return openid4vp.ParseUnsigned(link.Parameters, options)
	}
	id, err := openid4vp.ParseClientID(link.ClientID)
	if err != nil {
		return nil, err
	}
	if id.Prefix != openid4vp.X509Hash && id.Prefix != openid4vp.X509SanDNS {
		// No request object could prove it, so that nobody is asked for one, nor told
		// what the wallet can do (section 5.10).
		return nil, &openid4vp.Error{Code: openid4vp.InvalidRequest, Description: "the client identifier prefix allows no request object that the wallet accepts"}
	}
	object := link.Request
	switch {
	case object != "":
	case link.RequestURIMethod == openid4vp.MethodPost:
		options.WalletNonce = rand.Text()
		object, err = w.postForRequest(ctx, link.RequestURI, options.WalletNonce)
	default:
		object, err = w.getRequest(ctx, link.RequestURI)
	}
	if err != nil {
		return nil, fmt.Errorf("request object: %w", err)
	}
	return openid4vp.ParseRequest(ctx, object, options)
}

func (w *Wallet) getRequest(ctx context.Context, address string) (string, error) {
	response, err := w.stepper().get(ctx, "request object", PartyVerifier, address, openid4vp.RequestObjectMediaType)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(response.Body)), nil
}

// postForRequest also tells the verifier what the wallet can do, and has the
// request encrypted to a key of this moment if the verifier does that.
func (w *Wallet) postForRequest(ctx context.Context, address, nonce string) (string, error) {
	private, err := keys.GenerateP256()
	if err != nil {
		return "", err
	}
	public, err := jose.NewJWK(private.Public())
	if err != nil {
		return "", err
	}
	metadata, err := openid4vp.NewWalletMetadata(public)
	if err != nil {
		return "", err
	}
	form, err := openid4vp.RequestURIPost{WalletNonce: nonce, WalletMetadata: metadata}.Form()
	if err != nil {
		return "", err
	}
	response, err := w.stepper().post(ctx, "request object", PartyVerifier, address, typeForm,
		[]byte(form.Encode()), http.Header{headerAccept: {openid4vp.RequestObjectMediaType}})
	if err != nil {
		return "", err
	}
	if response.ContentType != openid4vp.RequestObjectMediaType {
		return "", errors.New("the answer is not " + openid4vp.RequestObjectMediaType)
	}
	object := strings.TrimSpace(string(response.Body))
	if strings.Count(object, ".") != 4 {
		return object, nil
	}
	return openid4vp.DecryptRequest(object, private)
}

// respond chooses, asks and signs.
func (w *Wallet) respond(ctx context.Context, r *openid4vp.Request, consent Consent) (*openid4vp.ResponseParams, *openid4vp.Encryption, []*Held, error) {
	var encryption *openid4vp.Encryption
	if w.EncryptedOnly && !r.Parameters.ResponseMode.Encrypted() {
		return nil, nil, nil, &openid4vp.Error{Code: openid4vp.InvalidRequest, Description: "the wallet answers encrypted alone"}
	}
	if r.Parameters.ResponseMode.Encrypted() {
		var err error
		if encryption, err = r.Parameters.ClientMetadata.Encryption(); err != nil {
			return nil, nil, nil, err
		}
	}
	items, err := w.choose(ctx, r, consent)
	if err != nil {
		return nil, nil, nil, err
	}
	authorizing, err := assign(r.TransactionData, items)
	if err != nil {
		return nil, nil, nil, err
	}
	binding := r.Binding(encryption)
	params := &openid4vp.ResponseParams{VPToken: map[string][]string{}, State: r.Parameters.State}
	var shown []*Held
	for i, c := range items {
		binding.TransactionData = authorizing[i]
		held, err := w.Vault.Pick(ctx, c.batch, w.Now())
		if err != nil {
			return nil, nil, nil, fmt.Errorf("vault: %w", err)
		}
		presentation, err := w.presentOne(held, c, binding)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("present: %w", err)
		}
		id := c.selection.QueryID
		params.VPToken[id] = append(params.VPToken[id], presentation)
		held.Key = nil
		shown = append(shown, held)
	}
	return params, encryption, shown, nil
}

// assign has each element of transaction data authorized by one presentation:
// the first that may (OpenID4VP 1.0 section 5.1). Person identification data of the
// EU may not.
func assign(data []openid4vp.TransactionData, items []chosen) ([][]credentials.TransactionData, error) {
	out := make([][]credentials.TransactionData, len(items))
	for _, d := range data {
		at := slices.IndexFunc(items, func(c chosen) bool {
			return slices.Contains(d.CredentialIDs, c.selection.QueryID) && !isPID(c.kind)
		})
		if at < 0 {
			return nil, &openid4vp.Error{Code: openid4vp.InvalidTransactionData, Description: "no credential that is presented can authorize the transaction data"}
		}
		out[at] = append(out[at], openid4vp.TransactionDataFor([]openid4vp.TransactionData{d}, items[at].selection.QueryID)...)
	}
	return out, nil
}

// presentOne signs one presentation. An mdoc is always signed for.
func (w *Wallet) presentOne(held *Held, c chosen, binding credentials.Binding) (string, error) {
	if held.Format == credentials.FormatMdoc {
		document, err := jose.DecodeBase64(held.Raw)
		if err != nil {
			return "", err
		}
		response, err := mdoc.Present(document, c.selection.Paths, binding, held.Key)
		if err != nil {
			return "", err
		}
		return jose.EncodeBase64(response), nil
	}
	if c.selection.WithoutProof {
		return sdjwt.Present(held.Raw, c.selection.Paths, nil, nil, w.Now())
	}
	return sdjwt.Present(held.Raw, c.selection.Paths, &binding, held.Key, w.Now())
}

// responseForm is the body for direct_post.jwt, or for direct_post without
// encryption.
func responseForm(params *openid4vp.ResponseParams, encryption *openid4vp.Encryption) (url.Values, error) {
	if encryption == nil {
		return params.Form()
	}
	jwe, err := encryption.Encrypt(params)
	if err != nil {
		return nil, err
	}
	return url.Values{"response": {jwe}}, nil
}

// report tells the verifier that nothing comes, if it is known who that is. A
// verifier that was not authenticated is never contacted.
func (w *Wallet) report(ctx context.Context, reply *openid4vp.Reply, cause error) (Outcome, error) {
	code := errorCode(cause)
	var e *openid4vp.Error
	if errors.As(cause, &e) && e.Reply != nil {
		reply = e.Reply
	}
	if reply == nil || code == "" {
		return Outcome{}, cause
	}
	form, err := (&openid4vp.ResponseParams{Error: code, State: reply.State}).Form()
	if err != nil {
		return Outcome{}, errors.Join(cause, err)
	}
	outcome, err := w.send(ctx, "error response", reply.ResponseURI, form)
	if err != nil {
		return outcome, errors.Join(cause, err)
	}
	return outcome, cause
}

// errorCode is what the verifier is told. Having nothing and not wanting to
// show it look alike.
func errorCode(err error) openid4vp.ErrorCode {
	var e *openid4vp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	return openid4vp.AccessDenied
}

// send posts to the response_uri and reads where the browser goes next.
func (w *Wallet) send(ctx context.Context, name, address string, form url.Values) (Outcome, error) {
	response, err := w.stepper().post(ctx, name, PartyVerifier, address, typeForm, []byte(form.Encode()), http.Header{headerAccept: {typeJSON}})
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", name, err)
	}
	var body struct {
		RedirectURI string `json:"redirect_uri"`
	}
	if err := jose.UnmarshalJSON(response.Body, &body); err != nil {
		return Outcome{}, fmt.Errorf("%s: the verifier's answer: %w", name, err)
	}
	if body.RedirectURI == "" {
		return Outcome{}, nil
	}
	u, err := url.Parse(body.RedirectURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return Outcome{}, fmt.Errorf("%s: the verifier's redirect_uri is not an https URL", name)
	}
	return Outcome{RedirectURI: body.RedirectURI}, nil
}
