package holder

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
)

// Consent asks the person. It is called once for a request that the wallet can
// satisfy, and not at all otherwise.
type Consent func(ctx context.Context, ask Ask) Decision

// Ask is what the person is asked to approve.
type Ask struct {
	// ClientID names the verifier as the protocol does, Chain proves it;
	// Origin is set over the Digital Credentials API. An unsigned request has
	// an origin only.
	ClientID, Origin string
	Chain            *trust.Chain
	// Registration says what the verifier is registered for, nil if the wallet
	// knows no registrars.
	Registration *Registration
	// Items are the presentations, in the order of the query.
	Items []Item
	// TransactionData is what the person is to authorize besides.
	TransactionData []openid4vp.TransactionData
}

// LegalEntity returns the legal entity that the verifier's certificate names.
func (a Ask) LegalEntity() (trust.LegalEntity, bool) {
	if a.Chain == nil {
		return trust.LegalEntity{}, false
	}
	return a.Chain.LegalEntity()
}

// Item is one presentation.
type Item struct {
	// QueryID names the credential query.
	QueryID string
	// Credential is a copy of one of the batch, without its key. If it is
	// [Held.Revoked], the person should know.
	Credential *Held
	// Paths are the claims to be disclosed. What is not selectively
	// disclosable is seen by the verifier in any case.
	Paths []credentials.Path
	// Retained holds those of Paths that the verifier says it intends to keep.
	Retained []credentials.Path
	// Unregistered holds those that the verifier is not registered to ask for, and
	// Biometric portraits and the like, which can't be changed once they are out.
	Unregistered, Biometric []credentials.Path
	// Optional says that the request is satisfied without this item.
	Optional bool
}

// Decision is the person's answer. The zero value is no.
type Decision struct {
	Allow bool
	// WithoutOptional leaves out the items that are optional.
	WithoutOptional bool
}

// Approve returns a consent that always agrees, for tests and demonstrations.
func Approve() Consent {
	return func(context.Context, Ask) Decision { return Decision{Allow: true} }
}

// chosen is what the person agreed to.
type chosen struct {
	selection dcql.Selection
	batch     string
	// kind is the type of the credential.
	kind string
}

// choose finds what satisfies the request and asks the person. Candidates are
// batches, newest first, but what is known to be revoked last, so that it is shown
// only if there is nothing else and the person wants to; which copy is shown is
// decided after consent.
func (w *Wallet) choose(ctx context.Context, r *openid4vp.Request, consent Consent) ([]chosen, error) {
	held, err := w.Vault.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	slices.Reverse(held)
	slices.SortStableFunc(held, func(a, b *Held) int { return order(a.Revoked()) - order(b.Revoked()) })
	now := w.Now()
	byBatch := map[string]*Held{}
	var candidates []dcql.Candidate
	for _, h := range held {
		if byBatch[h.Batch] != nil || !h.ValidAt(now) {
			continue
		}
		byBatch[h.Batch] = h
		candidates = append(candidates, dcql.Candidate{
			Handle: h.Batch, Format: h.Format, Type: h.Type, Claims: h.Claims,
			Chain: withoutAnchor(h.Chain), Unbound: h.Key == nil,
		})
	}
	selections, err := r.Query.Select(candidates)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMatch, err)
	}
	registration, covered := w.registrationOf(ctx, r)
	ask := Ask{
		ClientID: r.ClientID.String(), Origin: r.Origin, Chain: r.Chain, TransactionData: r.TransactionData, Registration: registration,
	}
	for _, s := range selections {
		batch, _ := s.Handle.(string)
		shown := byBatch[batch].copy()
		shown.Key = nil
		item := Item{
			QueryID: s.QueryID, Credential: shown, Paths: s.Paths, Optional: s.Optional,
			Retained: retained(r.Query.Credential(s.QueryID), s.Paths),
		}
		item.judge(registration, covered)
		ask.Items = append(ask.Items, item)
	}
	done := w.stepper().begin("consent", PartyWallet, PartyPerson)
	decision := consent(ctx, ask)
	if !decision.Allow {
		done("declined")
		return nil, ErrDeclined
	}
	done("approved")
	return keep(selections, byBatch, decision)
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

func keep(selections []dcql.Selection, byBatch map[string]*Held, decision Decision) ([]chosen, error) {
	var out []chosen
	for _, s := range selections {
		if s.Optional && decision.WithoutOptional {
			continue
		}
		batch, _ := s.Handle.(string)
		out = append(out, chosen{s, batch, byBatch[batch].Type})
	}
	if len(out) == 0 {
		return nil, ErrDeclined // everything was optional
	}
	return out, nil
}

// withoutAnchor returns what the credential itself carries.
func withoutAnchor(chain []*x509.Certificate) []*x509.Certificate {
	if len(chain) == 0 {
		return nil
	}
	return chain[:len(chain)-1]
}

func retained(q *dcql.CredentialQuery, paths []credentials.Path) []credentials.Path {
	var out []credentials.Path
	for _, p := range paths {
		if slices.ContainsFunc(q.Claims, func(c dcql.ClaimsQuery) bool {
			return c.IntentToRetain != nil && *c.IntentToRetain && c.Path.Covers(p)
		}) {
			out = append(out, p)
		}
	}
	return out
}
