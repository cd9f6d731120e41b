package jpkitest_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

var start = time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)

func newJPKI(t *testing.T) *jpkitest.JPKI {
	t.Helper()
	j, err := jpkitest.New(jpkitest.Options{Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestPeople(t *testing.T) {
	t.Parallel()
	j := newJPKI(t)
	policy, err := j.Policy(jpki.Signature)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range jpkitest.People() {
		card, err := j.NewCard(p, jpkitest.CardOptions{})
		if err != nil {
			t.Fatalf("%s: %v", p.Key, err)
		}
		if p.NoSignature {
			if _, err := card.Sign(jpkitest.SignPIN, nil); card.SignatureCertificate() != nil || !errors.Is(err, jpkitest.ErrNoCertificate) {
				t.Errorf("%s: signed with %v", p.Key, err)
			}
			continue
		}
		cert := card.SignatureCertificate()
		if _, err := policy.Verify(t.Context(), cert, nil); err != nil {
			t.Errorf("%s: %v", p.Key, err)
		}
		a, err := jpki.ParseSignatureCertificate(cert)
		if err != nil {
			t.Errorf("%s: %v", p.Key, err)
			continue
		}
		if a.Name != p.Name || a.Address != p.Address || a.NameSubstitutes != p.NameSubstitutes || utf8.RuneCountInString(a.Address) > 200 {
			t.Errorf("%s: attributes %+v", p.Key, a)
		}
		if unknown := p.BirthDate[5:] == "0000"; unknown != (a.BirthDate == nil) {
			t.Errorf("%s: birth date %v", p.Key, a.BirthDate)
		}
	}
}

// TestShape holds order and criticality of extensions to those of the real
// certificates.
func TestShape(t *testing.T) {
	t.Parallel()
	j := newJPKI(t)
	card, err := j.NewCard(jpkitest.People()[0], jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	aia := "1.3.6.1.5.5.7.1.1"
	for _, tt := range []struct {
		name string
		got  []string
		want []string
	}{
		{"CA", extensions(j.Anchors(jpki.Signature)[0].Certificate.Extensions), []string{"2.5.29.15!", "2.5.29.17", "2.5.29.19!", "2.5.29.31", "2.5.29.14"}},
		{"signature", extensions(card.SignatureCertificate().Extensions), []string{"2.5.29.15!", "2.5.29.17", "2.5.29.32!", "2.5.29.18", "2.5.29.31", "2.5.29.35", "2.5.29.14"}},
		{"authentication", extensions(card.AuthenticationCertificate().Extensions), []string{"2.5.29.15!", "2.5.29.37", "2.5.29.32!", "2.5.29.18", "2.5.29.31", aia, "2.5.29.35", "2.5.29.14"}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	if bytes.Contains(j.Anchors(jpki.Signature)[0].Certificate.RawSubject, []byte("Japan Agency")) {
		t.Error("the CA has the name of the real operator")
	}
}

func TestPINCounters(t *testing.T) {
	t.Parallel()
	card, err := newJPKI(t).NewCard(jpkitest.People()[0], jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	try := func(pin string, want error) {
		t.Helper()
		if _, err := card.Sign(pin, []byte("x")); !errors.Is(err, want) {
			t.Errorf("Sign with %q: %v, want %v", pin, err, want)
		}
	}
	for _, pin := range []string{"", "ABCDE", "ABCDEFGHIJKLMNOPQ", "tegata123", "TEGATA 123"} {
		try(pin, jpkitest.ErrPINFormat)
	}
	for range 4 {
		try("WRONG1", jpkitest.ErrWrongPIN)
	}
	try(jpkitest.SignPIN, nil) // resets the counter
	if sign, _ := card.TriesLeft(); sign != 5 {
		t.Errorf("%d tries left after the right PIN", sign)
	}
	for range 4 {
		try("WRONG1", jpkitest.ErrWrongPIN)
	}
	try("WRONG1", jpkitest.ErrBlocked)
	try(jpkitest.SignPIN, jpkitest.ErrBlocked)
	// The other PIN has a counter of its own.
	if _, err := card.Authenticate(jpkitest.AuthPIN, []byte("x")); err != nil {
		t.Error(err)
	}
	got := slices.Collect(func(yield func(bool) bool) {
		for range 4 {
			_, err := card.Authenticate("0000", nil)
			if !yield(errors.Is(err, jpkitest.ErrBlocked)) {
				return
			}
		}
	})
	if diff := cmp.Diff([]bool{false, false, true, true}, got); diff != "" {
		t.Error(diff)
	}
}

// TestCardFile writes a card down and reads it again, counters and all.
func TestCardFile(t *testing.T) {
	t.Parallel()
	j := newJPKI(t)
	for _, key := range []string{"hanako", "child"} {
		person, _ := jpkitest.PersonByKey(key)
		card, err := j.NewCard(person, jpkitest.CardOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = card.Authenticate("0000", nil) // one try is lost
		data, err := json.Marshal(card)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jpkitest.ReadCard(data)
		if err != nil {
			t.Fatal(err)
		}
		if sign, auth := again.TriesLeft(); auth != 2 || (sign == 5) != (key == "hanako") {
			t.Errorf("%s: %d and %d tries left", key, sign, auth)
		}
		a, errA := card.Sign(jpkitest.SignPIN, []byte("x"))
		b, errB := again.Sign(jpkitest.SignPIN, []byte("x"))
		if !bytes.Equal(a, b) || !errors.Is(errB, errA) || again.Person != card.Person {
			t.Errorf("%s: the card that was read is another one: %v, %v", key, errA, errB)
		}
	}
	for _, data := range []string{"", "{}", `{"authentication":{}}`, `{"authentication":{"certificate":"AAAA","key":"AAAA"}}`} {
		if _, err := jpkitest.ReadCard([]byte(data)); err == nil {
			t.Errorf("%q was read", data)
		}
	}
}

// extensions lists OIDs, critical ones with a mark.
func extensions(list []pkix.Extension) []string {
	var out []string
	for _, e := range list {
		text := e.Id.String()
		if e.Critical {
			text += "!"
		}
		out = append(out, text)
	}
	return out
}
