package verifier

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/session"
)

// Reply is what a wallet gets for its response (OpenID4VP 1.0 section 8.2).
type Reply struct {
	// RedirectURI is where the wallet sends the browser, with a fresh response
	// code.
	RedirectURI string `json:"redirect_uri"`
}

// maxStray is how many responses that show no knowledge of the request are put
// up with before the transaction is given up.
const maxStray = 5

// Respond takes what a wallet posted to a response_uri. The first response
// that belongs to the transaction ends it, accepted or not; of several at once,
// on whatever replica, one counts. A response that can't be opened or has
// another state does not belong to it and is turned away, a few times.
//
// A wallet's own error ends the transaction and is answered like a
// presentation. If the presentation is refused, the error is an [*Error] with
// the status 400 and the relying party finds the [Refusal] in the result.
func (v *Verifier) Respond(ctx context.Context, responseID string, form url.Values) (*Reply, error) {
	id, t, version, err := v.waiting(ctx, v.responses, responseID)
	if err != nil {
		return nil, stored(err, CodeInvalidRequest, unknownRequest)
	}
	params, key, o := v.open(t, form)
	switch {
	case o != nil && o.err != nil:
		return nil, refuse(CodeServerError, "", o.err)
	case o != nil && !o.ours:
		return nil, v.stray(ctx, id, t, version, o)
	case o == nil && params.Error != "":
		refusal := walletError(params.Error)
		return v.finish(ctx, id, t, version, nil, &refusal)
	case o != nil:
		_, err := v.finish(ctx, id, t, version, nil, &o.refusal)
		return nil, refusedError(err, &o.refusal, o.cause)
	}
	accepted, refusal, cause := v.judge(ctx, t, params.VPToken, v.binding(t, key))
	if ctx.Err() != nil {
		// Nobody waits any more, and what was found may be the effect of that.
		return nil, refuse(CodeUnavailable, "try again later", ctx.Err())
	}
	reply, err := v.finish(ctx, id, t, version, accepted, refusal)
	if err != nil || refusal == nil {
		return reply, err
	}
	return nil, refusedError(nil, refusal, cause)
}

// opening is what went wrong with opening a response.
type opening struct {
	refusal Refusal
	cause   error
	// ours is set if the response shows knowledge of the request.
	ours bool
	// err is a fault of our own.
	err error
}

// open reads and decrypts a response and compares its state.
func (v *Verifier) open(t *transaction, form url.Values) (*openid4vp.ResponseParams, *jose.JWK, *opening) {
	turnAway := func(reason Reason, detail string, cause error, ours bool) *opening {
		return &opening{refusal: Refusal{Reason: reason, Detail: detail}, cause: cause, ours: ours}
	}
	private, key, err := t.privateKey()
	if err != nil {
		return nil, nil, &opening{err: err}
	}
	posted, err := openid4vp.ParsePost(form, t.mode())
	if err != nil {
		ours := sameSecret(form.Get("state"), t.ResponseState)
		if form.Has("vp_token") && t.mode().Encrypted() {
			return nil, nil, turnAway(ReasonNotEncrypted, "the response is not encrypted although the request demands it", err, ours)
		}
		return nil, nil, turnAway(ReasonResponse, "the response is malformed", err, ours)
	}
	params := posted.Params
	if posted.JWE != "" {
		// A key identifier of another transaction tells where the response
		// belongs before anything is decrypted.
		params, err = openid4vp.DecryptResponse(posted.JWE, private, key.Kid, jose.A128GCM, jose.A256GCM)
		if errors.Is(err, jose.ErrToken) || errors.Is(err, openid4vp.ErrOtherKey) {
			return nil, nil, turnAway(ReasonUndecryptable, "the response is not encrypted to the key of the request", err, false)
		}
		if errors.Is(err, jose.ErrDecrypt) {
			return nil, nil, turnAway(ReasonUndecryptable, "the response can't be decrypted", err, false)
		}
		if err != nil {
			return nil, nil, turnAway(ReasonResponse, "what the wallet encrypted is not a response", err, true)
		}
	}
	if !sameSecret(params.State, t.ResponseState) {
		return nil, nil, turnAway(ReasonResponse, "the response has another state than the request", nil, false)
	}
	return params, key, nil
}

