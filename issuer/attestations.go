package issuer

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// attestationBatch is how many attestations on a list are read at once.
const attestationBatch = 1000

// bound is what credentials get bound to, and what they rest on beside the
// evidence.
type bound struct {
	keys []crypto.PublicKey
	// statuses are those of the attestations of the keys.
	statuses []credentials.StatusRef
	// deferred is the ID of what they were deferred under, or empty.
	deferred string
}

// attested returns what the re-check job gets of the attestations that credentials
// of a configuration fall with: that of the wallet instance, and those of its
// keys. Of others nothing is kept.
func (i *Issuer) attested(c *Configuration, access *oauth.Access, keys []credentials.StatusRef) (list []records.Attestation, err error) {
	for _, by := range []struct {
		reason   string
		statuses []credentials.StatusRef
	}{{reasonWallet, access.Statuses}, {reasonKeys, keys}} {
		if !c.Cascade.falls(by.reason) {
			continue
		}
		for _, ref := range by.statuses {
			a, err := i.accepted(by.reason, ref)
			if err != nil {
				return nil, err
			}
			list = append(list, a)
		}
	}
	return list, nil
}

// accepted is what is kept of an attestation. One that stands for wallet and keys
// is two, because a type may fall with one of them.
func (i *Issuer) accepted(reason string, ref credentials.StatusRef) (a records.Attestation, err error) {
	a = records.Attestation{
		Reason:    reason,
		Pseudonym: i.pseudonym("tegata attestation v1\x00", reason, "\x00", strconv.FormatUint(ref.Index, 10), "\x00", ref.URI),
		List: records.AttestationList{
			ID:        i.pseudonym("tegata attestation list v1\x00", ref.URI),
			NextCheck: i.cfg.Now().Add(i.cfg.RecheckInterval),
		},
	}
	if a.SealedIndex, err = i.sealer.Seal(i.cfg.Tenant, a.Pseudonym, ref.Index); err != nil {
		return a, err
	}
	a.List.SealedURI, err = i.sealer.Seal(i.cfg.Tenant, a.List.ID, ref.URI)
	return a, err
}

// stillAWallet refuses wallets that were revoked since the token request.
func (i *Issuer) stillAWallet(ctx context.Context, access *oauth.Access) error {
	return i.stillAttested(ctx, access.Statuses, openid4vci.CodeCredentialRequestDenied)
}

// attestedUntil returns the earliest of the times until which wallet providers keep
// up a status that credentials of the configuration rest on, zero if none says.
func attestedUntil(c *Configuration, access *oauth.Access, keys time.Time) time.Time {
	if !c.Cascade.falls(reasonWallet) {
		return keys
	}
	return earlier(access.StatusesEnd, keys)
}

// earlier returns the earlier of two times of which a zero one says nothing.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// attestationLists are looked up list by list, with all attestations on them.
func (i *Issuer) attestationLists() recheck[records.AttestationList] {
	return recheck[records.AttestationList]{
		name: recheckedAttestation, lookUp: i.recheckList, oldest: i.cfg.Records.OldestListCheck,
		due: i.cfg.Records.ListsToCheck,
		postpone: func(ctx context.Context, l records.AttestationList, next time.Time) error {
			return i.cfg.Records.PostponeList(ctx, i.cfg.Tenant, l.ID, next)
		},
	}
}

// The errors of a status list that tells less than it should.
var (
	errNoProvider = errors.New("no wallet provider is trusted any more")
	errStaleList  = errors.New("the status list of a wallet provider is older than it should be")
)

// recheckList looks up all attestations on a list. It is fetched once: the checker
// keeps it for as long as it allows. What can't be looked up revokes nothing.
func (i *Issuer) recheckList(ctx context.Context, list records.AttestationList) (revoked int, err error) {
	var uri string
	if err := i.sealer.Open(i.cfg.Tenant, list.ID, list.SealedURI, &uri); err != nil {
		return 0, err
	}
	if i.cfg.KeyAttesters == nil {
		return 0, errNoProvider
	}
	var doubt error
	for behind := ""; ; {
		page, err := i.cfg.Records.Attestations(ctx, i.cfg.Tenant, list.ID, behind, attestationBatch)
		if err != nil {
			return 0, err
		}
		gone, doubtful, err := i.revokedOf(ctx, uri, page)
		doubt = errors.Join(err, cmp.Or(doubtful, doubt))
		if err := i.cfg.Records.RevokeByAttestations(ctx, i.cfg.Tenant, gone); err != nil {
			return 0, err
		}
		if err != nil || len(page) < attestationBatch {
			break
		}
		behind = page[len(page)-1].Pseudonym
	}
	// Also what a process has left that was killed.
	if revoked, err = i.cfg.Records.Fall(ctx, i.cfg.Tenant); err != nil {
		return revoked, err
	}
	if doubt != nil {
		return revoked, fmt.Errorf("look up attestations: %w", doubt)
	}
	return revoked, i.cfg.Records.MarkListChecked(ctx, i.cfg.Tenant, list.ID, i.cfg.Now().Add(i.cfg.RecheckInterval))
}

// revokedOf returns the pseudonyms of the attestations that the list says are
// INVALID. doubt is not nil if it could not say of each, or not for now; err, if
// there is no list. A suspended attestation, which may come back, is not revoked.
func (i *Issuer) revokedOf(ctx context.Context, uri string, page []records.Attestation) (gone []string, doubt, err error) {
	for _, a := range page {
		ref := credentials.StatusRef{URI: uri}
		if err := i.sealer.Open(i.cfg.Tenant, a.Pseudonym, a.SealedIndex, &ref.Index); err != nil {
			doubt = err
			continue
		}
		result, err := i.cfg.KeyAttesters.Status.Check(ctx, ref)
		switch {
		case errors.Is(err, status.ErrIndex):
			doubt = err
		case err != nil:
			return gone, doubt, err
		case result.Value == status.Invalid:
			gone = append(gone, a.Pseudonym)
		case result.Stale:
			doubt = errStaleList
		}
	}
	return gone, doubt, nil
}
