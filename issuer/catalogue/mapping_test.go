package catalogue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/source"
)

var jpeg = credentials.Bytes{0xff, 0xd8, 0xff, 0xe0, 1}

func day(year int, month time.Month, d int) credentials.FullDate {
	return credentials.FullDate{Year: year, Month: month, Day: d}
}

// hanako is somebody whom both registers of the shipped types know. What came
// over JSON is text.
func hanako() catalogue.Subject {
	born := day(1985, time.April, 1)
	return catalogue.Subject{
		Today: day(2026, time.November, 23), IssuerJA: "手形市", IssuerEN: "Tegata City",
		Person: &source.Person{Name: "山田　花子", Address: "東京都清瀬市中里五丁目８４２番地", BirthDate: &born, Sex: 2, Claims: map[string]source.Claims{
			"residents": {
				"nationality":    credentials.Array{credentials.Text("JP"), credentials.Text("BR")},
				"place_of_birth": credentials.Object{"country": credentials.Text("JP"), "locality": credentials.Text("札幌市")},
				"portrait":       credentials.Text("/9j_4AE"), "postal_code": credentials.Text("2040003"),
			},
			"companies": {
				"corporate_number": credentials.Text("1700150099901"), "organization_name": credentials.Text("手形商事株式会社"),
				"registered_office": credentials.Text("東京都千代田区大手町一丁目１番１号"), "authority": credentials.Text("代表取締役"),
				"registered_as_of": credentials.Text("2026-11-20"),
			},
			"licences": {
				"family_name": credentials.Text("YAMADA"), "given_name": credentials.Text("HANAKO"), "document_number": credentials.Text("123456789018"),
				"issue_date": credentials.Text("2024-04-10"), "expiry_date": day(2029, time.May, 1), "portrait": jpeg,
				"driving_privileges": credentials.Array{credentials.Object{
					"vehicle_category_code": credentials.Text("B"), "issue_date": credentials.Text("2004-04-10"),
					"codes": credentials.Array{credentials.Object{"code": credentials.Text("01")}},
				}},
			},
		}},
	}
}

func find(t *testing.T, id string) *catalogue.Type {
	t.Helper()
	types, err := catalogue.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range types {
		if each.ID == id {
			return each
		}
	}
	t.Fatalf("there is no type %s", id)
	return nil
}

// TestShippedTypes maps one person to the types of others, by their names.
func TestShippedTypes(t *testing.T) {
	t.Parallel()
	born, place := day(1985, time.April, 1), credentials.Object{"country": credentials.Text("JP"), "locality": credentials.Text("札幌市")}
	nationality := credentials.Array{credentials.Text("JP"), credentials.Text("BR")}
	for _, tc := range []struct {
		id     string
		format credentials.Format
		want   credentials.Object
	}{
		{"eu_pid", credentials.FormatSDJWTVC, credentials.Object{
			"family_name": credentials.Text("山田"), "given_name": credentials.Text("花子"), "birthdate": born,
			"place_of_birth": place, "nationalities": nationality, "picture": credentials.Text("data:image/jpeg;base64,/9j/4AE="), "sex": credentials.Int(2),
			"address": credentials.Object{
				"formatted": credentials.Text("東京都清瀬市中里五丁目８４２番地"), "country": credentials.Text("JP"), "postal_code": credentials.Text("2040003"),
			},
			"issuing_authority": credentials.Text("Tegata City"), "issuing_country": credentials.Text("JP"),
		}},
		{"eu_pid", credentials.FormatMdoc, credentials.Object{"eu.europa.ec.eudi.pid.1": credentials.Object{
			"family_name": credentials.Text("山田"), "given_name": credentials.Text("花子"), "birth_date": born,
			"place_of_birth": place, "nationality": nationality, "portrait": jpeg, "sex": credentials.Int(2),
			"resident_address": credentials.Text("東京都清瀬市中里五丁目８４２番地"), "resident_country": credentials.Text("JP"), "resident_postal_code": credentials.Text("2040003"),
			"issuing_authority": credentials.Text("Tegata City"), "issuing_country": credentials.Text("JP"),
		}}},
		{"mdl", credentials.FormatMdoc, credentials.Object{"org.iso.18013.5.1": credentials.Object{
			"family_name": credentials.Text("YAMADA"), "given_name": credentials.Text("HANAKO"), "birth_date": born,
			"family_name_national_character": credentials.Text("山田"), "given_name_national_character": credentials.Text("花子"),
			"issue_date": day(2024, time.April, 10), "expiry_date": day(2029, time.May, 1), "portrait": jpeg,
			"document_number": credentials.Text("123456789018"), "issuing_country": credentials.Text("JP"), "issuing_authority": credentials.Text("Tegata City"),
			"un_distinguishing_sign": credentials.Text("J"), "sex": credentials.Int(2), "resident_address": credentials.Text("東京都清瀬市中里五丁目８４２番地"),
			"driving_privileges": credentials.Array{credentials.Object{
				"vehicle_category_code": credentials.Text("B"), "issue_date": day(2004, time.April, 10),
				"codes": credentials.Array{credentials.Object{"code": credentials.Text("01")}},
			}},
			"age_over_18": credentials.Bool(true), "age_over_20": credentials.Bool(true), "age_over_65": credentials.Bool(false),
			"age_over_70": credentials.Bool(false), "age_over_75": credentials.Bool(false),
		}}},
	} {
		got, err := find(t, tc.id).Map(tc.format, hanako())
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s, %s: %v %s", tc.id, tc.format, err, diff)
		}
	}
	// Who wants no portrait shown has an empty one.
	s := hanako()
	s.Person.Claims["residents"]["portrait"] = credentials.Bytes{}
	for format, path := range map[credentials.Format]credentials.Path{
		credentials.FormatSDJWTVC: credentials.PathOf("picture"), credentials.FormatMdoc: credentials.PathOf("eu.europa.ec.eudi.pid.1", "portrait"),
	} {
		got, err := find(t, "eu_pid").Map(format, s)
		if values, _ := path.Select(got); err != nil || len(values) != 1 {
			t.Errorf("%s: the portrait is %v, %v", format, values, err)
		}
	}
}