// stray turns a response away without ending the transaction, until there were
// too many of them.
func (v *Verifier) stray(ctx context.Context, id string, t *transaction, version session.Version, o *opening) error {
	count, err := v.cfg.Sessions.Count(ctx, "vp-stray", id, v.cfg.Lifetimes.Request)
	if err != nil {
		return refuse(CodeUnavailable, "try again later", err)
	}
	if count >= maxStray {
		_, err := v.finish(ctx, id, t, version, nil, &o.refusal)
		return refusedError(err, &o.refusal, o.cause)
	}
	return refuse(CodeInvalidRequest, o.refusal.Detail, o.cause)
}

// finish ends the transaction. Whoever comes second gets the same error as one
// whose transaction does not exist.
func (v *Verifier) finish(ctx context.Context, id string, t *transaction, version session.Version, accepted []Credential, refusal *Refusal) (*Reply, error) {
	now := v.cfg.Now()
	if !now.Before(t.Expires) {
		return nil, refuse(CodeInvalidRequest, unknownRequest, nil)
	}
	next := *t
	next.State, next.Credentials, next.Refusal = StateVerified, accepted, refusal
	if refusal != nil {
		next.State = StateRefused
	}
	next.Key, next.Nonce, next.ResponseState = nil, "", ""
	next.Code = newSecret()
	next.ResultUntil = now.Add(v.cfg.Lifetimes.Result).Truncate(time.Second)
	if err := v.transactions.Swap(ctx, id, version, next); err != nil {
		return nil, stored(err, CodeInvalidRequest, unknownRequest)
	}
	if err := v.trusts(ctx, t); err != nil {
		return nil, stored(err, CodeInvalidRequest, unknownRequest)
	}
	v.closeSlot(ctx, t)
	if next.State == StateRefused || t.Flow == CrossDevice {
		_ = v.announce(ctx, t, next.State) // the wallet can't answer again
	}
	v.cfg.Metrics.answered(v.cfg.Tenant, next.State, refusal)
	target := next.RedirectURI
	if target == "" {
		target = v.cfg.BaseURL + pathDone
	}
	return &Reply{RedirectURI: withCode(target, next.Code)}, nil
}

// refusedError is what the wallet gets; err is that of storing the refusal.
func refusedError(err error, r *Refusal, cause error) error {
	if err != nil {
		return err
	}
	code := CodeAccessDenied
	if r.Reason == ReasonResponse || r.Reason == ReasonNotEncrypted || r.Reason == ReasonUndecryptable {
		code = CodeInvalidRequest
	}
	return refuse(code, string(r.Reason)+": "+r.Detail, cause)
}

// walletError makes the outcome of an error response. The wallet's description
// is text of a stranger and goes no further.
func walletError(code openid4vp.ErrorCode) Refusal {
	switch code {
	case openid4vp.AccessDenied:
		return Refusal{Reason: ReasonDeclined, WalletError: code, Detail: "the person declined or the wallet has no matching credential"}
	case openid4vp.InvalidRequest, openid4vp.InvalidScope, openid4vp.InvalidClient, openid4vp.UnsupportedResponseType,
		openid4vp.VPFormatsNotSupported, openid4vp.InvalidRequestURIMethod, openid4vp.InvalidTransactionData, openid4vp.WalletUnavailable:
		return Refusal{Reason: ReasonWalletError, WalletError: code, Detail: "the wallet answered " + string(code)}
	}
	return Refusal{Reason: ReasonWalletError, Detail: "the wallet answered with an error that is not registered"}
}
