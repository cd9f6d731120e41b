package trust_test

import (
	"testing"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func TestCorporateNumber(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"9011101031552":  true, // KDDI Corporation, from the public register
		"8011101031552":  false,
		"9011101031525":  false,
		"901110103155":   false,
		"90111010315522": false,
		"901110103155x":  false,
		"":               false,
	} {
		if got := trust.ValidCorporateNumber(number); got != want {
			t.Errorf("ValidCorporateNumber(%q) = %v", number, got)
		}
	}
	for _, base := range []string{"", "12345678901", "12345678901x", "１２３４"} {
		if got := trust.CorporateNumber(base); got != "" {
			t.Errorf("CorporateNumber(%q) = %q", base, got)
		}
	}
}

func TestLegalEntityOf(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	abroad := newCA(t, trusttest.CAOptions{Country: "DE"})
	for _, tt := range []struct {
		name       string
		ca         *trusttest.CA
		identifier string
		want       bool
	}{
		{"corporate number", ca, "NTRJP-9011101031552", true},
		{"wrong check digit", ca, "NTRJP-1011101031552", false},
		{"corporate number with foreign country", abroad, "NTRJP-9011101031552", false},
		{"LEI", abroad, "LEIXG-5493001KJTIIGC8Y1R12", true},
		{"LEI with wrong check digits", abroad, "LEIXG-5493001KJTIIGC8Y1R13", false},
		{"LEI in lower case", abroad, "LEIXG-5493001kjtiigc8y1r12", false},
		{"unknown scheme", ca, "XXXJP-9011101031552", false},
		{"no scheme", ca, "9011101031552", false},
	} {
		key := signer(t, tt.ca.IssueSDJWTSigner, trusttest.LeafOptions{OrganizationIdentifier: tt.identifier})
		if _, ok := trust.LegalEntityOf(key.Leaf()); ok != tt.want {
			t.Errorf("%s: %v", tt.name, ok)
		}
	}
}
