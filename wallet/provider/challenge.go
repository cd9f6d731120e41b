package provider

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/session"
)

const (
	// challengeLifetime is how long a challenge may be used.
	challengeLifetime = 5 * time.Minute
	// clockSkew is how far the clocks of replicas and wallets may be ahead.
	clockSkew = 30 * time.Second
)

// challenges makes and consumes challenges. A challenge is its own time of
// issue, sealed, so that only those that were used take up memory.
type challenges struct {
	aead     cipher.AEAD
	tenant   string
	sessions *session.Store
	now      func() time.Time
}

func newChallenges(key []byte, tenant string, sessions *session.Store, now func() time.Time) (*challenges, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &challenges{aead: aead, tenant: tenant, sessions: sessions, now: now}, nil
}

func (c *challenges) associated() []byte {
	return []byte("tegata wallet challenge v1\x00" + c.tenant)
}

// fresh returns a new challenge.
func (c *challenges) fresh() string {
	issued := binary.BigEndian.AppendUint64(nil, uint64(c.now().Unix()))
	return jose.EncodeBase64(c.aead.Seal(nil, nil, issued, c.associated()))
}

// consume accepts a challenge once, and none from before the session store lost
// data. Errors are an [Error] or come from the
// session store.
func (c *challenges) consume(ctx context.Context, challenge string) error {
	sealed, err := jose.DecodeBase64(challenge)
	if err != nil {
		return refuse(ReasonChallengeInvalid, "the challenge is not one of this provider", nil)
	}
	plain, err := c.aead.Open(nil, nil, sealed, c.associated())
	if err != nil || len(plain) != 8 {
		return refuse(ReasonChallengeInvalid, "the challenge is not one of this provider", nil)
	}
	issued := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
	age := c.now().Sub(issued)
	if age < -clockSkew || age >= challengeLifetime {
		return refuse(ReasonChallengeInvalid, "the challenge has expired", nil)
	}
	first, err := c.sessions.Once(ctx, "wallet_challenge", challenge, issued, challengeLifetime+clockSkew)
	if err != nil {
		return err
	}
	if !first {
		return refuse(ReasonChallengeInvalid, "the challenge was used before, or may have been", nil)
	}
	return nil
}
