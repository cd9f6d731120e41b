package source_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

func hanako() jpki.Attributes {
	return jpki.Attributes{
		Name: "山田　花子", NameSubstitutes: "00000", Address: "東京都清瀬市中里五丁目８４２番地", AddressSubstitutes: "0000000000000000",
		BirthDate: &credentials.FullDate{Year: 1985, Month: time.April, Day: 1}, Gender: 2,
	}
}

func signed(a jpki.Attributes) *evidence.Evidence {
	return &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{Attributes: a}}
}

func TestPerson(t *testing.T) {
	t.Parallel()
	a := hanako()
	got, err := source.Certificate{}.Person(t.Context(), signed(a))
	want := &source.Person{
		Name: a.Name, NameSubstitutes: a.NameSubstitutes, Address: a.Address, AddressSubstitutes: a.AddressSubstitutes,
		BirthDate: a.BirthDate, Sex: 2,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for gender, sex := range map[int]int{1: 1, 2: 2, 3: 0, 0: 0} {
		a.Gender = gender
		if p, err := (source.Certificate{}).Person(t.Context(), signed(a)); err != nil || p.Sex != sex {
			t.Errorf("gender %d is sex %d, %v", gender, p.Sex, err)
		}
	}
}

func TestNegText(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*jpki.Attributes){
		"Individual Number in the address":    func(a *jpki.Attributes) { a.Address += "９８３２０５６７３２１４" },
		"Individual Number with spaces, name": func(a *jpki.Attributes) { a.Name = "9832 0567 3214" },
		"I31 NUL":                             func(a *jpki.Attributes) { a.Name += "\x00" },
		"I31 line end":                        func(a *jpki.Attributes) { a.Address += "\n" },
		"I31 text direction":                  func(a *jpki.Attributes) { a.Name += "\u202e" },
		"I31 what could not be read as UTF-8": func(a *jpki.Attributes) { a.Name += "\ufffd" },
		"I31 isolate":                         func(a *jpki.Attributes) { a.Address += "\u2066" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := hanako()
			if _, err := (source.Certificate{}).Person(t.Context(), signed(a)); err != nil {
				t.Fatalf("honest twin: %v", err)
			}
			spoil(&a)
			if _, err := (source.Certificate{}).Person(t.Context(), signed(a)); !errors.Is(err, source.ErrUnusable) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, normalized, family, given string }{
		{"山田　花子", "山田 花子", "山田", "花子"},
		{"髙橋　一郎", "髙橋 一郎", "髙橋", "一郎"},
		{"スミス　ジョン", "スミス ジョン", "スミス", "ジョン"},
		{"SMITH JOHN", "SMITH JOHN", "", ""},
		{"ＳＭＩＴＨ　ＪＯＨＮ　ＰＡＵＬ", "SMITH JOHN PAUL", "", ""},
		{"山田花子", "山田花子", "", ""},
		{"山田　花子（佐藤）", "山田 花子(佐藤)", "", ""},
		{"　花子", "花子", "", ""},
		{"ｶﾀｶﾅ　花子", "カタカナ 花子", "ｶﾀｶﾅ", "花子"},
	} {
		p := &source.Person{Name: tc.name}
		if got := p.NormalizedName(); got != tc.normalized {
			t.Errorf("%q is normalised to %q", tc.name, got)
		}
		family, given, ok := p.FamilyAndGivenName()
		if family != tc.family || given != tc.given || ok != (tc.family != "") {
			t.Errorf("%q is split into %q and %q", tc.name, family, given)
		}
	}
}
