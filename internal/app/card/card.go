// Package card is a signer app without a screen, for mode test: it gets a soft
// card of a test person from an issuer, and signs with it what a login page
// asks for, as an app with a real card would.
//
// The card is a file with the keys, the PINs and the counters of wrong PINs. A
// PIN goes from the person to the card and never over the network.
package card

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/fetch"
)

// challengePrefix opens every text that is signed here. An app that signs
// anything else could be made to sign a contract.
const challengePrefix = "tegata:issuance-challenge:"

// App talks to issuers.
type App struct {
	// Roots are trusted for TLS beside those of the system.
	Roots []*x509.Certificate
	// Now is the clock for the validity of certificates.
	Now func() time.Time
}

// Request is what a login page asks to be signed.
type Request struct {
	// Text is what the person reads before they agree.
	Text string
	// Issuer is the origin that asks.
	Issuer string
	// Authentication is "link" if both certificates may sign, so that the
	// authentication certificate alone will do next time, and "return" if this is
	// that time. Otherwise that certificate is of no use here.
	Authentication string

	address string
	client  *fetch.Client
}

// Result is what the person does next: exactly one of the two is set.
type Result struct {
	// ReturnURI is opened in the browser of this device.
	ReturnURI string `json:"return_uri"`
	// Code is typed into the browser on the other device.
	Code string `json:"code"`
}

// Issue gets the card of a test person from an issuer in mode test and writes it
// to the file, which must not exist yet.
func (a App) Issue(ctx context.Context, issuer, person, file string) error {
	address, err := url.JoinPath(issuer, "test-cards", person)
	if err != nil {
		return errors.New("the issuer is not a URL")
	}
	client, err := a.client(address)
	if err != nil {
		return err
	}
	response, err := client.Get(ctx, address, "application/json")
	if err != nil {
		return explain(err)
	}
	if _, err := jpkitest.ReadCard(response.Body); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(response.Body)
	return errors.Join(err, out.Close())
}

// Open follows the link of a login page, which has a request_uri in its query,
// or the request_uri itself, and returns what is to be signed.
func (a App) Open(ctx context.Context, link string) (*Request, error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return nil, errors.New("the link is not a URL")
	}
	if inner := u.Query().Get("request_uri"); inner != "" {
		if u, err = url.Parse(inner); err != nil {
			return nil, errors.New("the request_uri of the link is not a URL")
		}
	}
	r := &Request{address: u.String(), Issuer: u.Scheme + "://" + u.Host}
	if r.client, err = a.client(r.address); err != nil {
		return nil, err
	}
	response, err := r.client.Get(ctx, r.address, "application/json")
	if err != nil {
		return nil, explain(err)
	}
	var asked struct {
		Challenge      string `json:"challenge"`
		Authentication string `json:"authentication"`
	}
	if err := jose.UnmarshalJSON(response.Body, &asked); err != nil {
		return nil, errors.New("the issuer's answer is malformed")
	}
	text, err := base64.StdEncoding.DecodeString(asked.Challenge)
	if err != nil || !utf8.Valid(text) || !strings.HasPrefix(string(text), challengePrefix) {
		return nil, errors.New("what the issuer asks to be signed is no challenge for issuance")
	}
	r.Text, r.Authentication = string(text), asked.Authentication
	return r, nil
}

// PINs are those of the two certificates of a card. Which is empty does not sign.
type PINs struct{ Signature, Authentication string }

// Sign signs with the signature certificate of the card in the file, whose counter
// of wrong PINs it updates, and leaves the answer with the issuer; in a SignedData
// of the Cryptographic Message Syntax if signedData is set. Errors of the card are
// those of package jpkitest.
func (r *Request) Sign(ctx context.Context, file, pin string, signedData bool) (*Result, error) {
	return r.SignWith(ctx, file, PINs{Signature: pin}, signedData)
}

// SignWith is [Request.Sign] with one certificate or both.
func (r *Request) SignWith(ctx context.Context, file string, pins PINs, signedData bool) (*Result, error) {
	answer, err := sign(file, pins, []byte(r.Text), signedData)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Post(ctx, r.address, "application/json", body, nil)
	if err != nil {
		return nil, explain(err)
	}
	var result Result
	if err := jose.UnmarshalJSON(response.Body, &result); err != nil || (result.ReturnURI == "") == (result.Code == "") {
		return nil, errors.New("the issuer's answer is malformed")
	}
	// What is opened in the browser must be of the issuer that asked.
	if result.ReturnURI != "" && !strings.HasPrefix(result.ReturnURI, r.Issuer+"/") {
		return nil, errors.New("the issuer wants to go on somewhere else")
	}
	return &result, nil
}

// sign returns the members of the answer.
func sign(file string, pins PINs, text []byte, signedData bool) (map[string]string, error) {
	card, err := read(file)
	if err != nil {
		return nil, err
	}
	answer := map[string]string{}
	if pins.Signature != "" {
		err = signature(card, pins.Signature, text, signedData, answer)
	}
	if pins.Authentication != "" && err == nil {
		var signature []byte
		signature, err = card.Authenticate(pins.Authentication, text)
		answer["authentication_signature"] = base64.StdEncoding.EncodeToString(signature)
		answer["authentication_certificate"] = base64.StdEncoding.EncodeToString(card.AuthenticationCertificate().Raw)
	}
	// The card remembers a wrong PIN whatever comes after.
	if saveErr := save(file, card); saveErr != nil {
		return nil, saveErr
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// signature puts the answer of the signature certificate among the members.
func signature(card *jpkitest.Card, pin string, text []byte, signedData bool, answer map[string]string) error {
	if signedData {
		data, err := card.SignData(pin, text, false)
		answer["signed_data"] = base64.StdEncoding.EncodeToString(data)
		return err
	}
	raw, err := card.Sign(pin, text)
	if err != nil {
		return err
	}
	answer["signature"] = base64.StdEncoding.EncodeToString(raw)
	answer["certificate"] = base64.StdEncoding.EncodeToString(card.SignatureCertificate().Raw)
	return nil
}

// TriesLeft returns how often the PINs of the card in the file may still be
// wrong.
func TriesLeft(file string) (sign, authenticate int, err error) {
	card, err := read(file)
	if err != nil {
		return 0, 0, err
	}
	sign, authenticate = card.TriesLeft()
	return sign, authenticate, nil
}

func read(file string) (*jpkitest.Card, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return jpkitest.ReadCard(data)
}

// save replaces the file at once, so that a crash loses no counter.
func save(file string, card *jpkitest.Card) error {
	data, err := json.Marshal(card)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(file), ".card-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // gone already if all went well
	_, err = next.Write(data)
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}

// client reaches the host of the address and no other. The person named it, so
// it may be on this machine.
func (a App) client(address string) (*fetch.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the address is not an https URL")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return fetch.New(fetch.Options{
		Purpose: "issuer", ExtraRoots: a.Roots, Now: a.Now, MaxBytes: 64 << 10,
		AllowedHosts: []string{net.JoinHostPort(u.Hostname(), port)},
	})
}

// explain puts the issuer's reason into the error.
func explain(err error) error {
	var status *fetch.StatusError
	var problem struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	}
	if errors.As(err, &status) && jose.UnmarshalJSON(status.Response.Body, &problem) == nil && problem.Reason != "" {
		return fmt.Errorf("the issuer refuses: %s: %s", problem.Reason, problem.Detail)
	}
	return err
}
