package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/session"
)

// Party is a relying party among those that a verifier works for. What is
// left out of it is not limited.
type Party struct {
	ID             string
	NameJA, NameEN string
	// Keys are the SHA-256 of its API keys, and Certificates those of the
	// certificates by which it authenticates in TLS, of whatever authority.
	// CertificateName is the DNS name for which one of Config.ClientAnchors has
	// certified it. One of the three is needed, and any of them is enough.
	Keys, Certificates [][sha256.Size]byte
	CertificateName    string
	// Flows, RedirectURIs (to the letter) and Allowed are what it may use and
	// ask for.
	Flows        []Flow
	RedirectURIs []string
	Allowed      []Allowed
	// EncryptionKey is what results are encrypted to; nil leaves them in clear.
	EncryptionKey *jose.JWK
	// Webhook is the https URL where it is told that a transaction has ended;
	// empty tells it nothing.
	Webhook string
	// MaxOpen is how many of its transactions may wait for a wallet at a time,
	// and PerMinute how many requests to the API it may make.
	MaxOpen, PerMinute int
}

// Allowed is what may be asked of credentials of one type in one format.
type Allowed struct {
	Format credentials.Format `json:"format"`
	// Type is the vct or the doctype.
	Type string `json:"type"`
	// Claims are paths; whatever lies below one may be asked for as well.
	Claims []credentials.Path `json:"claims"`
}

// MostOpen is the largest Party.MaxOpen.
const MostOpen = 1000

// validate says what is wrong with a party.
func (p *Party) validate() error {
	switch {
	case p.ID == "" || len(p.Keys) == 0 && len(p.Certificates) == 0 && p.CertificateName == "":
		return errors.New("id and an API key or a certificate are needed")
	case p.MaxOpen < 0 || p.MaxOpen > MostOpen || p.PerMinute < 0:
		return fmt.Errorf("limits must not be negative, nor more than %d transactions be open", MostOpen)
	}
	return nil
}

// encrypt makes the JWE of a result, by ECDH-ES with A256GCM.
func (p *Party) encrypt(r *Result) (string, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return jose.Encrypt(plain, p.EncryptionKey, jose.A256GCM, jose.EncryptOptions{Cty: "json"})
}

// admit counts a request of the party.
func (v *Verifier) admit(ctx context.Context, p *Party) error {
	if p.PerMinute == 0 {
		return nil
	}
	now := v.cfg.Now()
	minute := now.Truncate(time.Minute)
	count, err := v.cfg.Sessions.Count(ctx, "vp-party-minute", p.ID+" "+strconv.FormatInt(minute.Unix(), 10), 2*time.Minute)
	if err != nil {
		return stored(err, CodeUnavailable, "try again later")
	}
	if count > int64(p.PerMinute) {
		return tooMany("more requests than the relying party may make in a minute", minute.Add(time.Minute).Sub(now))
	}
	return nil
}

func tooMany(description string, wait time.Duration) *Error {
	err := refuse(CodeTooManyRequests, description, nil)
	err.RetryAfter = wait
	return err
}

// openSlot returns the name of a free place among those that the party has for
// transactions that wait, empty if it needs none. The place is free again by
// closeSlot, or when no wallet can answer any more.
func (v *Verifier) openSlot(ctx context.Context, p *Party) (string, error) {
	if p.MaxOpen == 0 {
		return "", nil
	}
	first := rand.IntN(p.MaxOpen)
	for i := range p.MaxOpen {
		slot := p.ID + " " + strconv.Itoa((first+i)%p.MaxOpen)
		err := v.slots.Add(ctx, slot, struct{}{})
		if err == nil {
			return slot, nil
		}
		if !errors.Is(err, session.ErrExists) {
			return "", refuse(CodeUnavailable, "try again later", err)
		}
	}
	return "", tooMany("as many transactions as the relying party may have are waiting for wallets", 10*time.Second)
}

// closeSlot gives the place of a transaction back. If it can't, the place is
// free when its time is over.
func (v *Verifier) closeSlot(ctx context.Context, t *transaction) {
	if t.Slot != "" {
		_, _ = v.slots.Take(ctx, t.Slot)
	}
}

// checkRequest refuses what the party is not registered for. query was checked
// before.
func (p *Party) checkRequest(r StartRequest, query json.RawMessage) error {
	if p.Flows != nil && !slices.Contains(p.Flows, r.Flow) {
		return refuse(CodeNotRegistered, "the relying party is not registered for this flow", nil)
	}
	if p.RedirectURIs != nil && r.RedirectURI != "" && !slices.Contains(p.RedirectURIs, r.RedirectURI) {
		return refuse(CodeInvalidRedirectURI, "redirect_uri is not one that the relying party is registered with", nil)
	}
	if p.Allowed == nil {
		return nil
	}
	q, err := dcql.Parse(query)
	if err != nil {
		return refuse(CodeServerError, "", err)
	}
	for i := range q.Credentials {
		if at := p.beyond(&q.Credentials[i]); at != "" {
			return refuse(CodeNotRegistered, "the relying party is not registered for what credentials["+strconv.Itoa(i)+"]"+at+" asks for", nil)
		}
	}
	return nil
}

// beyond returns where a query asks for more than the party is registered for,
// or "".
func (p *Party) beyond(q *dcql.CredentialQuery) string {
	types := q.Meta.VCTValues
	if q.Format == credentials.FormatMdoc {
		types = []string{q.Meta.DoctypeValue}
	}
	for _, name := range types {
		n := slices.IndexFunc(p.Allowed, func(a Allowed) bool { return a.Format == q.Format && a.Type == name })
		if n < 0 {
			return ".meta"
		}
		for i, claim := range q.Claims {
			if !slices.ContainsFunc(p.Allowed[n].Claims, func(allowed credentials.Path) bool { return covers(allowed, claim.Path) }) {
				return ".claims[" + strconv.Itoa(i) + "]"
			}
		}
	}
	return ""
}

// covers reports whether the path leads to what allowed names, or below it. The
// wildcard of an allowed path stands for every index.
func covers(allowed, path credentials.Path) bool {
	if len(path) < len(allowed) {
		return false
	}
	for i, element := range allowed {
		_, index := path[i].Index()
		if element != path[i] && !(element.IsAll() && index) {
			return false
		}
	}
	return true
}
