package evidence_test

import (
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// TestOnCertificate refuses evidence that lost its certificate, or got one that
// it can't have: it must not pass for another kind.
func TestOnCertificate(t *testing.T) {
	t.Parallel()
	cert, stated := &evidence.Certificate{Pseudonym: "p"}, &jpki.Attributes{}
	for name, tt := range map[string]struct {
		evidence *evidence.Evidence
		want     *evidence.Certificate
		bad      bool
	}{
		"signature":                     {&evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: cert}, cert, false},
		"signed on another device":      {&evidence.Evidence{Kind: evidence.KindJPKIOtherDevice, Certificate: cert}, cert, false},
		"returning":                     {(&evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: cert, Linked: "l"}).Returning(), cert, false},
		"returning without a link":      {&evidence.Evidence{Kind: evidence.KindJPKIReturning, Certificate: cert}, nil, true},
		"returning without certificate": {&evidence.Evidence{Kind: evidence.KindJPKIReturning, Linked: "l"}, nil, true},
		"OpenID":                        {&evidence.Evidence{Kind: evidence.KindOpenID, Stated: stated}, nil, false},
		"OpenID without attributes":     {&evidence.Evidence{Kind: evidence.KindOpenID}, nil, true},
		"OpenID with certificate":       {&evidence.Evidence{Kind: evidence.KindOpenID, Stated: stated, Certificate: cert}, nil, true},
		"signature and attributes":      {&evidence.Evidence{Kind: evidence.KindJPKISignature, Stated: stated, Certificate: cert}, nil, true},
		"back office with attributes":   {&evidence.Evidence{Kind: evidence.KindBackOffice, Stated: stated}, nil, true},
		"back office":                   {evidence.BackOffice(time.Now()), nil, false},
		"nothing":                       {nil, nil, true},
		"empty":                         {&evidence.Evidence{}, nil, true},
		"signature without certificate": {&evidence.Evidence{Kind: evidence.KindJPKISignature}, nil, true},
		"back office with certificate":  {&evidence.Evidence{Kind: evidence.KindBackOffice, Certificate: cert}, nil, true},
	} {
		got, err := tt.evidence.OnCertificate()
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
