package issuer

import (
	"context"
	"time"

	"github.com/tegata-id/tegata/internal/statuslist"
)

// StatusList returns what is published of a status list. It returns
// statuslist.ErrUnknownList for lists that are not this issuer's.
func (i *Issuer) StatusList(ctx context.Context, listID string) (statuslist.Publication, error) {
	return i.cfg.StatusLists.Current(ctx, i.cfg.Tenant, listID)
}

// StatusListURIs returns where the issuer's status lists are, for those who
// fetch them all (Token Status List section 9).
func (i *Issuer) StatusListURIs(ctx context.Context) ([]string, error) {
	return i.cfg.StatusLists.URIs(ctx, i.cfg.Tenant, i.StatusListURI(""))
}

// statusAge is how long a status list may be cached.
func (i *Issuer) statusAge() time.Duration { return i.cfg.StatusWindow }
