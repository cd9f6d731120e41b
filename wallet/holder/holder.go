// Package holder is a complete wallet as a library: it takes credential offers
// (OpenID4VCI 1.0) and answers presentation requests (OpenID4VP 1.0) as HAIP
// 1.0 profiles both. The demonstration, the end-to-end tests and the
// conformance tests drive it; an app could.
//
// [Wallet.AcceptOffer] walks from an offer to stored credentials, and
// [Wallet.Present] from a verifier's link to its redirect_uri. What a person
// does lies behind two interfaces that the caller supplies: [UserAgent] is the
// browser in which they log in at the issuer, [Consent] the page on which they
// approve a presentation.
//
// The wallet trusts nobody by default. Offers and links only say where to
// start; credentials are stored only if their issuer's chain satisfies
// [Wallet.IssuerTrust] and they are bound to the keys made for them, and
// requests are answered only if the verifier's chain satisfies
// [Wallet.VerifierTrust].
package holder

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/fetch"
)

// HTTP makes requests. [fetch.Client] is one. Implementations speak https only,
// never follow redirects, and return a *[fetch.StatusError] for a status
// outside the 200s.
type HTTP interface {
	// Get fetches a URL; an answer of none of the media types is an error.
	Get(ctx context.Context, url string, accept ...string) (*fetch.Response, error)
	// Post sends a body. The headers may be nil.
	Post(ctx context.Context, url, contentType string, body []byte, headers http.Header) (*fetch.Response, error)
}

// UserAgent is the browser of the person.
type UserAgent interface {
	// Authorize opens the authorization URL and returns the full URL under
	// redirectURI that the browser was sent back to. It is called once for an
	// offer.
	Authorize(ctx context.Context, authorizationURL, redirectURI string) (callbackURL string, err error)
}

// TxCodeReader is implemented by a [UserAgent] that can ask the person for the
// transaction code of a pre-authorized offer.
type TxCodeReader interface {
	TxCode(ctx context.Context, description openid4vci.TxCode) (string, error)
}

// Attester gets attestations from a wallet provider. [Provider] is one.
type Attester interface {
	// ClientAttestation returns the client attestation to use with one
	// authorization server, and with it nowhere else, and the instance key
	// that it names.
	ClientAttestation(ctx context.Context, authorizationServer string) (attestation string, instance crypto.Signer, err error)
	// KeyAttestation returns an attestation of the keys for an issuer that
	// trusts the authorization server, with the issuer's nonce, which may be
	// empty.
	KeyAttestation(ctx context.Context, authorizationServer string, keys []crypto.PublicKey, nonce string) (string, error)
}

// Wallet is one wallet of one person. All fields but those that say otherwise
// are mandatory and must not change once in use. It is safe for concurrent
// use.
type Wallet struct {
	HTTP     HTTP
	Attester Attester
	Vault    Vault
	// IssuerTrust says by format whose credentials are stored. A format that
	// is missing is not accepted.
	IssuerTrust map[credentials.Format]*trust.Policy
	// MetadataTrust says who may sign issuer metadata; its profile is usually
	// [trust.ProfileVerifierAccess]. With it the wallet asks for signed metadata
	// and uses no other, see UnsignedMetadata; if it is nil, metadata counts as what it is: the word
	// of whoever has the issuer's server certificate.
	MetadataTrust *trust.Policy
	// UnsignedMetadata also takes metadata that an issuer has not signed, though the
	// wallet asks for signed metadata; [Offer.Signer] says which it was.
	UnsignedMetadata bool
	// VerifierTrust says whose requests are answered. Its profile is usually
	// [trust.ProfileVerifierAccess].
	VerifierTrust *trust.Policy
	// NewKey makes a P-256 key for a credential to be bound to. If it is nil,
	// keys are made in memory; a vault that keeps its keys to itself has a
	// method for it.
	NewKey func(ctx context.Context) (crypto.Signer, error)
	// AcceptUnsigned answers requests that are not signed, of verifiers that say
	// nothing but where the answer goes (client identifier prefix redirect_uri).
	// Consent then sees no chain.
	AcceptUnsigned bool
	// EncryptedOnly refuses requests whose answer would not be encrypted, as HAIP
	// 1.0 and the EU's Architecture and Reference Framework demand.
	EncryptedOnly bool
	// RegistrationTrust says whose registration certificates count; its profile is
	// usually [registration.SignerProfile]. With it, consent says what verifiers are
	// registered for. What they are not is for the person to decide.
	RegistrationTrust *trust.Policy
	// TransactionData decides whether an element of transaction data is of a type
	// that the wallet knows, and in order. If it is nil, requests with transaction
	// data are refused.
	TransactionData func(openid4vp.TransactionData) error
	// RedirectURI is where authorization responses come back.
	RedirectURI string
	// Return sends the refresh token of what the wallet holds from a server along
	// when it asks that server again, so that an issuer of Tegata can offer the
	// person to log in with their authentication certificate. Other servers ignore
	// it.
	Return bool
	// BatchSize is how many copies of a credential the wallet wants, so that
	// each is shown once. It gets fewer if the issuer allows fewer. Zero means
	// one.
	BatchSize int
	// Wait pauses between attempts to get a deferred credential. If it is nil,
	// AcceptOffer returns [ErrDeferred] instead.
	Wait func(ctx context.Context, d time.Duration) error
	// Status looks up what the wallet holds, in [Wallet.Upkeep] alone. If it is nil,
	// nothing is looked up.
	Status StatusChecker
	// OnStep, if not nil, is told of every exchange with another party, after
	// it, from whatever goroutine made it.
	OnStep func(Step)
	// Now is the clock.
	Now func() time.Time

	upkeep sync.Mutex
}

// Sleep pauses for a time or until the context ends. It fits [Wallet.Wait].
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (w *Wallet) newKey(ctx context.Context) (crypto.Signer, error) {
	if w.NewKey == nil {
		return keys.GenerateP256()
	}
	return w.NewKey(ctx)
}

// Errors of a [Wallet], for errors.Is. What another party said in an error
// response is an *[openid4vci.Error].
var (
	// ErrCallback says that the authorization response is not one to this
	// request: state, iss or the address are wrong.
	ErrCallback = errors.New("the authorization response does not belong to the request")
	// ErrCredential says that the issuer's answer is not what was asked for,
	// so that nothing of it was stored.
	ErrCredential = errors.New("the credential is not acceptable")
	// ErrDeferred says that the issuer will issue later and the wallet was
	// made not to wait.
	ErrDeferred = errors.New("the issuer defers the credential")
	// ErrNoMatch says that the wallet holds nothing that satisfies a request,
	// and ErrDeclined that the person did not agree. To the verifier both look
	// the same.
	ErrNoMatch  = errors.New("no credential satisfies the request")
	ErrDeclined = errors.New("the person did not agree")
)
