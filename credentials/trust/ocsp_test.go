package trust_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// ocspWorld is a CA, a certificate of it and a responder, ten days after the
// CA began.
type ocspWorld struct {
	now       time.Time
	ca        *trusttest.CA
	leaf      *x509.Certificate
	responder *trusttest.Responder
	options   trust.OCSPOptions
	// tamper changes the response on its way.
	tamper func([]byte) []byte
	err    error
	asked  int
}

func newOCSPWorld(t *testing.T, edit func(*x509.Certificate)) *ocspWorld {
	t.Helper()
	w := &ocspWorld{now: start.Add(10 * day), ca: newCA(t, trusttest.CAOptions{})}
	w.leaf = signer(t, w.ca.IssueSDJWTSigner, trusttest.LeafOptions{}).Leaf()
	clock := func() time.Time { return w.now }
	var err error
	if w.responder, err = w.ca.NewResponder(clock, edit); err != nil {
		t.Fatal(err)
	}
	w.options = trust.OCSPOptions{
		Source: trust.OCSPSourceFunc(func(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
			w.asked++
			if w.err != nil {
				return nil, w.err
			}
			raw, err := w.responder.Respond(request)
			if w.tamper != nil {
				raw = w.tamper(raw)
			}
			return raw, err
		}),
		Now: clock, Nonce: trust.NonceRequired, Cache: trust.CacheOptions{Unavailable: trust.UseFresh},
	}
	return w
}

func (w *ocspWorld) checker(t *testing.T) *trust.OCSPChecker {
	t.Helper()
	checker, err := trust.NewOCSPChecker(w.options)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

// ref is what a caller that kept no certificate has.
func (w *ocspWorld) ref() trust.CertRef {
	return trust.CertRef{Issuer: w.ca.Certificate, Serial: w.leaf.SerialNumber}
}

// reasonOf turns an outcome into a reason; good is the empty one.
func reasonOf(t *testing.T, status trust.CertStatus, err error) trust.Reason {
	t.Helper()
	if err == nil {
		if status.Revoked {
			return trust.ReasonRevoked
		}
		return ""
	}
	var e *trust.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not a *trust.Error", err)
	}
	return e.Reason
}

// editSingle changes the first statement of a response.
func editSingle(edit func(*ocsp.Single)) func(*ocspWorld) {
	return func(w *ocspWorld) { w.responder.Edit = func(b *ocsp.Basic) { edit(&b.Singles[0]) } }
}

func editBasic(edit func(*ocspWorld, *ocsp.Basic)) func(*ocspWorld) {
	return func(w *ocspWorld) { w.responder.Edit = func(b *ocsp.Basic) { edit(w, b) } }
}

var criticalUnknown = pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: asn1.NullBytes}

