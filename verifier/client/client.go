// Package client lets the program of a relying party ask a verifier for
// credentials, over the API that openapi/verifier.yaml describes:
//
//  1. [Client.Create] begins a transaction. Show its link, or a QR code of it.
//  2. Across devices, [Client.Wait] for the answer. On the same device, the
//     browser comes back to the redirect URI with a response code.
//  3. [Client.Result] gets the answer, [Client.Delete] acknowledges it.
package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Client asks one verifier as one relying party. It is safe for concurrent use.
type Client struct {
	// HTTP sends requests, for example an http.Client. Its time limit must be
	// above 20 seconds for Wait.
	HTTP interface {
		Do(request *http.Request) (*http.Response, error)
	}
	// BaseURL is the verifier's, without a slash at the end.
	BaseURL string
	// APIKey is the relying party's. It is empty where HTTP shows a client
	// certificate in its place; BaseURL is then that for mutual TLS.
	APIKey string
	// DecryptionKey opens encrypted results; it may be left out if the relying
	// party is registered without a key.
	DecryptionKey *ecdsa.PrivateKey
}

// Error is an answer of the verifier that is no success.
type Error struct {
	// Status is that of HTTP.
	Status int
	// Reason is one of the closed list in openapi/verifier.yaml.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	// RetryAfter is when to try again, zero if the verifier does not say.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("verifier: %d %s: %s", e.Status, e.Reason, e.Detail)
}

// The flows.
const (
	SameDevice  = "same_device"
	CrossDevice = "cross_device"
)

// Request is what to ask for.
type Request struct {
	// Preset names a query; DCQL is one in JSON. One of them is needed.
	Preset string          `json:"preset,omitempty"`
	DCQL   json.RawMessage `json:"dcql_query,omitempty"`
	// Flow is SameDevice, which needs a RedirectURI, or CrossDevice.
	Flow        string `json:"flow"`
	RedirectURI string `json:"redirect_uri,omitempty"`
	// Acknowledge keeps the result until Delete.
	Acknowledge bool `json:"acknowledge,omitempty"`
	// IdempotencyKey lets the same request be sent again after an error of the
	// network without beginning anything new.
	IdempotencyKey string `json:"-"`
}

// Transaction waits for a wallet.
type Transaction struct {
	// ID is a secret of the relying party.
	ID string `json:"id"`
	// Link opens a wallet, as a link or a QR code.
	Link string `json:"link"`
	// Expires is until when a wallet can answer.
	Expires time.Time `json:"expires_at"`
}

// The states.
const (
	Waiting   = "waiting"
	Verified  = "verified"
	Refused   = "refused"
	Expired   = "expired"
	Delivered = "delivered"
)

// Result is what came of a transaction.
type Result struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Expires time.Time `json:"expires_at"`
	// Credentials is set in Verified, Refusal in Refused.
	Credentials []Credential `json:"credentials"`
	Refusal     *Refusal     `json:"refusal"`

	Encrypted string `json:"encrypted"`
}

// Credential is an accepted presentation.
type Credential struct {
	QueryID string `json:"query_id"`
	Format  string `json:"format"`
	Type    string `json:"type"`
	// Claims is a JSON object with what was asked for.
	Claims json.RawMessage `json:"claims"`
	// Issuer says who vouches for them, and Checks what was looked at; see
	// openapi/verifier.yaml.
	Issuer json.RawMessage `json:"issuer"`
	Checks json.RawMessage `json:"checks"`
}

// Refusal says why a presentation was not accepted.
type Refusal struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// Create begins a transaction. Errors of the verifier are [*Error].
func (c *Client) Create(ctx context.Context, r Request) (*Transaction, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var t Transaction
	return &t, c.call(ctx, http.MethodPost, "", body, r.IdempotencyKey, &t)
}

// Result returns the answer as it is now. responseCode is what the browser
// brought to the redirect URI, empty across devices. Compare the browser's session
// with the one that began: whoever brings the code must be whom you asked.
func (c *Client) Result(ctx context.Context, id, responseCode string) (*Result, error) {
	path := "/" + url.PathEscape(id)
	if responseCode != "" {
		path += "?" + url.Values{"response_code": {responseCode}}.Encode()
	}
	var r Result
	if err := c.call(ctx, http.MethodGet, path, nil, "", &r); err != nil {
		return nil, err
	}
	if r.Encrypted == "" {
		return &r, nil
	}
	return c.open(&r)
}

func (c *Client) open(sealed *Result) (*Result, error) {
	jwe, err := jose.ParseEncrypted(sealed.Encrypted)
	if err != nil {
		return nil, err
	}
	if c.DecryptionKey == nil {
		return nil, errors.New("the result is encrypted and there is no key")
	}
	plain, err := jwe.Decrypt(c.DecryptionKey, jose.A256GCM)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(plain, &r); err != nil {
		return nil, err
	}
	if r.ID != sealed.ID {
		return nil, errors.New("the encrypted result is that of another transaction")
	}
	return &r, nil
}

// Delete ends a transaction: it cancels one that waits, and acknowledges a
// result. Nothing of it is kept.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/"+url.PathEscape(id), nil, "", nil)
}

// Wait returns the state when it is no longer Waiting, by server-sent events. On
// the same device an accepted presentation shows only with its response code.
func (c *Client) Wait(ctx context.Context, id string) (state string, err error) {
	for {
		response, err := c.send(ctx, http.MethodGet, "/"+url.PathEscape(id)+"/events", nil, "")
		if err != nil {
			return "", err
		}
		state, err := lastState(response.Body)
		_ = response.Body.Close()
		if state != "" && state != Waiting {
			return state, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err != nil || state == "" {
			return "", fmt.Errorf("the stream of events broke off: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
}

// lastState reads a stream of events to its end.
func lastState(stream io.Reader) (state string, err error) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct {
			State string `json:"state"`
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return "", err
		}
		state = event.State
	}
	return state, lines.Err()
}

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 4 << 20

func (c *Client) call(ctx context.Context, method, path string, body []byte, key string, into any) error {
	response, err := c.send(ctx, method, path, body, key)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if into == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into)
}

// send returns the answer if it is a success. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, body []byte, key string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.BaseURL+"/api/transactions"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.APIKey)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.HTTP.Do(request)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	defer func() { _ = response.Body.Close() }()
	problem := &Error{}
	// A proxy may answer in another form.
	_ = json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(problem)
	problem.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		problem.RetryAfter = time.Duration(seconds) * time.Second
	}
	return nil, problem
}
