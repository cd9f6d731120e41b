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
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/status"
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
	presented := map[string][]*credentials.Verified{}
	for _, id := range ids {
		// The configuration may have changed since the request was made.
		format, ok := v.cfg.Formats[q.Credential(id).Format]
		if !ok {
			return nil, mismatch(&dcql.CheckError{QueryID: id, Reason: dcql.ReasonUnknownQuery}), nil
		}
		for _, raw := range token[id] {
			verified, err := format.Verifier.Verify(ctx, raw, b)
			if err != nil {
				return nil, refused(id, err), err
			}
			presented[id] = append(presented[id], verified)
		}
	}
	if err := q.Check(presented); err != nil {
		return nil, mismatch(err), err
	}
	if differentSubjects(presented) {
		return nil, &Refusal{Reason: ReasonDifferentSubjects, Detail: "the credentials are of different persons"}, nil
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

// accept adds to a verified presentation that matches its query what only the
// verifier's own policy knows, and leaves out what was not asked for.
func (v *Verifier) accept(ctx context.Context, c *dcql.CredentialQuery, verified *credentials.Verified) (*Credential, *Refusal, error) {
	anchor, ok := v.anchor(verified)
	if !ok {
		return nil, &Refusal{Reason: ReasonIssuerUntrusted, Detail: "the trust anchor may not vouch for this type"}, nil
	}
	checks := append(slices.Clone(verified.Checks), credentials.Check{
		Name: "trust_anchor", Detail: "the anchor may vouch for credentials of this format and type",
	}, credentials.Check{Name: "query", Detail: "what was asked for was presented"})
	found, check, refusal, cause := v.checkStatus(ctx, verified, anchor)
	if refusal != nil {
		return nil, refusal, cause
	}
	checks = append(checks, check)
	kept, extra := c.FilterClaims(verified)
	if len(extra) > 0 {
		checks = append(checks, credentials.Check{Name: "claims_dropped", Detail: fmt.Sprintf("%d claims that were not asked for were dropped unread", len(extra))})
	}
	kept, removed := withoutIndividualNumbers(kept)
	if removed {
		checks = append(checks, credentials.Check{Name: "individual_number", Detail: "text that reads as an Individual Number was blotted out"})
	}
	claims, err := json.Marshal(kept.JSON())
	if err != nil {
		return nil, &Refusal{Reason: ReasonCredential, Detail: "the claims have no JSON form"}, err
	}
	return &Credential{
		QueryID: c.ID, Format: verified.Format, Type: verified.Type, Claims: claims,
		Issuer:   issuerOf(verified, anchor),
		SignedAt: moment(verified.SignedAt), ValidFrom: moment(verified.ValidFrom), ValidUntil: moment(verified.ValidUntil),
		Status: found, Checks: checks,
	}, nil, nil
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

// checkStatus fails closed: a status that can't be established is a refusal.
// The anchor is the credential's own.
func (v *Verifier) checkStatus(ctx context.Context, verified *credentials.Verified, anchor trust.Anchor) (*Status, credentials.Check, *Refusal, error) {
	if verified.Status == nil {
		check := credentials.Check{Name: "status", Detail: "the credential can't be revoked; only its validity limits it"}
		return nil, check, nil, nil
	}
	result, err := v.cfg.Status.Check(ctx, *verified.Status)
	switch {
	case err != nil:
		return nil, credentials.Check{}, &Refusal{Reason: ReasonStatusUnavailable, Detail: "the status of the credential can't be established"}, err
	case !vouches(result.Chain, anchor, verified):
		return nil, credentials.Check{}, &Refusal{Reason: ReasonStatusUnavailable, Detail: "the status list is signed by an authority that has no say in this credential"}, nil
	case result.Value == status.Suspended:
		return nil, credentials.Check{}, &Refusal{Reason: ReasonSuspended, Detail: "the status list says suspended"}, nil
	case !result.Value.IsValid():
		return nil, credentials.Check{}, &Refusal{Reason: ReasonRevoked, Detail: "the status list says that the credential is not valid"}, nil
	}
	found := &Status{Value: result.Value.String(), ListIssuedAt: result.ListIssuedAt.UTC(), Stale: result.Stale}
	check := credentials.Check{Name: "status", Detail: "the status list says valid"}
	return found, check, nil, nil
}

// vouches reports whether the signer of a status list may speak of a credential
// under the anchor. Trust in an authority is trust in its own jurisdiction:
// another one that gets hold of the list's address must not be able to make
// revoked credentials valid. An authority limited to types may speak of these
// alone, but the types of one format say nothing about another: an IACA
// certifies no signers of status lists, so that those of an authority for
// SD-JWT VCs sign for mdocs, too.
func vouches(signer *trust.Chain, anchor trust.Anchor, verified *credentials.Verified) bool {
	if signer == nil || signer.Anchor.Jurisdiction != anchor.Jurisdiction {
		return false
	}
	formats := signer.Anchor.Formats
	return len(formats) > 0 && !slices.Contains(formats, verified.Format) || signer.Anchor.Allows(verified.Format, verified.Type)
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
