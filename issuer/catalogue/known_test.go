package catalogue_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/issuer/catalogue"
)

func shipped(t *testing.T, id string) string {
	t.Helper()
	data, err := os.ReadFile("types/" + id + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestNegKnownTypes takes mandatory elements of the types of others away, makes
// them optional, and gives them another type.
func TestNegKnownTypes(t *testing.T) {
	t.Parallel()
	for id, mandatory := range map[string]map[string][]string{
		"eu_pid": {
			"urn:eudi:pid:1":          {"family_name", "given_name", "birthdate", "place_of_birth", "nationalities", "picture", "issuing_authority", "issuing_country"},
			"eu.europa.ec.eudi.pid.1": {"family_name", "given_name", "birth_date", "place_of_birth", "nationality", "portrait", "issuing_authority", "issuing_country"},
		},
		"mdl": {"org.iso.18013.5.1.mDL": {
			"family_name", "given_name", "birth_date", "issue_date", "expiry_date", "issuing_country", "issuing_authority",
			"document_number", "portrait", "driving_privileges", "un_distinguishing_sign",
		}},
	} {
		block := shipped(t, id)
		if _, err := catalogue.Parse([]byte(block)); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
		for name, elements := range mandatory {
			for _, element := range elements {
				for about, spoil := range map[string]func(claim string) string{
					" absent":          func(string) string { return "" },
					" optional":        func(claim string) string { return strings.Replace(claim, "mandatory: true", "mandatory: false", 1) },
					" of another type": func(claim string) string { return retyped(claim) },
				} {
					spoiled := replaceClaim(t, block, element, spoil)
					_, err := catalogue.Parse([]byte(spoiled))
					if err == nil || !strings.Contains(err.Error(), name+" needs ") || !strings.Contains(err.Error(), element) {
						t.Errorf("%s: %s%s: %v", name, element, about, err)
					}
				}
			}
		}
	}
	always := strings.Replace(shipped(t, "eu_pid"), "sd_jwt: [family_name]", "sd_jwt: [family_name]\n    always_disclosed: true", 1)
	if _, err := catalogue.Parse([]byte(always)); !has(err, "claims", "selectively disclosable") {
		t.Errorf("a claim of the PID that is always shown: %v", err)
	}
}

// replaceClaim has spoil change the claim that stands under a name.
func replaceClaim(t *testing.T, block, element string, spoil func(string) string) string {
	t.Helper()
	const begin = "  - name: "
	head, rest, _ := strings.Cut(block, "claims:\n")
	found := false
	var out strings.Builder
	for _, claim := range strings.Split(rest, begin)[1:] {
		claim = begin + claim
		if strings.Contains(claim, "["+element+"]") || strings.Contains(claim, ", "+element+"]") {
			found = true
			claim = spoil(claim)
		}
		out.WriteString(claim)
	}
	if !found {
		t.Fatalf("the block has no %s", element)
	}
	return head + "claims:\n" + out.String()
}

// retyped is the claim with whole numbers in place of its values.
func retyped(claim string) string {
	var out []string
	for _, line := range strings.Split(claim, "\n") {
		switch {
		case strings.HasPrefix(line, "    type: "):
			line = "    type: unsigned"
		case strings.HasPrefix(line, "    value: "):
			line = "    value: 1"
		case strings.HasPrefix(line, "    from: "):
			line = "    from: residents.number"
		case strings.HasPrefix(line, "    items:"), strings.HasPrefix(line, "    members:"), strings.HasPrefix(line, "      "), strings.HasPrefix(line, "    max_length"):
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
