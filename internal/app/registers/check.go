package registers

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/source/register"
)

// Person is somebody whom a register knows.
type Person struct {
	Name      string `json:"name"`
	Address   string `json:"address,omitempty"`
	BirthDate string `json:"birth_date,omitempty"`
	Sex       int    `json:"sex"`
}

func (p Person) source() (*source.Person, error) {
	out := &source.Person{Name: p.Name, Address: p.Address, Sex: p.Sex}
	if p.BirthDate != "" {
		date, err := credentials.ParseFullDate(p.BirthDate)
		if err != nil {
			return nil, errors.New("birth_date is not YYYY-MM-DD")
		}
		out.BirthDate = &date
	}
	if p.Name == "" {
		return nil, errors.New("name is missing")
	}
	return out, nil
}

// Target is a register and how to reach it.
type Target struct {
	URL string
	// Roots is the authority of the register's certificate.
	Roots []*x509.Certificate
	// Client is the key that the register has admitted.
	Client *keys.Key
	// Person is somebody whom the register knows.
	Person Person
	// MaxAge is how old what the register says may be.
	MaxAge time.Duration
	Now    func() time.Time
}

// examiner looks at one register.
type examiner struct {
	*report.Report
	target   Target
	client   *fetch.Client
	register *register.Register
	person   *source.Person
	claims   []string
}

// Check asks a register what the contract demands of it. It looks one person up
// and several that do not exist, and tells nothing of them in its findings.
func Check(ctx context.Context, t Target) (*report.Report, error) {
	x := &examiner{Report: &report.Report{}, target: t}
	var err error
	if x.person, err = t.Person.source(); err != nil {
		return nil, fmt.Errorf("person: %w", err)
	}
	certificate := t.Client.TLSCertificate()
	if x.client, err = newClient(t, &certificate); err != nil {
		return nil, err
	}
	defer x.client.CloseIdleConnections()
	key := sha256.Sum256([]byte(rand.Text()))
	if x.register, err = register.New(register.Config{URL: t.URL, Client: x.client, PseudonymKey: key[:], MaxAge: t.MaxAge, Now: t.Now}); err != nil {
		return nil, err
	}
	if !x.known(ctx) {
		return x.Report, nil
	}
	if err := x.strangers(ctx); err != nil {
		return nil, err
	}
	x.lookups(ctx)
	x.others(ctx)
	x.malformed(ctx)
	return x.Report, nil
}

func newClient(t Target, certificate *tls.Certificate) (*fetch.Client, error) {
	host, err := hostOf(t.URL)
	if err != nil {
		return nil, err
	}
	o := fetch.Options{Purpose: "register", MaxBytes: register.MaxAnswer, OnlyRoots: t.Roots, AllowedHosts: []string{host}, Now: t.Now}
	if certificate != nil {
		o.ClientCertificate = func() (*tls.Certificate, error) { return certificate, nil }
	}
	return fetch.New(o)
}

// known asks what the register has at all.
func (x *examiner) known(ctx context.Context) bool {
	var err error
	where := x.target.URL + "/claims"
	if x.claims, err = x.register.Known(ctx); err != nil {
		x.Fault(where, "compare TLS on both sides and the answer with openapi/source.yaml", "the register can't be asked: %s", err)
		return false
	}
	if len(x.claims) == 0 || len(x.claims) > 100 {
		x.Fault(where, "name 1 to 100 claims", "the register names %d claims", len(x.claims))
		return false
	}
	x.OK(where, "TLS works on both sides, and the register names %d claims", len(x.claims))
	return true
}

// strangers looks whether the register asks who its clients are.
func (x *examiner) strangers(ctx context.Context) error {
	foreign, err := selfSigned(x.target.Now())
	if err != nil {
		return err
	}
	for _, stranger := range []struct {
		name        string
		certificate *tls.Certificate
	}{{"without a certificate", nil}, {"with a certificate of others", foreign}} {
		client, err := newClient(x.target, stranger.certificate)
		if err != nil {
			return err
		}
		if _, err := client.Get(ctx, x.target.URL+"/claims"); err == nil {
			x.Fault(x.target.URL, "demand and verify client certificates", "the register answers clients %s", stranger.name)
		} else {
			x.OK(x.target.URL, "clients %s get no answer", stranger.name)
		}
		client.CloseIdleConnections()
	}
	return nil
}

// selfSigned returns a client's certificate that no authority stands for.
func selfSigned(now time.Time) (*tls.Certificate, error) {
	key, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Tegata Unknown Client"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "Tegata Unknown CA"}}, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ask looks a person up under the pseudonym of a made-up certificate.
func (x *examiner) ask(ctx context.Context, certificate string, p *source.Person, names []string) (source.Claims, error) {
	e := &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{Pseudonym: certificate}}
	return x.register.Claims(ctx, e, p, names)
}

