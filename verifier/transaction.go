package verifier

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/session"
)

// Flow says where the wallet is.
type Flow string

// The flows.
const (
	// SameDevice: the wallet is on the device of the browser. The result is
	// released only for the response code that the wallet sends back through
	// the browser, so that nobody can have somebody else answer their request.
	SameDevice Flow = "same_device"
	// CrossDevice: the wallet scans a code from another screen. Nothing ties
	// the two devices together, so whoever shows the code gets the answer: not
	// for what a stranger must not obtain.
	CrossDevice Flow = "cross_device"
)

// State is how far a transaction is.
type State string

// The states.
const (
	StateWaiting  State = "waiting"
	StateVerified State = "verified"
	StateRefused  State = "refused"
	StateExpired  State = "expired"
	// StateDelivered: the result was handed out and is gone.
	StateDelivered State = "delivered"
)

// pointer leads to a transaction.
type pointer struct {
	Transaction string
}

// transaction is what is kept of one. All of it is sealed in the session store.
type transaction struct {
	State       State
	Flow        Flow
	Query       json.RawMessage
	RedirectURI string
	// Browser is set if the transaction belongs to a browser and not to the
	// relying party's program.
	Browser bool
	// Party is the identifier of the relying party, empty for the one that is
	// known by the API token, and Slot its place among the party's.
	Party, Slot string
	RequestID   string
	ResponseID  string
	ClientID    string
	// Signer is the hash of the certificate that the transaction began with, in
	// the form of a client identifier, if that is not the client identifier.
	Signer string
	// Mode is DirectPostJWT if empty.
	Mode openid4vp.ResponseMode
	// TransactionData is encoded as it stands in the request.
	TransactionData []string
	Nonce           string
	// ResponseState is the parameter state.
	ResponseState string
	// Key is the private key for this one response, nil if it is not encrypted;
	// gone once answered.
	Key     []byte
	Expires time.Time

	// Acknowledge keeps the result until it is acknowledged.
	Acknowledge bool
	// Message names what the party is told at the end, empty if nothing.
	Message string

	// Code is the response code. It and what follows are set by the answer.
	Code        string
	ResultUntil time.Time
	Credentials []Credential
	Refusal     *Refusal
}

// StartRequest is what a relying party asks for.
type StartRequest struct {
	// DCQL is the query in JSON, and Preset the name of one. One of them is set.
	DCQL   json.RawMessage
	Preset string
	// RedirectURI is where the browser shall come back to, with the response
	// code in the parameter response_code. Needed for SameDevice; an https URL.
	RedirectURI string
	Flow        Flow
	// TransactionData are JSON objects with type, credential_ids and what the
	// type needs, which the person is to authorize (OpenID4VP 1.0 section 8.4).
	// They go to the wallet byte for byte.
	TransactionData []json.RawMessage
	// Acknowledge keeps the result readable until the transaction is cancelled,
	// which acknowledges it, or its time is over.
	Acknowledge bool
}

// Transaction is a request that waits for a wallet.
type Transaction struct {
	// ID names the transaction to the relying party. It is a secret.
	ID string
	// Link leads the wallet to the request: for a link on the same device, or a
	// QR code. RequestURI is where the wallet gets the request object; it is
	// empty if the link carries the whole request.
	Link, RequestURI string
	// Expires is when a wallet can't answer any more.
	Expires time.Time
}

// Start begins a transaction for the program of the relying party that has no
// limits. Errors are [*Error].
func (v *Verifier) Start(ctx context.Context, r StartRequest) (*Transaction, error) {
	return v.startFor(ctx, &Party{}, r)
}

// startFor begins a transaction for the program of a relying party.
func (v *Verifier) startFor(ctx context.Context, p *Party, r StartRequest) (*Transaction, error) {
	if r.Flow != SameDevice && r.Flow != CrossDevice {
		return nil, refuse(CodeInvalidRequest, "flow must be same_device or cross_device", nil)
	}
	if r.RedirectURI != "" && !validRedirect(r.RedirectURI) {
		return nil, refuse(CodeInvalidRedirectURI, "redirect_uri must be an https URL without userinfo and fragment", nil)
	}
	if r.RedirectURI == "" && r.Flow == SameDevice {
		return nil, refuse(CodeInvalidRedirectURI, "redirect_uri is needed on the same device", nil)
	}
	if (r.Preset == "") == (r.DCQL == nil) {
		return nil, refuse(CodeInvalidRequest, "either dcql_query or preset is needed", nil)
	}
	if r.Preset != "" {
		preset, ok := v.presented[r.Preset]
		if !ok {
			return nil, refuse(CodeUnknownPreset, "there is no such preset", nil)
		}
		r.DCQL = preset.Query
	}
	return v.start(ctx, p, r, false)
}

