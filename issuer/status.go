package issuer

import (
	"context"
	"time"
)

// StatusListToken returns the published token of a status list and when it
// expires. It returns statuslist.ErrUnknownList for lists that are not this
// issuer's.
func (i *Issuer) StatusListToken(ctx context.Context, listID string) (string, time.Time, error) {
	return i.cfg.StatusLists.Token(ctx, i.cfg.Tenant, listID)
}

// statusAge is how long a status list may be cached.
func (i *Issuer) statusAge() time.Duration { return i.cfg.StatusWindow }
