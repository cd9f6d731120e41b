package openid

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// How long the provider's keys serve, and how soon they are asked for again when
// a token names one that is not among them.
const (
	keysLifetime = 10 * time.Minute
	keysPatience = 10 * time.Second
	// maxKeys limits the keys of a provider.
	maxKeys = 64
)

// keySet is the provider's published keys (RFC 7517). One request at a time
// fetches them.
type keySet struct {
	url    string
	client *fetch.Client
	now    func() time.Time

	mu      sync.Mutex
	fetched time.Time
	byID    map[string]crypto.PublicKey
}

// get returns the key with the identifier.
func (k *keySet) get(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.fetched)
	key, known := k.byID[kid]
	if k.byID == nil || age >= keysLifetime || age < 0 || !known && age >= keysPatience {
		if err := k.fetch(ctx); err != nil {
			return nil, err
		}
		key, known = k.byID[kid]
	}
	if !known {
		return nil, refused("the ID token is signed by a key that is not published")
	}
	return key, nil
}

// fetch replaces the keys. Those that can't be used here are left out: a
// provider publishes keys for other purposes and algorithms too.
func (k *keySet) fetch(ctx context.Context) error {
	response, err := k.client.Get(ctx, k.url, "application/json", "application/jwk-set+json")
	if err != nil {
		return fmt.Errorf("%w: %w", evidence.ErrUnavailable, err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if jose.UnmarshalJSON(response.Body, &set) != nil || len(set.Keys) > maxKeys {
		return fmt.Errorf("%w: the provider's keys are malformed", evidence.ErrUnavailable)
	}
	byID := map[string]crypto.PublicKey{}
	for _, raw := range set.Keys {
		var named struct {
			ID string `json:"kid"`
		}
		key, err := jose.ParseJWK(raw)
		if err != nil || jose.UnmarshalJSON(raw, &named) != nil || named.ID == "" {
			continue
		}
		pub, err := key.VerificationKey()
		if err != nil {
			continue
		}
		if _, twice := byID[named.ID]; twice {
			return fmt.Errorf("%w: two keys of the provider have one name", evidence.ErrUnavailable)
		}
		byID[named.ID] = pub
	}
	k.byID, k.fetched = byID, k.now()
	return nil
}