func (v *Verifier) start(ctx context.Context, p *Party, r StartRequest, browser bool) (*Transaction, error) {
	query, err := v.checkQuery(r.DCQL)
	if err != nil {
		return nil, err
	}
	data, err := v.checkTransactionData(query, r.TransactionData)
	if err != nil {
		return nil, err
	}
	if err := p.checkRequest(r, query); err != nil {
		return nil, err
	}
	slot, err := v.openSlot(ctx, p)
	if err != nil {
		return nil, err
	}
	id := newSecret()
	t := transaction{
		State: StateWaiting, Flow: r.Flow, Query: query, RedirectURI: r.RedirectURI, Browser: browser, Party: p.ID, Slot: slot, Acknowledge: r.Acknowledge,
		RequestID: newSecret(), ResponseID: newSecret(), Mode: v.cfg.Request.mode(), TransactionData: data,
		Nonce: newSecret(), ResponseState: newSecret(),
		Expires: v.cfg.Now().Add(v.cfg.Lifetimes.Request).Truncate(time.Second),
	}
	if p.Webhook != "" {
		t.Message = newSecret()
	}
	if t.mode().Encrypted() {
		if t.Key, err = newKey(); err != nil {
			return nil, refuse(CodeServerError, "", err)
		}
	}
	if err := v.identify(&t); err != nil {
		return nil, refuse(CodeUnavailable, "try again later", err)
	}
	link, err := v.link(&t)
	if err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	// The transaction comes last: what leads to nothing is merely not found.
	err = errors.Join(
		v.requests.Put(ctx, t.RequestID, pointer{id}),
		v.responses.Put(ctx, t.ResponseID, pointer{id}),
	)
	if err == nil {
		err = v.transactions.Put(ctx, id, t)
	}
	if err == nil {
		if err = v.watch(ctx, id, &t); err != nil {
			_ = v.cancelFor(ctx, p, id) // nobody knows of it
		}
	}
	if err != nil {
		return nil, refuse(CodeUnavailable, "try again later", err)
	}
	started := &Transaction{ID: id, Link: link, Expires: t.Expires}
	if t.signed() {
		started.RequestURI = v.requestURI(&t)
	}
	return started, nil
}

// newKey returns a private key for one response.
func newKey() ([]byte, error) {
	key, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	return key.Bytes()
}

// Cancel ends a transaction of the program of the relying party that has no
// limits, and forgets its result.
func (v *Verifier) Cancel(ctx context.Context, id string) error {
	return v.cancelFor(ctx, &Party{}, id)
}

func (v *Verifier) cancelFor(ctx context.Context, p *Party, id string) error {
	_, _, err := v.ofParty(ctx, p, id)
	var t transaction
	if err == nil {
		t, err = v.transactions.Take(ctx, id)
	}
	if err != nil {
		return stored(err, CodeNotFound, unknownTransaction)
	}
	if t.State == StateWaiting {
		v.closeSlot(ctx, &t)
	}
	v.forget(ctx, &t)
	return nil
}

// ofParty returns a transaction if it is that of a program of the party. All
// others are session.ErrNotFound.
func (v *Verifier) ofParty(ctx context.Context, p *Party, id string) (*transaction, session.Version, error) {
	t, version, err := v.transactions.Get(ctx, id)
	if err == nil && (t.Browser || t.Party != p.ID) {
		err = session.ErrNotFound
	}
	return &t, version, err
}

const unknownTransaction = "there is no such transaction"

func (v *Verifier) requestURI(t *transaction) string {
	return v.cfg.BaseURL + "/requests/" + t.RequestID
}

func (v *Verifier) responseURI(t *transaction) string {
	return v.cfg.BaseURL + "/responses/" + t.ResponseID
}

func (t *transaction) mode() openid4vp.ResponseMode {
	if t.Mode == "" {
		return openid4vp.DirectPostJWT
	}
	return t.Mode
}

// waiting follows a pointer to a transaction that can still be answered. All
// other cases are session.ErrNotFound.
func (v *Verifier) waiting(ctx context.Context, from *session.Objects[pointer], secret string) (string, *transaction, session.Version, error) {
	p, _, err := from.Get(ctx, secret)
	if err != nil {
		return "", nil, session.Version{}, err
	}
	t, version, err := v.transactions.Get(ctx, p.Transaction)
	if err == nil && (t.State != StateWaiting || !v.cfg.Now().Before(t.Expires)) {
		err = session.ErrNotFound
	}
	return p.Transaction, &t, version, err
}

// trusts returns session.ErrNotFound if the session store has lost data since
// the transaction began: it may have been answered or delivered before, and be
// back from an older state of the store. It is asked after the change that it
// is to vouch for.
func (v *Verifier) trusts(ctx context.Context, t *transaction) error {
	began := t.Expires.Add(-v.cfg.Lifetimes.Request)
	trusted, err := v.cfg.Sessions.Trusts(ctx, began)
	if err == nil && !trusted {
		err = session.ErrNotFound
	}
	return err
}

// privateKey returns the key that the response is encrypted to. Both are nil if
// it is not encrypted.
func (t *transaction) privateKey() (*ecdh.PrivateKey, *jose.JWK, error) {
	if !t.mode().Encrypted() {
		return nil, nil, nil
	}
	private, err := ecdh.P256().NewPrivateKey(t.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("encryption key of the transaction: %w", err)
	}
	// Both packages hold the same point; this one is for the JWK.
	point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), private.PublicKey().Bytes())
	if err != nil {
		return nil, nil, fmt.Errorf("encryption key of the transaction: %w", err)
	}
	public, err := jose.NewJWK(point)
	if err != nil {
		return nil, nil, err
	}
	public.Kid = jose.EncodeBase64(public.Thumbprint())
	return private, public, nil
}

// binding returns what presentations must be bound to. It comes from our own
// session alone.
func (v *Verifier) binding(t *transaction, key *jose.JWK) credentials.Binding {
	b := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: t.Nonce, ClientID: t.ClientID, ResponseURI: v.responseURI(t),
	}
	if key != nil {
		b.EncryptionKeyThumbprint = key.Thumbprint()
	}
	return b
}

const maxRedirectURI = 2048

func validRedirect(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxRedirectURI && u.Scheme == "https" && u.Host != "" && u.User == nil &&
		u.Fragment == "" && !u.ForceQuery && !u.Query().Has(responseCode)
}

const responseCode = "response_code"

// withCode appends the response code to a URL.
func withCode(target, code string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target // validated before
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += responseCode + "=" + url.QueryEscape(code)
	return u.String()
}
