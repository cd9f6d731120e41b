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

func TestStated(t *testing.T) {
	t.Parallel()
	today := credentials.FullDate{Year: 2026, Month: time.November, Day: 23}
	born := func(year int, month time.Month, day int) *credentials.FullDate {
		return &credentials.FullDate{Year: year, Month: month, Day: day}
	}
	for name, p := range map[string]source.Person{
		"all":           {Name: "佐藤　健", Address: "北海道札幌市中央区北一条西２丁目", BirthDate: born(2001, time.May, 5), Sex: 1},
		"name alone":    {Name: "Anna O'Neil-Müller"},
		"born today":    {Name: "佐藤　健", BirthDate: born(2026, time.November, 23)},
		"sex of none":   {Name: "佐藤　健", Sex: 9},
		"longest":       {Name: strings.Repeat("健", 200), Address: strings.Repeat("健", 500)},
		"twelve digits": {Name: "佐藤　健", Address: "電話 123456789012"}, // not an Individual Number by its check digit
	} {
		got, err := source.Stated(p, today)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(p, *got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, p := range map[string]source.Person{
		"no name":                  {Address: "札幌市"},
		"blank name":               {Name: " \u3000"},
		"long name":                {Name: strings.Repeat("健", 201)},
		"long address":             {Name: "佐藤　健", Address: strings.Repeat("健", 501)},
		"Individual Number":        {Name: "佐藤　健", Address: "札幌市 1234-5678-9018"},
		"Individual Number, wide":  {Name: "佐藤　健 １２３４５６７８９０１８"},
		"control character":        {Name: "佐藤\n健"},
		"direction of writing":     {Name: "佐藤\u202e健"},
		"born tomorrow":            {Name: "佐藤　健", BirthDate: born(2026, time.November, 24)},
		"born long ago":            {Name: "佐藤　健", BirthDate: born(1801, time.May, 5)},
		"sex of another code list": {Name: "佐藤　健", Sex: 3},
	} {
		_, err := source.Stated(p, today)
		if !errors.Is(err, source.ErrUnusable) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "佐健札１") {
			t.Errorf("%s: the error repeats what it is about: %v", name, err)
		}
	}
}

// TestCertificateWithout refuses evidence that has no certificate to read.
func TestCertificateWithout(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*evidence.Evidence{
		"none":          nil,
		"back office":   evidence.BackOffice(time.Now()),
		"one that lost": {Kind: evidence.KindJPKISignature},
	} {
		if p, err := (source.Certificate{}).Person(t.Context(), e); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
