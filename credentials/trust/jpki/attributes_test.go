package jpki_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// otherName is one attribute of a certificate that a test makes.
type otherName struct {
	oid   asn1.ObjectIdentifier
	tag   cbasn1.Tag
	value string
}

func personal(n int, value string) otherName {
	return otherName{asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, n}, cbasn1.UTF8String, value}
}

// certificate returns a certificate of which only the names count.
func certificate(names []otherName) *x509.Certificate {
	context0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		// A name of another kind, which is to be ignored.
		b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte("test.invalid")) })
		for _, n := range names {
			b.AddASN1(context0, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(n.oid)
				b.AddASN1(context0, func(b *cryptobyte.Builder) {
					b.AddASN1(n.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(n.value)) })
				})
			})
		}
	})
	return &x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: b.BytesOrPanic()}}}
}

// honest are the attributes that every test starts from.
var honest = map[int]string{
	1: "山田　花子", 2: "00010", 3: "2", 4: "319850401", 5: "東京都清瀬市中里", 6: "00000000",
}

func names(changed map[int]string, further ...otherName) []otherName {
	values := maps.Clone(honest)
	maps.Copy(values, changed)
	var out []otherName
	for _, n := range []int{1, 4, 3, 5, 2, 6} {
		if values[n] != "-" {
			out = append(out, personal(n, values[n]))
		}
	}
	return append(out, further...)
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	got, err := jpki.ParseSignatureCertificate(certificate(names(nil)))
	if err != nil {
		t.Fatal(err)
	}
	want := &jpki.Attributes{
		Name: "山田　花子", NameSubstitutes: "00010", Address: "東京都清瀬市中里", AddressSubstitutes: "00000000",
		BirthDate: &credentials.FullDate{Year: 1985, Month: time.April, Day: 1}, Gender: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAttributeTable(t *testing.T) {
	t.Parallel()
	unknown := otherName{asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 7}, cbasn1.PrintableString, "x"}
	foreign := otherName{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, cbasn1.UTF8String, "x"}
	wrongType := personal(5, "Tokyo")
	wrongType.tag = cbasn1.PrintableString
	address := func(text string) map[int]string {
		return map[int]string{5: text, 6: strings.Repeat("0", len([]rune(text)))}
	}
	name := func(text string) map[int]string {
		return map[int]string{1: text, 2: strings.Repeat("0", len([]rune(text)))}
	}
	tests := []struct {
		name string
		sans []otherName
		ok   bool
	}{
		{"honest twin", names(nil), true},
		{"unknown attribute", names(nil, unknown), true},
		{"unknown attributes of one kind", names(nil, unknown, unknown), true},
		{"later attribute between the known ones", append([]otherName{unknown}, names(nil)...), true},
		{"attribute below one of the six", names(nil, otherName{asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, 1, 1}, cbasn1.UTF8String, "x"}), true},
		{"attribute zero", names(nil, personal(0, "x")), true},
		{"duplicate birth date", names(nil, personal(4, "319850401")), false},
		{"duplicate gender, other value", names(nil, personal(3, "1")), false},
		{"duplicate address, other type", names(nil, wrongType), false},
		{"attribute of somebody else", names(nil, foreign), true},
		{"no substitute flags", names(map[int]string{2: "-", 6: "-"}), true},
		{"duplicate name", names(nil, personal(1, "山田　花子")), false},
		{"duplicate flags", names(nil, personal(6, "00000000")), false},
		{"wrong string type", names(map[int]string{5: "-", 6: "-"}, wrongType), false},
		{"right string type", names(map[int]string{5: "-", 6: "-"}, personal(5, "Tokyo")), true},
		{"no name", names(map[int]string{1: "-", 2: "-"}), false},
		{"no gender", names(map[int]string{3: "-"}), false},
		{"no birth date", names(map[int]string{4: "-"}), false},
		{"no address", names(map[int]string{5: "-", 6: "-"}), false},
		{"no attributes", nil, false},
		{"gender 1", names(map[int]string{3: "1"}), true},
		{"gender 3", names(map[int]string{3: "3"}), true},
		{"gender 0", names(map[int]string{3: "0"}), false},
		{"gender 4", names(map[int]string{3: "4"}), false},
		{"gender with space", names(map[int]string{3: "1 "}), false},
		{"gender in full width", names(map[int]string{3: "１"}), false},
		{"empty name", names(name("")), false},
		{"name of spaces", names(name("　 ")), false},
		{"Latin name", names(name("SMITH JOHN")), true},
		{"supplementary kanji", names(name("𠮷田　花子")), true},
		{"variation selector", names(name("葛\U000E0100城　花子")), true},
		{"NUL in name", names(name("山田\x00花子")), false},
		{"line feed in name", names(name("山田\n花子")), false},
		{"right-to-left override", names(name("山田\u202e花子")), false},
		{"isolate", names(name("山田\u2066花子")), false},
		{"zero-width space", names(name("山田\u200b花子")), false},
		{"private use", names(name("山田\ue000花子")), false},
		{"private use, supplementary", names(name("山田\U000F0000花子")), false},
		{"replacement character", names(name("山田\ufffd花子")), false},
		{"full-width parentheses of a former name", names(name("山田（佐藤）　花子")), true},
		{"combining marks", names(name("カ\u3099ンマ")), true},
		{"line separator", names(name("山田\u2028花子")), false},
		{"not UTF-8", names(map[int]string{1: "\xff\xfe", 2: "00"}), false},
		{"flags too short", names(map[int]string{2: "0000"}), false},
		{"flags too long", names(map[int]string{2: "000000"}), false},
		{"flags per octet", names(map[int]string{2: strings.Repeat("0", len("山田　花子"))}), false},
		{"flags of other digits", names(map[int]string{2: "00020"}), false},
		{"empty flags", names(map[int]string{2: ""}), false},
		{"200 characters", names(address(strings.Repeat("東", 200))), true},
		{"201 characters", names(address(strings.Repeat("東", 201))), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := jpki.ParseSignatureCertificate(certificate(tt.sans))
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
			if err != nil && (!errors.Is(err, jpki.ErrAttributes) || strings.Contains(err.Error(), "山田")) {
				t.Errorf("error %q is of the wrong kind or quotes the name", err)
			}
		})
	}
}

func TestBirthDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"118990101":  "1899-01-01", // 明治
		"119120729":  "1912-07-29",
		"219120730":  "1912-07-30", // 大正
		"319261225":  "1926-12-25", // 昭和
		"319801231":  "1980-12-31",
		"419890108":  "1989-01-08", // 平成
		"420000229":  "2000-02-29",
		"520190501":  "2019-05-01", // 令和
		"520260401":  "2026-04-01",
		"000000000":  "unknown",
		"019800101":  "unknown",
		"319800000":  "unknown",
		"319801200":  "unknown",
		"300001231":  "unknown",
		"118680125":  "1868-01-25",
		"118680124":  "error",
		"119120730":  "1912-07-30", // the day is in both eras
		"119120731":  "error",
		"219120729":  "error",
		"219261225":  "1926-12-25",
		"219261226":  "error",
		"319261224":  "error",
		"319890107":  "1989-01-07",
		"319890108":  "error",
		"419890107":  "error",
		"420190430":  "2019-04-30",
		"420190501":  "error",
		"520190430":  "error",
		"420010229":  "error", // no leap year
		"219230000":  "unknown",
		"219230700":  "unknown",
		"319800031":  "unknown",
		"300000000":  "unknown",
		"319801300":  "error", // in part, and impossible
		"319800032":  "error",
		"000009900":  "error",
		"319000000":  "error",
		"620300101":  "error",
		"319800231":  "error",
		"319001231":  "error",
		"419991301":  "error",
		"31980123":   "error",
		"3198012311": "error",
		"3１9801231":  "error",
		"S19801231":  "error",
		"":           "error",
	} {
		a, err := jpki.ParseSignatureCertificate(certificate(names(map[int]string{4: text})))
		got := "error"
		if err == nil {
			got = "unknown"
			if a.BirthDate != nil {
				got = a.BirthDate.String()
			}
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestMalformedNames(t *testing.T) {
	t.Parallel()
	whole := certificate(names(nil))
	der := whole.Extensions[0].Value
	// The stored length makes every proper prefix and any suffix malformed.
	for n := range len(der) {
		cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: whole.Extensions[0].Id, Value: der[:n]}}}
		if _, err := jpki.ParseSignatureCertificate(cert); err == nil {
			t.Fatalf("%d of %d octets were accepted", n, len(der))
		}
	}
	for name, cert := range map[string]*x509.Certificate{
		"trailing octet": {Extensions: []pkix.Extension{{Id: whole.Extensions[0].Id, Value: append(der[:len(der):len(der)], 0)}}},
		"two extensions": {Extensions: []pkix.Extension{whole.Extensions[0], whole.Extensions[0]}},
		"no extension":   {},
	} {
		if _, err := jpki.ParseSignatureCertificate(cert); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestBornBeforeIssue refuses a date of birth after the certificate began, by
// the calendar in Japan.
func TestBornBeforeIssue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		begins time.Time
		ok     bool
	}{
		{time.Date(2026, 3, 31, 15, 0, 0, 0, time.UTC), true}, // 1 April in Japan
		{time.Date(2026, 3, 31, 14, 59, 59, 0, time.UTC), false},
	} {
		cert := certificate(names(map[int]string{4: "520260401"}))
		cert.NotBefore = tt.begins
		if _, err := jpki.ParseSignatureCertificate(cert); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.begins, err)
		}
	}
}
