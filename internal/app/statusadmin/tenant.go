package statusadmin

import (
	"context"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/wallet/provider"
)

// DefaultWindow is how often lists are published where the configuration does
// not say.
const DefaultWindow = 5 * time.Minute

// indexKey is what the keys that permute indexes are derived for.
const indexKey = "status indexes"

// Tenant is a tenant with its status lists.
type Tenant struct {
	config.Tenant
	// Base is what the addresses of the lists begin with, without the slash
	// before their names.
	Base string
	// Aggregated says that Base lists the lists (section 9).
	Aggregated bool
	Lists      *statuslist.Lists
	Keys       config.KeyList
	Window     time.Duration
}

// Of returns the status lists of a tenant as the configuration has them, or nil
// if it publishes none: verifiers, and wallet providers without a key for them.
func Of(t config.Tenant) (*Tenant, error) {
	owned := &Tenant{Tenant: t}
	lists := statuslist.Config{}
	var secretFile string
	var derive func(secret []byte, tenant, purpose string) ([]byte, error)
	switch {
	case t.Issuer != nil:
		owned.Base, owned.Aggregated = t.BaseURL()+issuer.PathStatusLists, true
		owned.Keys, owned.Window = t.Issuer.Keys.Status, t.Issuer.StatusWindow.Or(DefaultWindow)
		lists.Owner, lists.Size = "issuer", t.Issuer.StatusListSize
		secretFile, derive = t.Issuer.Secret, issuer.DeriveKey
	case t.Provider != nil && len(t.Provider.Keys.Status) > 0:
		owned.Base = t.BaseURL() + provider.PathStatusLists
		owned.Keys, owned.Window = t.Provider.Keys.Status, t.Provider.StatusWindow.Or(DefaultWindow)
		lists.Owner = provider.StatusListOwner
		secretFile, derive = t.Provider.Secret, provider.DeriveKey
	default:
		return nil, nil
	}
	secret, err := config.LoadHexSecret("secret_file", secretFile)
	if err != nil {
		return nil, err
	}
	key, err := derive(secret, t.Tenant, indexKey)
	if err != nil {
		return nil, err
	}
	lists.Keys = [][]byte{key}
	owned.Lists, err = statuslist.New(lists)
	return owned, err
}

// Publisher returns what publishes the lists, signed by the keys of the ring.
// Lists, Signer and Window of the configuration are those of the tenant.
func (t *Tenant) Publisher(ring *keys.Ring, c statuslist.PublisherConfig) (*statuslist.Publisher, error) {
	c.Lists, c.Window = t.Lists, t.Window
	c.Signer = signer{tenant: t, keys: ring, now: c.Now}
	return statuslist.NewPublisher(c)
}

// signer signs the lists of one tenant.
type signer struct {
	tenant *Tenant
	keys   *keys.Ring
	now    func() time.Time
}

// SignStatusList implements [statuslist.Signer].
func (s signer) SignStatusList(_ context.Context, l statuslist.Unsigned) (statuslist.Signed, error) {
	if l.Tenant != s.tenant.Endpoint.Tenant {
		return statuslist.Signed{}, fmt.Errorf("%s: status list of another tenant", s.tenant.Name())
	}
	o := status.TokenOptions{URI: s.tenant.Base + "/" + l.ListID}
	if s.tenant.Aggregated {
		o.AggregationURI = s.tenant.Base
	}
	return l.SignAt(s.now(), o, s.keys)
}
