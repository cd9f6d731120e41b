// Package webhook tells relying parties that a transaction has ended: by Security
// Event Tokens (RFC 8417) pushed to an address of theirs (RFC 8935), which name
// the transaction and its state and nothing of the person.
//
// An [Outbox] keeps the messages in SQL. A row is made with the transaction, and
// is told the state when there is one; if a process dies in between, the row
// falls due and the state is looked up. A [Sender] delivers what was told and
// deletes it then: every message arrives at least once, and may arrive again.
package webhook

import (
	"encoding/json"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
)

// The types of a message (RFC 8417 section 2.3, RFC 8935 section 2.1).
const (
	// Type is the typ of the JWS.
	Type = "secevent+jwt"
	// MediaType is that of the body.
	MediaType = "application/secevent+jwt"
	// EventTransaction names the one event that a message holds.
	EventTransaction = "urn:tegata:verifier:event:transaction:1"
)

// Message says what has become of a transaction.
type Message struct {
	// ID is the same in every attempt, so that repeats can be told.
	ID string
	// Party is the identifier of the relying party.
	Party string
	// Transaction and State are what it is told.
	Transaction, State string
	// Attempts counts those made, with the one that is under way.
	Attempts int
	// told is when the state was known.
	told time.Time
}

// claims are those of a message as a token.
type claims struct {
	Issuer   string           `json:"iss"`
	Audience string           `json:"aud"`
	ID       string           `json:"jti"`
	IssuedAt jose.NumericDate `json:"iat"`
	Events   map[string]event `json:"events"`
}

type event struct {
	Transaction string `json:"transaction"`
	State       string `json:"state"`
}

// sign makes the token of one attempt. iat is that of the attempt: receivers
// refuse tokens that are minutes old, however late the message is.
func sign(m Message, issuer string, key *keys.Key, now time.Time) (string, error) {
	kid, err := jose.ThumbprintOf(key.Signer.Public())
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims{
		Issuer: issuer, Audience: m.Party, ID: m.ID, IssuedAt: jose.NewNumericDate(now),
		Events: map[string]event{EventTransaction: {m.Transaction, m.State}},
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(jose.Header{Typ: Type, Kid: kid}, payload, key.Signer)
}

// KeySet returns the public keys that receivers verify messages with: of those
// that will sign, the one that does, and those that did. Without a ring it is
// empty.
func KeySet(ring *keys.Ring) (jose.JWKSet, error) {
	set := jose.JWKSet{Keys: []jose.JWK{}}
	if ring == nil {
		return set, nil
	}
	for _, entry := range ring.All() {
		key, err := jose.NewJWK(entry.Key.Signer.Public())
		if err != nil {
			return set, err
		}
		if key.Alg, err = jose.AlgorithmOf(entry.Key.Signer.Public()); err != nil {
			return set, err
		}
		key.Kid, key.Use = jose.EncodeBase64(key.Thumbprint()), "sig"
		set.Keys = append(set.Keys, *key)
	}
	return set, nil
}