func TestNegOCSP(t *testing.T) {
	t.Parallel()
	hour := time.Hour
	tests := []struct {
		name  string
		spoil func(*ocspWorld)
		want  trust.Reason
	}{
		{name: "honest twin"},
		{name: "K11 revoked", spoil: func(w *ocspWorld) { w.ca.Revoke(w.leaf, start, 1) }, want: trust.ReasonRevoked},
		{name: "K09 on hold", spoil: func(w *ocspWorld) { w.ca.Revoke(w.leaf, start, 6) }, want: trust.ReasonRevoked},
		{name: "K09 revoked in the future", spoil: func(w *ocspWorld) { w.ca.Revoke(w.leaf, w.now.Add(day), 1) }, want: trust.ReasonRevoked},
		{name: "K09 revoked as removed from a list", spoil: func(w *ocspWorld) { w.ca.Revoke(w.leaf, start, 8) }, want: trust.ReasonRevocationInvalid},
		{name: "K11 unknown", spoil: editSingle(func(s *ocsp.Single) { s.Status = ocsp.Unknown }), want: trust.ReasonRevocationUnknown},

		{name: "K11 signed by the CA itself", spoil: func(w *ocspWorld) { w.ca.SignDirectly(w.responder) }},
		{name: "K11 signed by the CA itself, by name", spoil: func(w *ocspWorld) {
			w.ca.SignDirectly(w.responder)
			w.responder.Edit = func(b *ocsp.Basic) { b.ResponderName, b.ResponderKeyHash = w.ca.Certificate.RawSubject, nil }
		}},
		{name: "K11 no certificate sent", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Certificates = nil }), want: trust.ReasonRevocationInvalid},
		{name: "K11 responder ID by key", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			b.ResponderName = nil
			b.ResponderKeyHash, _ = ocsp.KeyHash(crypto.SHA1, w.responder.Certificate)
		})},
		{name: "K11 responder ID of another key", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			b.ResponderName = nil
			b.ResponderKeyHash, _ = ocsp.KeyHash(crypto.SHA1, w.leaf)
		}), want: trust.ReasonRevocationInvalid},
		{name: "K11 responder ID of another name", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) { b.ResponderName = w.leaf.RawSubject }), want: trust.ReasonRevocationInvalid},
		{name: "K11 responder ID is the CA, signed by the responder", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) { b.ResponderName = w.ca.Certificate.RawSubject }), want: trust.ReasonRevocationInvalid},
		{name: "K11 further certificate", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			b.Certificates = append([][]byte{w.leaf.Raw}, b.Certificates...)
		})},
		{name: "K11 malformed certificate", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Certificates = [][]byte{{0x30, 0}} }), want: trust.ReasonRevocationInvalid},
		{name: "K08 signed with SHA-1", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.SignatureAlgorithm = x509.ECDSAWithSHA1 }), want: trust.ReasonRevocationInvalid},
		{name: "K11 signed with SHA-384", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.SignatureAlgorithm = x509.ECDSAWithSHA384 })},
		{name: "K11 bad signature", spoil: func(w *ocspWorld) {
			w.tamper = func(raw []byte) []byte {
				response, err := ocsp.ParseResponse(raw)
				if err == nil {
					response.Basic.Signature[len(response.Basic.Signature)-1] ^= 1 // shares raw's memory
				}
				return raw
			}
		}, want: trust.ReasonRevocationInvalid},

		{name: "K11 another serial number", spoil: editSingle(func(s *ocsp.Single) { s.ID.Serial = big.NewInt(7) }), want: trust.ReasonRevocationMismatch},
		{name: "K11 another issuer's name", spoil: editSingle(func(s *ocsp.Single) { s.ID.NameHash[0] ^= 1 }), want: trust.ReasonRevocationMismatch},
		{name: "K11 another issuer's key", spoil: editSingle(func(s *ocsp.Single) { s.ID.KeyHash[0] ^= 1 }), want: trust.ReasonRevocationMismatch},
		{name: "K11 another hash algorithm", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			b.Singles[0].ID, _ = ocsp.NewCertID(crypto.SHA1, w.ca.Certificate, w.leaf.SerialNumber)
		}), want: trust.ReasonRevocationMismatch},
		{name: "K11 unknown hash algorithm", spoil: editSingle(func(s *ocsp.Single) { s.ID.HashAlgorithm = asn1.ObjectIdentifier{1, 2, 3} }), want: trust.ReasonRevocationMismatch},
		{name: "K11 asked with SHA-1", spoil: func(w *ocspWorld) { w.options.Hash = crypto.SHA1 }},
		{name: "K11 about another certificate, too", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) {
			other := b.Singles[0]
			other.ID.Serial, other.Status = big.NewInt(7), ocsp.Revoked
			b.Singles = append([]ocsp.Single{other}, b.Singles...)
		})},
		{name: "K11 says it twice", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Singles = append(b.Singles, b.Singles[0]) }), want: trust.ReasonRevocationInvalid},
		{name: "K11 contradicts itself", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			other := b.Singles[0]
			other.Status, other.RevokedAt = ocsp.Revoked, start
			b.Singles = append(b.Singles, other)
		}), want: trust.ReasonRevocationInvalid},
		{name: "K11 contradicts itself under another hash algorithm", spoil: editBasic(func(w *ocspWorld, b *ocsp.Basic) {
			other := b.Singles[0]
			other.ID, _ = ocsp.NewCertID(crypto.SHA1, w.ca.Certificate, w.leaf.SerialNumber)
			other.Status, other.RevokedAt = ocsp.Revoked, start
			b.Singles = append(b.Singles, other)
		}), want: trust.ReasonRevocationInvalid},

		{name: "K11 nonce missing", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Extensions = nil }), want: trust.ReasonRevocationInvalid},
		{name: "K11 nonce missing where it may", spoil: func(w *ocspWorld) {
			w.options.Nonce = trust.NonceOptional
			w.responder.Edit = func(b *ocsp.Basic) { b.Extensions = nil }
		}},
		{name: "K11 another nonce", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) {
			b.Extensions = []pkix.Extension{ocsp.NonceExtension(make([]byte, 32))}
		}), want: trust.ReasonRevocationMismatch},
		{name: "K11 another nonce where it may be missing", spoil: func(w *ocspWorld) {
			w.options.Nonce = trust.NonceOptional
			w.responder.Edit = func(b *ocsp.Basic) { b.Extensions = []pkix.Extension{ocsp.NonceExtension(make([]byte, 32))} }
		}, want: trust.ReasonRevocationMismatch},
		{name: "K11 shortened nonce", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) {
			nonce, _ := ocsp.Nonce(b.Extensions)
			b.Extensions = []pkix.Extension{ocsp.NonceExtension(nonce[:16])}
		}), want: trust.ReasonRevocationMismatch},
		{name: "K11 empty nonce", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) {
			b.Extensions = []pkix.Extension{ocsp.NonceExtension(nil)}
		}), want: trust.ReasonRevocationInvalid},
		{name: "K11 none sent", spoil: func(w *ocspWorld) { w.options.Nonce = trust.NonceNone }},
		{name: "K11 none sent, one came back", spoil: func(w *ocspWorld) {
			w.options.Nonce = trust.NonceNone
			w.responder.Edit = func(b *ocsp.Basic) { b.Extensions = []pkix.Extension{ocsp.NonceExtension(make([]byte, 32))} }
		}, want: trust.ReasonRevocationMismatch},
		{name: "K02 critical extension", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Extensions = append(b.Extensions, criticalUnknown) }), want: trust.ReasonRevocationInvalid},
		{name: "K02 critical extension of a statement", spoil: editSingle(func(s *ocsp.Single) { s.Extensions = []pkix.Extension{criticalUnknown} }), want: trust.ReasonRevocationInvalid},
		{name: "K02 extension that is not critical", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) {
			e := criticalUnknown
			e.Critical = false
			b.Extensions, b.Singles[0].Extensions = append(b.Extensions, e), []pkix.Extension{e}
		})},
		{name: "K02 repeated extension", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.Extensions = append(b.Extensions, b.Extensions[0]) }), want: trust.ReasonRevocationInvalid},

		{name: "K11 nextUpdate a year ago", spoil: editSingle(func(s *ocsp.Single) {
			s.ThisUpdate, s.NextUpdate = s.ThisUpdate.AddDate(-1, 0, -1), s.ThisUpdate.AddDate(-1, 0, 0)
		}), want: trust.ReasonRevocationStale},
		{name: "K11 last second", spoil: editSingle(func(s *ocsp.Single) {
			s.NextUpdate = s.ThisUpdate.Add(time.Second)
			s.ThisUpdate = s.ThisUpdate.Add(-hour)
		})},
		{name: "K11 nextUpdate now", spoil: editSingle(func(s *ocsp.Single) { s.NextUpdate = s.ThisUpdate; s.ThisUpdate = s.ThisUpdate.Add(-hour) }), want: trust.ReasonRevocationStale},
		{name: "K11 nextUpdate before thisUpdate", spoil: editSingle(func(s *ocsp.Single) { s.NextUpdate = s.ThisUpdate.Add(-hour) }), want: trust.ReasonRevocationInvalid},
		{name: "K11 no nextUpdate", spoil: func(w *ocspWorld) { w.responder.Validity = 0 }},
		{name: "K11 no nextUpdate, just not too old", spoil: editSingle(func(s *ocsp.Single) { s.ThisUpdate, s.NextUpdate = s.ThisUpdate.Add(time.Second-day), time.Time{} })},
		{name: "K11 no nextUpdate, too old", spoil: editSingle(func(s *ocsp.Single) { s.ThisUpdate, s.NextUpdate = s.ThisUpdate.Add(-day), time.Time{} }), want: trust.ReasonRevocationStale},
		{name: "K11 nextUpdate in ten years, too old", spoil: editSingle(func(s *ocsp.Single) {
			s.ThisUpdate, s.NextUpdate = s.ThisUpdate.Add(-day), s.NextUpdate.AddDate(10, 0, 0)
		}), want: trust.ReasonRevocationStale},
		{name: "K11 thisUpdate in the future", spoil: editSingle(func(s *ocsp.Single) { s.ThisUpdate = s.ThisUpdate.Add(time.Second) }), want: trust.ReasonRevocationInvalid},
		{name: "K11 clock skew that is allowed", spoil: func(w *ocspWorld) {
			w.options.ClockSkew = time.Second
			w.responder.Edit = func(b *ocsp.Basic) {
				b.Singles[0].ThisUpdate = w.now.Add(time.Second)
				b.ProducedAt = w.now.Add(time.Second)
			}
		}},
		{name: "K11 clock skew beyond what is allowed", spoil: func(w *ocspWorld) {
			w.options.ClockSkew = time.Second
			w.responder.Edit = func(b *ocsp.Basic) { b.ProducedAt = w.now.Add(2 * time.Second) }
		}, want: trust.ReasonRevocationInvalid},
		{name: "K11 produced in the future", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.ProducedAt = b.ProducedAt.Add(time.Second) }), want: trust.ReasonRevocationInvalid},
		{name: "K11 produced before it was true", spoil: editBasic(func(_ *ocspWorld, b *ocsp.Basic) { b.ProducedAt = b.ProducedAt.Add(-time.Second) }), want: trust.ReasonRevocationInvalid},

		{name: "K11 out of reach", spoil: func(w *ocspWorld) { w.err = errors.New("down") }, want: trust.ReasonRevocationUnavailable},
		{name: "K11 tryLater", spoil: refuse(ocsp.TryLater), want: trust.ReasonRevocationUnavailable},
		{name: "K11 unauthorized", spoil: refuse(ocsp.Unauthorized), want: trust.ReasonRevocationUnavailable},
		{name: "K11 internalError", spoil: refuse(ocsp.InternalError), want: trust.ReasonRevocationUnavailable},
		{name: "K11 undefined status", spoil: refuse(4), want: trust.ReasonRevocationUnavailable},
		{name: "K11 successful without content", spoil: refuse(ocsp.Successful), want: trust.ReasonRevocationInvalid},
		{name: "K11 HTML", spoil: reply([]byte("<!DOCTYPE html><title>Sign in</title>")), want: trust.ReasonRevocationInvalid},
		{name: "K11 nothing", spoil: reply(nil), want: trust.ReasonRevocationInvalid},
		{name: "K11 1 MB", spoil: func(w *ocspWorld) { w.tamper = func(raw []byte) []byte { return append(raw, make([]byte, 1<<20)...) } }, want: trust.ReasonRevocationInvalid},
		{name: "K11 trailing octet", spoil: func(w *ocspWorld) { w.tamper = func(raw []byte) []byte { return append(raw, 0) } }, want: trust.ReasonRevocationInvalid},
		{name: "K11 truncated", spoil: func(w *ocspWorld) { w.tamper = func(raw []byte) []byte { return raw[:len(raw)-1] } }, want: trust.ReasonRevocationInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOCSPWorld(t, nil)
			if tt.spoil != nil {
				tt.spoil(w)
			}
			status, err := w.checker(t).Status(t.Context(), w.ref())
			if got := reasonOf(t, status, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func refuse(status ocsp.ResponseStatus) func(*ocspWorld) { return reply(ocsp.Refusal(status)) }

func reply(raw []byte) func(*ocspWorld) {
	return func(w *ocspWorld) { w.tamper = func([]byte) []byte { return raw } }
}

// TestNegOCSPResponder holds who may answer to RFC 6960 section 4.2.2.2. Every
// one of the responders says that a revoked certificate is good.
func TestNegOCSPResponder(t *testing.T) {
	t.Parallel()
	lie := func(w *ocspWorld) {
		w.responder.Status = func(*big.Int) ocsp.Single { return ocsp.Single{Status: ocsp.Good} }
	}
	tests := []struct {
		name  string
		edit  func(*x509.Certificate)
		spoil func(*testing.T, *ocspWorld)
		want  trust.Reason
	}{
		{name: "honest twin"},
		{name: "K11 without OCSPSigning", edit: func(c *x509.Certificate) { c.ExtKeyUsage = nil }, want: trust.ReasonRevocationInvalid},
		{name: "K11 with another usage", edit: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, want: trust.ReasonRevocationInvalid},
		{name: "K11 with any usage", edit: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, want: trust.ReasonRevocationInvalid},
		{name: "K11 a CA", edit: func(c *x509.Certificate) { c.IsCA = true }, want: trust.ReasonRevocationInvalid},
		{name: "K11 key usage without digitalSignature", edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, want: trust.ReasonRevocationInvalid},
		{name: "K02 critical extension", edit: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, criticalUnknown) }, want: trust.ReasonRevocationInvalid},
		{name: "K05 last second", edit: func(c *x509.Certificate) { c.NotAfter = start.Add(10 * day) }},
		{name: "K11 K05 expired", edit: func(c *x509.Certificate) { c.NotAfter = start.Add(10*day - time.Second) }, want: trust.ReasonRevocationInvalid},
		{name: "K05 not yet valid", edit: func(c *x509.Certificate) { c.NotBefore = start.Add(10*day + time.Second) }, want: trust.ReasonRevocationInvalid},
		{name: "K11 any certificate of the CA", spoil: func(t *testing.T, w *ocspWorld) {
			w.responder.Certificate = signer(t, w.ca.IssueSDJWTSigner, trusttest.LeafOptions{Signer: w.responder.Signer}).Leaf()
		}, want: trust.ReasonRevocationInvalid},
		{name: "K11 certified by a stranger", spoil: func(t *testing.T, w *ocspWorld) {
			w.responder = responderOf(t, w, newCA(t, trusttest.CAOptions{Name: "Stranger"}))
		}, want: trust.ReasonRevocationInvalid},
		{name: "K06 certified by another key of the same name and identifier", spoil: func(t *testing.T, w *ocspWorld) {
			w.responder = responderOf(t, w, newCA(t, trusttest.CAOptions{Edit: func(c *x509.Certificate) { c.SubjectKeyId = w.ca.Certificate.SubjectKeyId }}))
		}, want: trust.ReasonRevocationInvalid},
		{name: "K11 certified by a CA below", spoil: func(t *testing.T, w *ocspWorld) {
			w.responder = responderOf(t, w, newIntermediate(t, w.ca, trusttest.CAOptions{Name: "Sub"}))
		}, want: trust.ReasonRevocationInvalid},
		{name: "K11 issuer expired", spoil: func(_ *testing.T, w *ocspWorld) { w.now = w.ca.Certificate.NotAfter.Add(time.Second) }, want: trust.ReasonExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOCSPWorld(t, tt.edit)
			if tt.spoil != nil {
				tt.spoil(t, w)
			}
			w.ca.Revoke(w.leaf, start, 1)
			lie(w)
			status, err := w.checker(t).Status(t.Context(), w.ref())
			if got := reasonOf(t, status, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// responderOf makes a responder of another CA answer for that of the world.
func responderOf(t *testing.T, w *ocspWorld, ca *trusttest.CA) *trusttest.Responder {
	t.Helper()
	r, err := ca.NewResponder(func() time.Time { return w.now }, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Issuer = w.ca.Certificate
	return r
}

// TestOCSPResponderRevocation: a responder without id-pkix-ocsp-nocheck counts
// only if its own revocation can be looked up.
func TestOCSPResponderRevocation(t *testing.T) {
	t.Parallel()
	plain := func(c *x509.Certificate) { c.ExtraExtensions = nil }
	lists := func(w *ocspWorld) trust.StatusChecker {
		return trust.NewCRLChecker(trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
			return w.ca.CRL(w.now, w.now.Add(day))
		}), w.options.Now)
	}
	down := func(w *ocspWorld) trust.StatusChecker {
		return trust.NewCRLChecker(onlyLeafCRL(nil, errors.New("down")), w.options.Now)
	}
	for _, tt := range []struct {
		name  string
		edit  func(*x509.Certificate)
		spoil func(*ocspWorld)
		want  trust.Reason
	}{
		{name: "nocheck"},
		{name: "K11 no nocheck and nothing to look it up with", edit: plain, want: trust.ReasonRevocationInvalid},
		{name: "K11 no nocheck", edit: plain, spoil: func(w *ocspWorld) { w.options.Responders = lists(w) }},
		{name: "K11 revoked responder", edit: plain, spoil: func(w *ocspWorld) {
			w.options.Responders = lists(w)
			w.ca.Revoke(w.responder.Certificate, start, 1)
		}, want: trust.ReasonRevocationInvalid},
		{name: "K11 no list about the responder", edit: plain, spoil: func(w *ocspWorld) { w.options.Responders = down(w) }, want: trust.ReasonRevocationUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOCSPWorld(t, tt.edit)
			if tt.spoil != nil {
				tt.spoil(w)
			}
			status, err := w.checker(t).Status(t.Context(), w.ref())
			if got := reasonOf(t, status, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestOCSPOptions(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*trust.OCSPOptions){
		"honest twin":                  nil,
		"no source":                    func(o *trust.OCSPOptions) { o.Source = nil },
		"no clock":                     func(o *trust.OCSPOptions) { o.Now = nil },
		"no stance on the nonce":       func(o *trust.OCSPOptions) { o.Nonce = 0 },
		"no stance on unavailability":  func(o *trust.OCSPOptions) { o.Cache.Unavailable = 0 },
		"other stance":                 func(o *trust.OCSPOptions) { o.Cache.Unavailable = 3 },
		"much clock skew":              func(o *trust.OCSPOptions) { o.ClockSkew = 6 * time.Minute },
		"MD5":                          func(o *trust.OCSPOptions) { o.Hash = crypto.MD5 },
		"negative time between checks": func(o *trust.OCSPOptions) { o.Cache.RefreshAfter = -1 },
		"negative limit":               func(o *trust.OCSPOptions) { o.Cache.MaxEntries = -1 },
	} {
		w := newOCSPWorld(t, nil)
		if spoil != nil {
			spoil(&w.options)
		}
		if _, err := trust.NewOCSPChecker(w.options); (err != nil) != (spoil != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newOCSPWorld(t, nil)
	checker := w.checker(t)
	for name, spoil := range map[string]func(*trust.CertRef){
		"no issuer":        func(r *trust.CertRef) { r.Issuer = nil },
		"no serial number": func(r *trust.CertRef) { r.Serial = nil },
		"K09 serial 0":     func(r *trust.CertRef) { r.Serial = new(big.Int) },
		"K09 serial -1":    func(r *trust.CertRef) { r.Serial = big.NewInt(-1) },
	} {
		ref := w.ref()
		spoil(&ref)
		status, err := checker.Status(t.Context(), ref)
		if got := reasonOf(t, status, err); got != trust.ReasonConfiguration {
			t.Errorf("%s: got %q", name, got)
		}
	}
	status, err := new(trust.OCSPChecker).Status(t.Context(), w.ref())
	if got := reasonOf(t, status, err); got != trust.ReasonConfiguration {
		t.Errorf("zero checker: %q", got)
	}
}

// TestOCSPPath: an OCSP checker is a stance of a policy.
func TestOCSPPath(t *testing.T) {
	t.Parallel()
	w := newOCSPWorld(t, nil)
	p := policy(trust.ProfileSDJWTIssuer, w.now, w.ca)
	p.Revocation = w.checker(t)
	chain, err := p.Verify(t.Context(), w.leaf, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(chain.Checks, func(c credentials.Check) bool {
		return c.Name == "certificate_revocation" && c.Detail == "1 certificates are not revoked"
	}) {
		t.Errorf("checks %v", chain.Checks)
	}
	w.ca.Revoke(w.leaf, start, 1)
	p.Revocation = trust.CheckedBy(w.checker(t))
	want(t, verify(p, []*x509.Certificate{w.leaf}), trust.ReasonRevoked)
	p.Revocation = trust.CheckedBy(nil)
	want(t, verify(p, []*x509.Certificate{w.leaf}), trust.ReasonConfiguration)
	p.Revocation = new(trust.OCSPChecker)
	want(t, verify(p, []*x509.Certificate{w.leaf}), trust.ReasonConfiguration)
}
