package source_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

const persons = `
persons:
  - name: 山田　花子
    address: 東京都清瀬市中里五丁目842番地
    birth_date: 1985-04-01
    sex: 2
    claims: {number: "0012", points: 3, born: 1985-04-01, active: true, list: [a, {b: c}], nothing: null}
  - pseudonym: known
    sex: 1
    claims: {number: pseudonym}
  - {name: 佐藤　健, birth_date: 2001-05-05, claims: {number: one}}
  - {name: 佐藤　健, birth_date: 2001-05-05, claims: {number: other}}
  - {pseudonym: twice, claims: {number: one}}
  - {pseudonym: twice, claims: {number: other}}
`

func person(name, address string, year int, month time.Month, d, sex int) *source.Person {
	return &source.Person{Name: name, Address: address, BirthDate: &credentials.FullDate{Year: year, Month: month, Day: d}, Sex: sex}
}

// TestFile finds people by pseudonym and by the four attributes, and nobody else.
func TestFile(t *testing.T) {
	t.Parallel()
	file, err := source.ParseFile([]byte(persons))
	if err != nil {
		t.Fatal(err)
	}
	hanako := person("山田　花子", "東京都清瀬市中里五丁目８４２番地", 1985, time.April, 1, 2)
	holds := func(pseudonym string) *evidence.Evidence {
		return &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{Pseudonym: pseudonym}}
	}
	want := source.Claims{
		"number": credentials.Text("0012"), "points": credentials.Int(3), "born": credentials.Text("1985-04-01"), "active": credentials.Bool(true),
		"list": credentials.Array{credentials.Text("a"), credentials.Object{"b": credentials.Text("c")}}, "nothing": credentials.Null{},
	}
	for about, e := range map[string]*evidence.Evidence{"card": holds("new"), "staff": evidence.BackOffice(time.Now())} {
		got, err := file.Claims(t.Context(), e, hanako, nil)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", about, err, diff)
		}
	}
	for about, tc := range map[string]struct {
		pseudonym string
		p         *source.Person
		want      error
	}{
		"pseudonym":                   {"known", person("誰か", "", 2000, time.May, 1, 1), nil},
		"pseudonym, other sex":        {"known", person("誰か", "", 2000, time.May, 1, 2), source.ErrAmbiguous},
		"pseudonym of two":            {"twice", hanako, source.ErrAmbiguous},
		"attributes of two":           {"", person("佐藤　健", "", 2001, time.May, 5, 0), source.ErrAmbiguous},
		"stranger":                    {"", person("誰か", "", 2000, time.May, 1, 1), source.ErrNoRecord},
		"other name":                  {"", person("山田　花", hanako.Address, 1985, time.April, 1, 2), source.ErrNoRecord},
		"other address":               {"", person("山田　花子", "京都府", 1985, time.April, 1, 2), source.ErrNoRecord},
		"other day":                   {"", person("山田　花子", hanako.Address, 1985, time.April, 2, 2), source.ErrNoRecord},
		"other sex":                   {"", person("山田　花子", hanako.Address, 1985, time.April, 1, 1), source.ErrNoRecord},
		"no birth date":               {"", &source.Person{Name: "山田　花子", Address: hanako.Address, Sex: 2}, source.ErrNoRecord},
		"record with pseudonym alone": {"", &source.Person{Sex: 1}, source.ErrNoRecord},
	} {
		_, err := file.Claims(t.Context(), holds(tc.pseudonym), tc.p, nil)
		if tc.want == nil && err != nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", about, err)
		}
	}
}

func TestNegFile(t *testing.T) {
	t.Parallel()
	for about, spoil := range map[string][2]string{
		"unknown key":   {"sex: 2", "sex: 2\n    email: 花子"},
		"not a number":  {"sex: 2", "sex: 花子"},
		"no such day":   {"birth_date: 1985-04-01", "birth_date: 1985-04-31"},
		"nobody":        {"pseudonym: known", "address: 花子"},
		"fraction":      {"points: 3", "points: 3.5"},
		"leading zero":  {`number: "0012"`, "number: 0012"},
		"two documents": {"persons:", "persons: []\n---\npersons:"},
		"no YAML":       {"persons:", "persons: [花子"},
		"alias":         {"number: pseudonym", "number: &a 花子, other: *a"},
	} {
		spoiled := strings.Replace(persons, spoil[0], spoil[1], 1)
		if spoiled == persons {
			t.Fatalf("%s: %q is not in the file", about, spoil[0])
		}
		_, err := source.ParseFile([]byte(spoiled))
		if err == nil {
			t.Errorf("%s: accepted", about)
		} else if strings.Contains(err.Error(), "花子") {
			t.Errorf("%s: the error repeats what it is about: %v", about, err)
		}
	}
}
