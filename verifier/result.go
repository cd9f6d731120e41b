package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/session"
)

// Result is what a relying party gets to know of a transaction.
type Result struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// Expires is until when a wallet can answer, or the result be fetched.
	Expires time.Time `json:"expires_at"`
	// Credentials is set in StateVerified, Refusal in StateRefused.
	Credentials []Credential `json:"credentials,omitempty"`
	Refusal     *Refusal     `json:"refusal,omitempty"`
	// Encrypted takes the place of Credentials if the relying party has a key
	// for that: a compact JWE of this object as it would be without.
	Encrypted string `json:"encrypted,omitempty"`
}

// Credential is an accepted presentation.
type Credential struct {
	QueryID string             `json:"query_id"`
	Format  credentials.Format `json:"format"`
	// Type is the vct or the doctype.
	Type string `json:"type"`
	// Claims is a JSON object with what was asked for and nothing else. For an
	// mdoc its first level is the namespace.
	Claims json.RawMessage `json:"claims"`
	Issuer Issuer          `json:"issuer"`
	// The times are nil where the credential does not say, and where the query
	// asks about an age and for no date of birth.
	SignedAt   *time.Time `json:"signed_at,omitempty"`
	ValidFrom  *time.Time `json:"valid_from,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	// Status is nil for a credential that can't be revoked.
	Status *Status `json:"status,omitempty"`
	// Checks lists what was looked at, in order.
	Checks []Check `json:"checks"`
}

// Statement says what is known about the legal entity behind a signature.
type Statement string

// The statements.
const (
	// StatementNone: the certificate names no legal entity in a known form.
	StatementNone Statement = "names no legal entity"
	// StatementNames: the certificate names it.
	StatementNames Statement = "names legal entity"
	// StatementCertified: a list of trusted entities says moreover that its
	// seals are certified.
	StatementCertified Statement = "certified e-seal"
)

// Issuer says who signed a credential.
type Issuer struct {
	// Identifier is the iss claim, if there is one.
	Identifier  string       `json:"identifier,omitempty"`
	LegalEntity *LegalEntity `json:"legal_entity,omitempty"`
	Statement   Statement    `json:"statement"`
	// Jurisdiction is that of the trust anchor.
	Jurisdiction string `json:"jurisdiction"`
	// Chain runs from the signer to the trust anchor.
	Chain []Certificate `json:"chain"`
}

// LegalEntity is an organisation.
type LegalEntity struct {
	Name string `json:"name"`
	// OrganizationIdentifier is NTRJP- with the corporate number, or LEIXG-
	// with the LEI.
	OrganizationIdentifier string `json:"organization_identifier"`
	Country                string `json:"country"`
}

// Certificate names a certificate.
type Certificate struct {
	Subject string `json:"subject"`
	// SHA256 is the fingerprint in hexadecimal.
	SHA256 string `json:"sha256"`
}

// Result returns the state of a transaction of the program of the relying party
// that has no limits.
// What was presented is handed out once and forgotten with that, or when it is
// acknowledged.
//
// On the same device the response code that arrived at the redirect URI is
// needed; until then an accepted presentation looks like none, since whoever
// answered may not be whom the relying party is talking to. A browser of
// another device can't bring it back to where the transaction began, so that
// across devices it is not needed (HAIP 1.0 section 5.1). Errors are [*Error].
func (v *Verifier) Result(ctx context.Context, id, code string) (*Result, error) {
	return v.resultFor(ctx, &Party{}, id, code)
}

func (v *Verifier) resultFor(ctx context.Context, p *Party, id, code string) (*Result, error) {
	t, version, err := v.ofParty(ctx, p, id)
	if err != nil {
		return nil, stored(err, CodeNotFound, unknownTransaction)
	}
	r, err := v.release(ctx, id, t, version, code, t.Flow == SameDevice)
	if err != nil || p.EncryptionKey == nil || r.Credentials == nil {
		return r, err
	}
	if r.Encrypted, err = p.encrypt(r); err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	r.Credentials = nil
	return r, nil
}

const wrongCode = "the response code is wrong or was used"

// release makes the result of a transaction as it is now, and hands out what
// was presented if the code allows it.
func (v *Verifier) release(ctx context.Context, id string, t *transaction, version session.Version, code string, needsCode bool) (*Result, error) {
	answered := t.State == StateVerified || t.State == StateRefused
	if code != "" && (!answered || !sameSecret(code, t.Code)) {
		return nil, refuse(CodeInvalidResponseCode, wrongCode, nil)
	}
	r := v.peek(id, t, needsCode && code == "")
	if r.State != StateVerified {
		return r, nil
	}
	err := v.deliver(ctx, id, t, version)
	if errors.Is(err, session.ErrConflict) {
		if code != "" {
			return nil, refuse(CodeInvalidResponseCode, wrongCode, nil)
		}
		return &Result{ID: id, State: StateDelivered, Expires: r.Expires}, nil
	}
	if err == nil {
		err = v.trusts(ctx, t)
	}
	if err != nil {
		return nil, stored(err, CodeNotFound, unknownTransaction)
	}
	// A result that stays can be read again, and nothing else shows that it was.
	if err := v.announce(ctx, t, StateVerified); err != nil && t.Acknowledge {
		return nil, refuse(CodeUnavailable, "try again later", err)
	}
	r.Credentials = t.Credentials
	return r, nil
}

// deliver takes the result out of the transaction, unless it stays until it is
// acknowledged.
func (v *Verifier) deliver(ctx context.Context, id string, t *transaction, version session.Version) error {
	if t.Acknowledge {
		return nil
	}
	next := *t
	next.State, next.Credentials, next.Code = StateDelivered, nil, ""
	return v.transactions.Swap(ctx, id, version, next)
}

// peek makes the result without the credentials. withheld hides that there was
// an accepted presentation.
func (v *Verifier) peek(id string, t *transaction, withheld bool) *Result {
	now := v.cfg.Now()
	r := &Result{ID: id, State: t.State, Expires: t.Expires}
	if t.State == StateVerified && withheld {
		r.State = StateWaiting
	} else if t.State != StateWaiting {
		r.Expires = t.ResultUntil
	}
	if !now.Before(r.Expires) && r.State != StateDelivered {
		r.State = StateExpired
	}
	if r.State == StateRefused {
		r.Refusal = t.Refusal
	}
	return r
}
