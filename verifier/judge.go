package verifier

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
)

// judge decides on a VP token in the order of OpenID4VP 1.0 section 8.6: every
// presentation by itself, then the query, then status lists, so that nobody is
// asked about a credential that fails anyway. One presentation that fails
// refuses the response as a whole: a wallet that sends one along with good ones
// is not to be relied upon. cause is for the log.
func (v *Verifier) judge(ctx context.Context, t *transaction, token map[string][]string, b credentials.Binding) (accepted []Credential, refusal *Refusal, cause error) {
	q, err := dcql.Parse(t.Query)
	if err != nil {
		return nil, &Refusal{Reason: ReasonQuery, Detail: "the query can't be read again"}, err
	}
	ids := slices.Sorted(maps.Keys(token))
	for _, id := range ids {
		c := q.Credential(id)
		if c == nil {
			return nil, mismatch(&dcql.CheckError{Reason: dcql.ReasonUnknownQuery}), nil
		}
		if len(token[id]) > 1 && !c.Multiple {
			return nil, mismatch(&dcql.CheckError{QueryID: id, Reason: dcql.ReasonCount}), nil
		}
	}
	data, err := openid4vp.ParseTransactionData(t.TransactionData, q)
	if err != nil {
		return nil, &Refusal{Reason: ReasonQuery, Detail: "the transaction data can't be read again"}, err
	}
	presented := map[string][]*credentials.Verified{}
	for _, id := range ids {
		b.HolderUnproven = !q.Credential(id).HolderBindingRequired()
		b.TransactionData = openid4vp.TransactionDataFor(data, id)
		// The configuration may have changed since the request was made.
		format, ok := v.cfg.Formats[q.Credential(id).Format]
		if !ok {
			return nil, mismatch(&dcql.CheckError{QueryID: id, Reason: dcql.ReasonUnknownQuery}), nil
		}
		for _, raw := range token[id] {
			verified, err := format.Verifier.Verify(ctx, raw, b)
			if err != nil {
				return nil, refused(id, err).after(nil), err
			}
			presented[id] = append(presented[id], verified)
		}
	}
	if err := q.Check(presented); err != nil {
		r := mismatch(err)
		return nil, r.after(foundIn(presented[r.QueryID])), err
	}
	if !authorizes(t, presented) {
		return nil, (&Refusal{Reason: ReasonTransactionData, Detail: "transaction data of the request was not authorized"}).after(nil), nil
	}
	if differentSubjects(presented) {
		return nil, (&Refusal{Reason: ReasonDifferentSubjects, Detail: "the credentials are of different persons"}).after(nil), nil
	}
	for _, id := range ids {
		for _, verified := range presented[id] {
			credential, refusal, cause := v.accept(ctx, q.Credential(id), verified)
			if refusal != nil {
				refusal.QueryID = id
				return nil, refusal, cause
			}
			accepted = append(accepted, *credential)
		}
	}
	return accepted, nil, nil
}

// foundIn lists the checks of the only presentation, if there is only one.
func foundIn(presented []*credentials.Verified) []Check {
	if len(presented) != 1 {
		return nil
	}
	return passed(presented[0].Checks)
}

// accept adds to a verified presentation that matches its query what only the
// verifier's own policy knows, and leaves out what was not asked for.
func (v *Verifier) accept(ctx context.Context, c *dcql.CredentialQuery, verified *credentials.Verified) (*Credential, *Refusal, error) {
	checks := passed(verified.Checks)
	anchor, ok := v.anchor(verified)
	if !ok {
		return nil, (&Refusal{Reason: ReasonIssuerUntrusted, Detail: "the trust anchor may not vouch for this type"}).after(checks), nil
	}
	note := func(name, detail string) {
		checks = append(checks, Check{Name: name, Outcome: OutcomePassed, Detail: detail})
	}
	note("trust_anchor", "the anchor may vouch for credentials of this format and type")
	note("query", "what was asked for was presented")
	if n := len(verified.Authorized); n > 0 {
		note("transaction_data", fmt.Sprintf("the holder authorized %d elements", n))
	}
	found, check, refusal, cause := v.checkStatus(ctx, verified, anchor)
	if refusal != nil {
		return nil, refusal.after(checks), cause
	}
	checks = append(checks, check)
	kept, extra := c.FilterClaims(verified)
	if len(extra) > 0 {
		note("claims_dropped", fmt.Sprintf("%d claims that were not asked for were dropped unread", len(extra)))
	}
	kept, removed := withoutIndividualNumbers(kept)
	if removed {
		note("individual_number", "text that reads as an Individual Number was blotted out")
	}
	claims, err := json.Marshal(kept.JSON())
	if err != nil {
		return nil, &Refusal{Reason: ReasonCredential, Detail: "the claims have no JSON form"}, err
	}
	credential := &Credential{
		QueryID: c.ID, Format: verified.Format, Type: verified.Type, Claims: claims,
		Issuer: issuerOf(verified, anchor), Status: found,
		SignedAt: moment(verified.SignedAt), ValidFrom: moment(verified.ValidFrom), ValidUntil: moment(verified.ValidUntil),
	}
	if onlyAge(c) {
		credential.SignedAt, credential.ValidFrom, credential.ValidUntil = nil, nil, nil
		note("validity_withheld", "an age was asked for and no date of birth, which the dates of some documents give away")
	}
	credential.Checks = checks
	return credential, nil, nil
}

// onlyAge reports whether a query asks about an age and for no date of birth.
// Documents that end on a birthday would then say more than was asked for.
func onlyAge(c *dcql.CredentialQuery) bool {
	age := false
	for _, claim := range c.Claims {
		for _, e := range claim.Path {
			name, _ := e.Name()
			if slices.Contains(birthDateNames, name) {
				return false
			}
			age = age || strings.HasPrefix(name, "age_")
		}
	}
	return age
}

// anchor returns the configured anchor in which the chain ends, if it may vouch
// for the credential.
func (v *Verifier) anchor(verified *credentials.Verified) (trust.Anchor, bool) {
	if len(verified.Chain) == 0 {
		return trust.Anchor{}, false
	}
	last := verified.Chain[len(verified.Chain)-1]
	for _, a := range v.cfg.Formats[verified.Format].Anchors {
		if a.Certificate.Equal(last) {
			return a, a.Allows(verified.Format, verified.Type)
		}
	}
	return trust.Anchor{}, false
}

// issuerOf says who signed, in words that claim no more than is known.
func issuerOf(verified *credentials.Verified, anchor trust.Anchor) Issuer {
	chain := trust.Chain{Certificates: verified.Chain, Anchor: anchor}
	issuer := Issuer{Identifier: verified.Issuer, Jurisdiction: anchor.Jurisdiction, Statement: StatementNone}
	if entity, ok := chain.LegalEntity(); ok {
		issuer.LegalEntity = &LegalEntity{
			Name: entity.Name, OrganizationIdentifier: entity.OrganizationIdentifier, Country: entity.Country,
		}
		issuer.Statement = StatementNames
		if entity.Certified {
			issuer.Statement = StatementCertified
		}
	}
	for _, cert := range verified.Chain {
		issuer.Chain = append(issuer.Chain, certificateOf(cert))
	}
	return issuer
}

func certificateOf(cert *x509.Certificate) Certificate {
	sum := sha256.Sum256(cert.Raw)
	return Certificate{Subject: subjectOf(cert), SHA256: hex.EncodeToString(sum[:])}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