// TestNegMap spoils what is known of the person in one place at a time: nothing
// is issued of it, and the error says where and not what.
func TestNegMap(t *testing.T) {
	t.Parallel()
	type spoil = func(p *source.Person)
	register := func(name, claim string, v credentials.Value) spoil {
		return func(p *source.Person) {
			if v == nil {
				delete(p.Claims[name], claim)
			} else {
				p.Claims[name][claim] = v
			}
		}
	}
	long := credentials.Text(strings.Repeat("a", 151))
	for about, tc := range map[string]struct {
		id, where string
		spoil     spoil
	}{
		"PID without nationality":         {"eu_pid", "national", register("residents", "nationality", nil)},
		"PID of no nationality":           {"eu_pid", "national", register("residents", "nationality", credentials.Array{})},
		"PID, nationality of a number":    {"eu_pid", "national", register("residents", "nationality", credentials.Array{credentials.Int(392)})},
		"PID, nationality in three":       {"eu_pid", "national", register("residents", "nationality", credentials.Array{credentials.Text("JPN")})},
		"PID without place of birth":      {"eu_pid", "place_of_birth", register("residents", "place_of_birth", nil)},
		"PID, place of nothing":           {"eu_pid", "place_of_birth", register("residents", "place_of_birth", credentials.Object{})},
		"PID, place with a stranger":      {"eu_pid", "place_of_birth", register("residents", "place_of_birth", credentials.Object{"hospital": credentials.Text("x")})},
		"PID, place that is a text":       {"eu_pid", "place_of_birth", register("residents", "place_of_birth", credentials.Text("札幌市"))},
		"PID without portrait":            {"eu_pid", "", register("residents", "portrait", nil)},
		"PID, portrait of a program":      {"eu_pid", "JPEG", register("residents", "portrait", credentials.Bytes("MZ"))},
		"PID, portrait too large":         {"eu_pid", "larger", register("residents", "portrait", append(jpeg, make([]byte, 128<<10)...))},
		"PID, portrait that is no base64": {"eu_pid", "base64", register("residents", "portrait", credentials.Text("**"))},
		"PID without a register":          {"eu_pid", "", func(p *source.Person) { p.Claims = nil }},
		"PID without a birth date":        {"eu_pid", "birth", func(p *source.Person) { p.BirthDate = nil }},
		"PID, name of one part":           {"eu_pid", "family_name", func(p *source.Person) { p.Name = "SMITH JOHN" }},
		"PID, long family name":           {"eu_pid", "longer", func(p *source.Person) { p.Name = string(long) + "　花子" }},
		"PID, My Number in the place": {
			"eu_pid", "Individual Number", register("residents", "place_of_birth", credentials.Object{"locality": credentials.Text("札幌 1234-5678-9018")}),
		},
		"mDL without privileges":          {"mdl", "driving_privileges", register("licences", "driving_privileges", nil)},
		"mDL, privilege without category": {"mdl", "vehicle_category_code", register("licences", "driving_privileges", credentials.Array{credentials.Object{}})},
		"mDL, date of a privilege": {"mdl", "issue_date", register("licences", "driving_privileges", credentials.Array{
			credentials.Object{"vehicle_category_code": credentials.Text("B"), "issue_date": credentials.Text("2004-02-30")},
		})},
		"mDL, expiry of text":                 {"mdl", "expiry_date", register("licences", "expiry_date", credentials.Text("never"))},
		"mDL, Japanese in Latin":              {"mdl", "8859-1", register("licences", "family_name", credentials.Text("山田"))},
		"mDL, long Latin":                     {"mdl", "longer", register("licences", "family_name", long)},
		"mDL, control in a number":            {"mdl", "control", register("licences", "document_number", credentials.Text("1\n2"))},
		"mDL without number":                  {"mdl", "document_number", register("licences", "document_number", credentials.Null{})},
		"mDL, empty number":                   {"mdl", "document_number", register("licences", "document_number", credentials.Text(""))},
		"representative of no company":        {"company_representative", "", func(p *source.Person) { delete(p.Claims, "companies") }},
		"representative, wrong number":        {"company_representative", "corporate number", register("companies", "corporate_number", credentials.Text("2700150099901"))},
		"representative, short number":        {"company_representative", "corporate number", register("companies", "corporate_number", credentials.Text("700150099901"))},
		"representative, number in kana":      {"company_representative", "corporate number", register("companies", "corporate_number", credentials.Text("１７００１５００９９９０１"))},
		"representative, a number as one":     {"company_representative", "corporate_number", register("companies", "corporate_number", credentials.Int(1700150099901))},
		"representative of no authority":      {"company_representative", "authority", register("companies", "authority", nil)},
		"representative since never":          {"company_representative", "registered_as_of", register("companies", "registered_as_of", nil)},
		"representative without a birth date": {"company_representative", "birth", func(p *source.Person) { p.BirthDate = nil }},
		"flagship, My Number in a name":       {"identity", "Individual Number", func(p *source.Person) { p.Name = "123456789018" }},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
				if tc.id == "mdl" && format == credentials.FormatSDJWTVC {
					continue
				}
				s := hanako()
				if _, err := find(t, tc.id).Map(format, s); err != nil {
					t.Fatalf("honest twin: %v", err)
				}
				tc.spoil(s.Person)
				got, err := find(t, tc.id).Map(format, s)
				if !errors.Is(err, catalogue.ErrIncomplete) || !strings.Contains(err.Error(), tc.where) || got != nil {
					t.Errorf("%s: %v, %v", format, got, err)
				}
				if err != nil && strings.ContainsAny(err.Error(), "札山花") {
					t.Errorf("%s: the error repeats what it is about: %v", format, err)
				}
			}
		})
	}
}