// lookups asks for the person whom the register knows.
func (x *examiner) lookups(ctx context.Context) {
	where := x.target.URL + "/lookups"
	certificate := rand.Text()
	for range 2 {
		got, err := x.ask(ctx, certificate, x.person, x.claims)
		if err != nil {
			x.Fault(where, "compare the answer with openapi/source.yaml", "the person whom the register should know is not told: %s", err)
			return
		}
		x.OK(where, "the person is found, with %d of %d claims", len(got), len(x.claims))
	}
	if _, err := x.ask(ctx, certificate, x.person, x.claims[:1]); err != nil {
		x.Fault(where, "answer with the claims that were asked for alone", "asked for one claim: %s", err)
	} else {
		x.OK(where, "nothing is told beside what was asked for")
	}
	if _, err := x.ask(ctx, certificate, x.person, []string{"tegata.unheard-of"}); err != nil {
		x.Fault(where, "leave out what is not known", "asked for a claim that nobody has heard of: %s", err)
	} else {
		x.OK(where, "a claim that is not known is left out")
	}
	stranger := *x.person
	stranger.Name = rand.Text()
	x.nobody(ctx, "somebody else with a certificate that was seen before", certificate, &stranger)
}

// others asks for people who differ from the known one in one attribute.
func (x *examiner) others(ctx context.Context) {
	for _, attribute := range []struct {
		name string
		edit func(*source.Person)
	}{
		{"name", func(p *source.Person) { p.Name += "々" }},
		{"address", func(p *source.Person) { p.Address += "々" }},
		{"birth date", func(p *source.Person) { p.BirthDate = &credentials.FullDate{Year: 1901, Month: time.January, Day: 2} }},
		{"sex", func(p *source.Person) { p.Sex = 9 }},
	} {
		other := *x.person
		attribute.edit(&other)
		x.nobody(ctx, "somebody with another "+attribute.name, rand.Text(), &other)
	}
}

func (x *examiner) nobody(ctx context.Context, who, certificate string, p *source.Person) {
	where := x.target.URL + "/lookups"
	switch _, err := x.ask(ctx, certificate, p, x.claims); {
	case errors.Is(err, source.ErrNoRecord), errors.Is(err, source.ErrAmbiguous) && !errors.Is(err, register.ErrMismatch):
		x.OK(where, "%s is not taken for the person", who)
	case err == nil || errors.Is(err, register.ErrMismatch):
		x.Fault(where, "compare all four attributes and the pseudonym", "%s is taken for the person", who)
	default:
		x.Fault(where, "answer none or ambiguous", "asked for %s: %s", who, err)
	}
}

// malformed sends what is no lookup.
func (x *examiner) malformed(ctx context.Context) {
	honest, err := json.Marshal(map[string]any{
		"request_id": jose.EncodeBase64(make([]byte, 16)), "claims": x.claims[:1],
		"person": map[string]any{"name": map[string]any{"written": "手形", "normalized": "手形"}, "sex": 1},
	})
	if err != nil {
		return
	}
	with := func(from, to string) []byte { return bytes.Replace(honest, []byte(from), []byte(to), 1) }
	for _, tt := range []struct {
		name, mediaType string
		body            []byte
		good            bool
	}{
		{"a lookup", "application/json", honest, true},
		{"a member twice", "application/json", with(`"sex":1`, `"sex":2,"sex":1`), false},
		{"a member that is not known", "application/json", with(`"sex":1`, `"sex":1,"shoe_size":24`), false},
		{"no request_id", "application/json", with(`"request_id"`, `"request"`), false},
		{"no claims", "application/json", with(`"claims":[`, `"claims":[],"x":[`), false},
		{"a birth date that no calendar has", "application/json", with(`"sex":1`, `"sex":1,"birth_date":"2026-02-30"`), false},
		{"no JSON", "application/json", []byte("{"), false},
		{"a lookup as text", "text/plain", honest, false},
		{"more than 16 KiB", "application/json", with("手形", string(bytes.Repeat([]byte("手"), register.MaxQuestion/3+1))), false},
	} {
		status, noStore := x.status(ctx, tt.mediaType, tt.body)
		where := x.target.URL + "/lookups"
		switch {
		case tt.good && (status != http.StatusOK || !noStore):
			x.Fault(where, "answer 200 with Cache-Control: no-store, whatever the result", "%s is answered with %d, and no-store is %t", tt.name, status, noStore)
		case !tt.good && (status < 400 || status > 499):
			x.Fault(where, "answer 400, 413 or 415", "%s is answered with %d", tt.name, status)
		default:
			x.OK(where, "%s is answered with %d", tt.name, status)
		}
	}
}

// status returns that of an answer, or 0 if there was none.
func (x *examiner) status(ctx context.Context, mediaType string, body []byte) (status int, noStore bool) {
	response, err := x.client.Post(ctx, x.target.URL+"/lookups", mediaType, body, nil)
	var refusal *fetch.StatusError
	if errors.As(err, &refusal) {
		return refusal.Response.Status, false
	}
	if err != nil {
		return 0, false
	}
	return response.Status, response.Header.Get("Cache-Control") == "no-store"
}
