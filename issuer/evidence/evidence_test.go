package evidence_test

import (
	"testing"
	"time"

	"github.com/tegata-id/tegata/issuer/evidence"
)

// TestOnCertificate refuses evidence that lost its certificate, or got one that
// it can't have: it must not pass for another kind.
func TestOnCertificate(t *testing.T) {
	t.Parallel()
	cert := &evidence.Certificate{Pseudonym: "p"}
	for name, tt := range map[string]struct {
		evidence *evidence.Evidence
		want     *evidence.Certificate
		bad      bool
	}{
		"signature":                     {&evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: cert}, cert, false},
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
