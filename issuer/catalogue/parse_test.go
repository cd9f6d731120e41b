package catalogue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/issuer/catalogue"
)

// honest is a block with a bit of everything.
const honest = `
id: resident
name: {ja: 住民票, en: Resident record}
description: {ja: 住民票の写し, en: Copy of the resident record}
logo: {uri: "https://city.example/logo.svg", alt: City}
background_color: "#1d4f91"
sd_jwt: {vct: "urn:city:resident:1", scope: resident}
mdoc: {doctype: city.resident.1, namespace: city.resident}
validity: 336h
cascade: {stand: [superseded]}
evidence: [jpki-signature, back-office]
key_attestation: {key_storage: [iso_18045_high]}
reuse_policy:
  - {details: [once_only], batch_size: 10, reissue_trigger_unused: 2}
  - {details: [limited_time], reissue_trigger_lifetime_left: 24h}
claims:
  - name: {ja: 氏名, en: Name}
    from: person.name
    type: text
    mandatory: true
    sd_jwt: [name]
    mdoc: [name]
  - name: {ja: 世帯, en: Household}
    from: residents.household
    type: list
    items:
      type: object
      members:
        name: {type: text}
        since: {type: full-date, optional: true}
    sd_jwt: [household, members]
    mdoc: [city.resident.2, household]
  - name: {ja: 国, en: Country}
    value: JP
    type: text
    always_disclosed: true
    sd_jwt: [country]
`

