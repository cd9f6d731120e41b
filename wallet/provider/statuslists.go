package provider

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// StatusListOwner is the owner of a provider's lists, see
// [statuslist.Config].
const StatusListOwner = "wallet"

// StatusLists hand out status indexes and publish them, at [StatusListURI].
type StatusLists struct {
	Lists     *statuslist.Lists
	Publisher *statuslist.Publisher
}

// StatusListURI returns the URI of a status list of the provider with this base
// URL. It is the sub of its token and the uri in attestations.
func StatusListURI(issuer, listID string) string { return issuer + PathStatusLists + "/" + listID }

// StatusList returns the published token of a status list, or an [Error] with
// [ReasonStatusListUnknown].
func (p *Provider) StatusList(ctx context.Context, listID string) (statuslist.Publication, error) {
	unknown := refuse(ReasonStatusListUnknown, "there is no such status list", nil)
	if p.cfg.StatusLists == nil {
		return statuslist.Publication{}, unknown
	}
	published, err := p.cfg.StatusLists.Publisher.Current(ctx, p.cfg.Tenant, listID)
	if errors.Is(err, statuslist.ErrUnknownList) {
		return statuslist.Publication{}, unknown
	}
	return published, err
}

// statusKept is for how long after an attestation has expired its status is
// kept up at least (EUDI technical specification 3 section 2.4.1). In truth
// lists are published for as long as the provider is.
const statusKept = 31 * 24 * time.Hour

// statusUntil is the end of a day, so that it says nothing of the time of issue.
func statusUntil(a *attested) time.Time {
	return a.expires.Add(statusKept).Truncate(24 * time.Hour).Add(24 * time.Hour)
}

func (p *Provider) statusRef(entry *statuslist.Entry) *credentials.StatusRef {
	if entry == nil {
		return nil
	}
	return &credentials.StatusRef{URI: StatusListURI(p.cfg.Issuer, entry.ListID), Index: entry.Index}
}