// TestKinds reads a value of every kind, and refuses those of others.
func TestKinds(t *testing.T) {
	t.Parallel()
	values := map[string]credentials.Value{
		"text": credentials.Text("漢字"), "bool": credentials.Bool(false), "unsigned": credentials.Int(0), "bytes": credentials.Bytes("x"),
		"full-date": day(2026, time.May, 5), "time": credentials.Time{Time: time.Date(2026, 5, 5, 1, 2, 3, 0, time.UTC)},
	}
	fits := map[string][]string{"identifier": {"text"}, "integer": {"unsigned"}}
	for _, kind := range []string{"text", "identifier", "bool", "unsigned", "integer", "bytes", "full-date", "time"} {
		block := "id: x\nname: {ja: x, en: x}\nsd_jwt: {vct: x}\nclaims:\n  - {name: {ja: x, en: x}, from: r.x, type: " + kind + ", sd_jwt: [x]}\n"
		parsed, err := catalogue.Parse([]byte(block))
		if err != nil {
			t.Fatal(err)
		}
		for given, v := range values {
			want := given == kind || len(fits[kind]) > 0 && fits[kind][0] == given
			got, err := parsed.Map(credentials.FormatSDJWTVC, catalogue.Subject{Person: &source.Person{Claims: map[string]source.Claims{"r": {"x": v}}}})
			if (err == nil) != want {
				t.Errorf("%s as %s: %v", given, kind, err)
			}
			if diff := cmp.Diff(credentials.Object{"x": v}, got); want && diff != "" {
				t.Errorf("%s as %s: %s", given, kind, diff)
			}
		}
		for text, as := range map[string]string{"2026-05-05": "full-date", "2026-05-05T10:02:03+09:00": "time", "eA==": "bytes", "eA": "bytes"} {
			if as != kind {
				continue
			}
			got, err := parsed.Map(credentials.FormatSDJWTVC, catalogue.Subject{Person: &source.Person{Claims: map[string]source.Claims{"r": {"x": credentials.Text(text)}}}})
			if diff := cmp.Diff(credentials.Object{"x": values[as]}, got); err != nil || diff != "" {
				t.Errorf("%s as %s: %v %s", text, kind, err, diff)
			}
		}
	}
}
