package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// ErrNotice says that what was sent to a webhook is not a notice of the
// verifier to this relying party, or no longer one.
var ErrNotice = errors.New("not a notice of the verifier")

// Notice says that a transaction has ended. It says nothing else: get the result
// with [Client.Result].
type Notice struct {
	// ID is the same when a notice is sent again.
	ID string
	// Transaction is the ID of the transaction, and State Verified, Refused or
	// Expired.
	Transaction, State string
	// Sent is when it was sent, this time.
	Sent time.Time
}

const (
	// noticeType and eventTransaction are those of verifier/webhook.
	noticeType       = "secevent+jwt"
	eventTransaction = "urn:tegata:verifier:event:transaction:1"
	// noticeAge is how far the time of a notice may be from ours.
	noticeAge = 5 * time.Minute
	maxNotice = 16 << 10
	// The keys are asked for again after keysStale, and by a notice with another
	// key after keysFresh, so that forgers can't have us ask all the time.
	keysStale = 5 * time.Minute
	keysFresh = 10 * time.Second
)

// Webhook reads what a verifier sends to the webhook of one relying party. It is
// safe for concurrent use.
type Webhook struct {
	// HTTP, BaseURL are as in [Client].
	HTTP interface {
		Do(request *http.Request) (*http.Response, error)
	}
	BaseURL string
	// Party is the identifier of the relying party.
	Party string
	// Now is the clock, such as time.Now.
	Now func() time.Time

	mu    sync.Mutex
	keys  []jose.JWK
	asked time.Time
}

// Read verifies a request and returns its notice. If the error is [ErrNotice],
// answer 400; if it is another, the keys of the verifier can't be had: answer 503
// and the notice is sent again. Answer 202, without a body, once you have put
// the notice down. A notice may arrive more than once, and out of order: what
// was seen is known by its ID.
func (w *Webhook) Read(r *http.Request) (*Notice, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || mediaType != "application/"+noticeType {
		return nil, fmt.Errorf("%w: neither POST nor the right content type", ErrNotice)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxNotice+1))
	if err != nil || len(body) > maxNotice {
		return nil, fmt.Errorf("%w: the body is cut off or too long", ErrNotice)
	}
	token, err := jose.Parse(string(body))
	if err != nil || token.Header.Typ != noticeType {
		return nil, fmt.Errorf("%w: malformed", ErrNotice)
	}
	key, err := w.key(r.Context(), token.Header.Kid)
	if err != nil {
		return nil, err
	}
	public, err := key.VerificationKey()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotice, err)
	}
	payload, err := token.Verify(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotice, err)
	}
	return w.check(payload)
}

// check reads claims whose signature was verified.
func (w *Webhook) check(payload []byte) (*Notice, error) {
	var c struct {
		Issuer   string           `json:"iss"`
		Audience string           `json:"aud"`
		ID       string           `json:"jti"`
		IssuedAt jose.NumericDate `json:"iat"`
		Events   map[string]struct {
			Transaction string `json:"transaction"`
			State       string `json:"state"`
		} `json:"events"`
	}
	if err := jose.UnmarshalJSON(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: malformed", ErrNotice)
	}
	e, sent := c.Events[eventTransaction], c.IssuedAt.Time()
	switch age := w.Now().Sub(sent); {
	case c.Issuer != w.BaseURL || c.Audience != w.Party:
		return nil, fmt.Errorf("%w: from or for somebody else", ErrNotice)
	case age > noticeAge || age < -noticeAge:
		return nil, fmt.Errorf("%w: it is not of now", ErrNotice)
	case c.ID == "" || e.Transaction == "" || e.State == "":
		return nil, fmt.Errorf("%w: incomplete", ErrNotice)
	}
	return &Notice{ID: c.ID, Transaction: e.Transaction, State: e.State, Sent: sent}, nil
}

// key returns the key of the verifier with that name.
func (w *Webhook) key(ctx context.Context, kid string) (*jose.JWK, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	find := func() *jose.JWK {
		for i := range w.keys {
			if w.keys[i].Kid == kid && kid != "" {
				return &w.keys[i]
			}
		}
		return nil
	}
	key, age := find(), w.Now().Sub(w.asked)
	if age >= keysStale || key == nil && age >= keysFresh {
		if err := w.ask(ctx); err != nil {
			return nil, fmt.Errorf("keys of the verifier: %w", err)
		}
		key = find()
	}
	if key == nil {
		return nil, fmt.Errorf("%w: signed with another key", ErrNotice)
	}
	return key, nil
}

func (w *Webhook) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.BaseURL+"/webhooks/jwks", nil)
	if err != nil {
		return err
	}
	response, err := w.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	var set jose.JWKSet
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&set); err != nil {
		return err
	}
	w.keys, w.asked = set.Keys, w.Now()
	return nil
}
