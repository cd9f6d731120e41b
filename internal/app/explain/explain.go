// Package explain says of a certificate, a credential, a presentation or a
// signed token why it is or is not trusted, check by check, in plain words. It
// uses the same code that judges them in production. What it says holds nothing
// of the person that a certificate or credential is about.
package explain

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/app/report"
)

// Options say what is trusted, and how a presentation was asked for.
type Options struct {
	Now func() time.Time
	// Anchors are trusted for everything.
	Anchors []trust.Anchor
	// Intermediates may complete the path of a certificate.
	Intermediates []*x509.Certificate
	// Mode says which hierarchies of JPKI count.
	Mode jpki.Mode
	// Binding is what a presentation was asked for with. Without a nonce it is
	// not checked whom a presentation was made for.
	Binding credentials.Binding
	// Status resolves a reference to a status list; nil leaves that out.
	Status func(ctx context.Context, ref credentials.StatusRef) (string, error)
}

// explainer collects what is found about one file.
type explainer struct {
	*report.Report
	opt Options
	now time.Time
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 64 << 20

// Run explains the content of a file: certificates in PEM or DER, a revocation
// list, an SD-JWT VC or an mdoc as issued or presented, a status list token, a
// wallet attestation, a request object, as text or in binary.
func Run(ctx context.Context, data []byte, o Options) *report.Report {
	e := &explainer{Report: &report.Report{}, opt: o, now: o.Now()}
	text := strings.TrimSpace(string(data))
	switch {
	case len(data) > maxFile:
		e.Fault("file", "give a single certificate or credential", "the file has more than %d bytes", maxFile)
	case text == "":
		e.Fault("file", "give a file with something in it", "the file is empty")
	case strings.Contains(text, "-----BEGIN "):
		e.pem(ctx, data)
	case utf8.ValidString(text):
		e.text(ctx, strings.Join(strings.Fields(text), ""))
	default:
		e.binary(ctx, data)
	}
	return e.Report
}

const fixKind = "give a certificate (PEM or DER), a revocation list, an SD-JWT VC, an mdoc, or a signed token as it goes over the wire"

// pem reads certificates, leaf first, or revocation lists.
func (e *explainer) pem(ctx context.Context, data []byte) {
	var chain []*x509.Certificate
	for n := 0; ; n++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				e.Fault("certificate", "have it issued anew", "certificate %d cannot be read: %s", n, err)
				return
			}
			chain = append(chain, certificate)
		case "X509 CRL":
			e.revocationList(block.Bytes)
			return
		default:
			e.Fault("file", "never give a private key to anybody", "the file holds a block of type %s", block.Type)
			return
		}
	}
	if len(chain) == 0 {
		e.Fault("file", fixKind, "there is no complete PEM block")
		return
	}
	e.certificate(ctx, chain[0], chain[1:])
}

func (e *explainer) text(ctx context.Context, text string) {
	if strings.Contains(text, "~") {
		e.sdjwt(ctx, text)
		return
	}
	if strings.Count(text, ".") == 2 {
		e.token(ctx, text)
		return
	}
	for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.StdEncoding} {
		if data, err := encoding.DecodeString(text); err == nil {
			e.binary(ctx, data)
			return
		}
	}
	e.Fault("file", fixKind, "this is neither base64 nor a compact token")
}

func (e *explainer) binary(ctx context.Context, data []byte) {
	if len(data) > 0 && data[0] == 0x30 {
		if certificate, err := x509.ParseCertificate(data); err == nil {
			e.certificate(ctx, certificate, nil)
			return
		}
		e.revocationList(data)
		return
	}
	e.cbor(ctx, data)
}

// token tells the kinds of signed tokens apart by their typ.
func (e *explainer) token(ctx context.Context, compact string) {
	object, err := jose.Parse(compact)
	if err != nil {
		e.Fault("token", fixKind, "the token is refused before its signature is looked at: %s", err)
		return
	}
	e.OK("token", "a signed token of type %q, algorithm %s, with %d certificates in its header", object.Header.Typ, object.Header.Alg, len(object.Header.X5C))
	kind, ok := tokenKinds[object.Header.Typ]
	if !ok {
		e.Warn("token", fixKind, "the type is none that is judged here")
		return
	}
	kind(e, ctx, compact, object)
}

// policy returns a policy for one purpose under the given anchors.
func (e *explainer) policy(profile trust.Profile) *trust.Policy {
	return &trust.Policy{
		Anchors: e.opt.Anchors, Profile: profile, Now: e.opt.Now,
		Revocation: trust.NotChecked("only the path is looked at"),
	}
}

// anchored reports whether there are anchors to judge by.
func (e *explainer) anchored(where string) bool {
	if len(e.opt.Anchors) > 0 {
		return true
	}
	e.Warn(where, "give the anchors with --anchors FILE or --config FILE", "without trust anchors nothing can be trusted, and the signature was not judged")
	return false
}