// TestNegParse spoils the honest block in one place at a time.
func TestNegParse(t *testing.T) {
	t.Parallel()
	if _, err := catalogue.Parse([]byte(honest)); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	const name, household = "    from: person.name\n    type: text\n", "    from: residents.household\n"
	for about, tc := range map[string]struct{ old, new, key, text string }{
		"unknown key":              {"id: resident", "id: resident\nformat: x", "line 3", "field format not found"},
		"unknown key of a claim":   {name, name + "    secret: true\n", "line 20", "field secret not found"},
		"key twice":                {"id: resident", "id: resident\nid: other", "line 3", "already defined"},
		"two documents":            {"id: resident", "id: resident\n---\nid: other", "", "more than one"},
		"no YAML":                  {"id: resident", "id: [", "", "did not find"},
		"no id":                    {"id: resident", "id: \"\"", "id", "needed"},
		"id with a capital":        {"id: resident", "id: Resident", "id", "lower-case"},
		"no Japanese name":         {"{ja: 住民票, en", "{en", "name.ja", "needed"},
		"no English name":          {", en: Resident record", "", "name.en", "needed"},
		"empty description":        {"住民票の写し", `""`, "description.ja", "needed"},
		"logo by http":             {"https://city.example/logo", "http://city.example/logo", "logo.uri", "https"},
		"logo with script":         {"https://city.example/logo.svg", "javascript:alert(1)", "logo.uri", "https"},
		"colour by name":           {"#1d4f91", "blue", "background_color", "#1d4f91"},
		"no vct":                   {`vct: "urn:city:resident:1"`, `vct: ""`, "sd_jwt.vct", "needed"},
		"vct with a space":         {"urn:city:resident:1", "urn:city resident", "sd_jwt.vct", "spaces"},
		"no doctype":               {"doctype: city.resident.1, ", "", "mdoc.doctype", "needed"},
		"one name for both":        {"doctype: city.resident.1", "doctype: \"urn:city:resident:1\"", "mdoc.doctype", "vct"},
		"two scopes":               {"scope: resident", "scope: a b", "sd_jwt.scope", "one scope"},
		"one scope for both":       {"namespace: city.resident", "namespace: city.resident, scope: resident", "mdoc.scope", "other format"},
		"validity of a day":        {"validity: 336h", "validity: 24h", "validity", "Mondays"},
		"validity of text":         {"validity: 336h", "validity: long", "line 9", "cannot unmarshal"},
		"no status, but falls":     {"validity: 336h", "no_status: true", "no_status", "cascade"},
		"unknown evidence":         {"back-office]", "hearsay]", "evidence", "hearsay"},
		"evidence twice":           {"back-office]", "jpki-signature]", "evidence", "twice"},
		"empty key storage":        {"[iso_18045_high]", `[""]`, "key_attestation.key_storage", "empty"},
		"reuse of both":            {"[once_only]", "[once_only, limited_time]", "reuse_policy[0].details", "one of"},
		"reuse of neither":         {"[limited_time]", "[]", "reuse_policy[1].details", "one of"},
		"unknown reuse":            {"[once_only]", "[once_only, often]", "reuse_policy[0].details", "often"},
		"once without a batch":     {"batch_size: 10, ", "", "reuse_policy[0].batch_size", "2 or more"},
		"all unused":               {"unused: 2", "unused: 10", "reuse_policy[0].reissue_trigger_unused", "less"},
		"limited without a time":   {", reissue_trigger_lifetime_left: 24h", "", "reuse_policy[1].reissue_trigger_lifetime_left", "needed"},
		"no type of value":         {"    type: text\n    mandatory", "    mandatory", "claims[0].type", "none of"},
		"unknown type of value":    {"    type: text\n    mandatory", "    type: string\n    mandatory", "claims[0].type", "none of"},
		"unknown function":         {"person.name", "person.email", "claims[0].from", "there is no person.email"},
		"age of nobody":            {"person.name\n    type: text", "person.age_over(0)\n    type: bool", "claims[0].from", "there is no"},
		"age that is none":         {"person.name\n    type: text", "person.age_over(18\n    type: bool", "claims[0].from", "there is no"},
		"function of another type": {"person.name", "person.birth_date", "claims[0].type", "full-date"},
		"unknown name of the issuer": {
			"person.name", "issuer.seal", "claims[0].from", "there is no issuer.seal",
		},
		"no source":                    {"    from: person.name\n", "", "claims[0]", "either from or value"},
		"two sources":                  {"    value: JP\n", "    value: JP\n    from: person.name\n", "claims[2]", "either from or value"},
		"source without a dot":         {"residents.household", "residents", "claims[1].from", "must be such as"},
		"value of another type":        {"value: JP", "value: 81", "claims[2].value", "another type"},
		"value with Individual Number": {"value: JP", "value: 1234-5678-9018", "claims[2].value", "Individual Number"},
		"list without items":           {household + "    type: list\n    items:\n      type: object\n      members:\n        name: {type: text}\n        since: {type: full-date, optional: true}\n", household + "    type: list\n", "claims[1].items", "needed"},
		"items of a text":              {name, name + "    items: {type: text}\n", "claims[0].items", "for lists"},
		"object without members":       {"\n      members:\n        name: {type: text}\n        since: {type: full-date, optional: true}", "", "claims[1].items.members", "at least one"},
		"member of no type":            {"name: {type: text}", "name: {type: word}", "claims[1].items.members.name.type", "word"},
		"length of a list":             {household, household + "    max_length: 3\n", "claims[1].max_length", "texts"},
		"in no format":                 {"    sd_jwt: [name]\n    mdoc: [name]\n", "", "claims[0]", "no format"},
		"in a format that is not":      {"mdoc: {doctype: city.resident.1, namespace: city.resident}\n", "", "claims[0].mdoc", "no mdoc"},
		"three names in an mdoc":       {"mdoc: [name]", "mdoc: [a, b, name]", "claims[0].mdoc", "must be an element"},
		"empty name on the way":        {"sd_jwt: [name]", `sd_jwt: [name, ""]`, "claims[0]", "empty name"},
		"claim of the credential":      {"sd_jwt: [name]", "sd_jwt: [vct]", "claims[0].sd_jwt", "describes the credential"},
		"always within another":        {"sd_jwt: [country]", "sd_jwt: [place, country]", "claims[2].always_disclosed", "first level"},
		"path twice":                   {"sd_jwt: [country]", "sd_jwt: [name]", "claims[2].sd_jwt", "claims[0]"},
		"path within another":          {"sd_jwt: [country]", "sd_jwt: [household]", "claims[2].sd_jwt", "claims[1]"},
		"element twice": {
			"mdoc: [city.resident.2, household]", "mdoc: [city.resident, name]", "claims[1].mdoc", "claims[0]",
		},
		"My Number":               {"sd_jwt: [name]", "sd_jwt: [my_number]", "claims[0]", "Individual Number"},
		"My Number in an mdoc":    {"mdoc: [name]", "mdoc: [individual-number]", "claims[0]", "Individual Number"},
		"My Number of a member":   {"name: {type: text}", "個人番号: {type: identifier}", "claims[1].items.members.個人番号", "Individual Number"},
		"My Number of a register": {"residents.household", "residents.individual_number", "claims[1].from", "Individual Number"},
		"number of the framework": {"sd_jwt: [name]", "sd_jwt: [personal_administrative_number]", "claims[0]", "Individual Number"},
		"no claims":               {honest[strings.Index(honest, "claims:"):], "claims: []\n", "claims", "at least one"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			spoiled := strings.Replace(honest, tc.old, tc.new, 1)
			if spoiled == honest {
				t.Fatalf("%q is not in the block", tc.old)
			}
			_, err := catalogue.Parse([]byte(spoiled))
			if !has(err, tc.key, tc.text) {
				t.Errorf("no fault %q: %q in: %v", tc.key, tc.text, err)
			}
		})
	}
}

// has reports whether there is a fault with the key whose text contains text.
func has(err error, key, text string) bool {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, err := range joined.Unwrap() {
			if has(err, key, text) {
				return true
			}
		}
		return false
	}
	var fault *catalogue.Fault
	return errors.As(err, &fault) && fault.Key == key && strings.Contains(fault.Text, text)
}

// TestParseReportsAll finds every fault of a block at once.
func TestParseReportsAll(t *testing.T) {
	t.Parallel()
	spoiled := strings.NewReplacer("id: resident", "id: Resident\nunknown: 1", "person.name", "person.nothing", "value: JP", "value: 81").Replace(honest)
	_, err := catalogue.Parse([]byte(spoiled))
	for key, text := range map[string]string{
		"line 3": "unknown", "id": "needed", "claims[0].from": "person.nothing", "claims[2].value": "another type",
	} {
		if !has(err, key, text) {
			t.Errorf("no fault at %s in: %v", key, err)
		}
	}
}
