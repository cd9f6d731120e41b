package issuer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/source"
)

const isoNamespace = "org.iso.23220.1"

// Identity returns the configurations of the flagship type.
func Identity() []Configuration {
	types, err := catalogue.Shipped()
	if err != nil {
		panic(err)
	}
	for _, t := range types {
		if t.ID == "identity" {
			return Configure(t, "手形市", "Tegata City")
		}
	}
	panic("there is no type identity")
}

// mapped returns the claims of the n-th configuration of the flagship type.
func mapped(t *testing.T, n int, p *source.Person, day credentials.FullDate) credentials.Object {
	t.Helper()
	claims, err := Identity()[n].Map(p, day)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

var birthday18 = credentials.FullDate{Year: 2026, Month: time.November, Day: 23}

func young() *source.Person {
	return &source.Person{
		Name: "山田　花子", NameSubstitutes: "00100", Address: "東京都清瀬市", Sex: 2,
		BirthDate: &credentials.FullDate{Year: 2008, Month: time.November, Day: 23},
	}
}

// TestIdentityClaims holds the mapping to what the metadata promises: every
// mandatory claim is there, and nothing that is not described.
func TestIdentityClaims(t *testing.T) {
	t.Parallel()
	unknownDate := young()
	unknownDate.BirthDate = nil
	for name, person := range map[string]*source.Person{"ordinary": young(), "unknown birth date": unknownDate} {
		for n, c := range Identity() {
			claims := mapped(t, n, person, birthday18)
			described := 0
			for _, claim := range c.Claims {
				values, _ := claim.Path.Select(claims)
				if claim.Mandatory && len(values) != 1 {
					t.Errorf("%s, %s: no %s", name, c.ID, claim.Path)
				}
				described += len(values)
			}
			if leaves := count(claims); leaves != described {
				t.Errorf("%s, %s: %d claims, %d of them described", name, c.ID, leaves, described)
			}
		}
	}
}

func count(v credentials.Value) int {
	object, ok := v.(credentials.Object)
	if !ok {
		return 1
	}
	n := 0
	for _, member := range object {
		n += count(member)
	}
	return n
}

func TestIdentityAges(t *testing.T) {
	t.Parallel()
	before := credentials.FullDate{Year: 2026, Month: time.November, Day: 22}
	for day, adult := range map[credentials.FullDate]bool{before: false, birthday18: true} {
		sdjwt := mapped(t, 0, young(), day)
		if got := sdjwt["age_equal_or_over"].(credentials.Object)["18"]; got != credentials.Bool(adult) {
			t.Errorf("%s: SD-JWT VC says %v", day, got)
		}
		mdoc := mapped(t, 1, young(), day)
		if got := mdoc[isoNamespace].(credentials.Object)["age_over_18"]; got != credentials.Bool(adult) {
			t.Errorf("%s: mdoc says %v", day, got)
		}
	}
	// Without a full date of birth nothing is said of age.
	person := young()
	person.BirthDate = nil
	want := credentials.Object{"sex": credentials.Int(2)}
	if diff := cmp.Diff(want, mapped(t, 1, person, birthday18)[isoNamespace]); diff != "" {
		t.Error(diff)
	}
	if _, ok := mapped(t, 0, person, birthday18)["age_equal_or_over"]; ok {
		t.Error("an age without a birth date")
	}
}
