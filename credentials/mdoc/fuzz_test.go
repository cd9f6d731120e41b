package mdoc_test

import (
	"errors"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/mdoc"
)

// FuzzDeviceResponse holds the verifier to typed errors, whatever comes. The
// keys are new in every process, so that no input but a seed can verify.
func FuzzDeviceResponse(f *testing.F) {
	w := newWorld(f)
	f.Add(readHex(f, "annex_d_device_response.hex"))
	f.Add(forgery{}.build(f, w))
	f.Add(forgery{deviceNS: object{standard: object{"note": "x"}}}.build(f, w))
	response, err := mdoc.Present(w.issue(f), []credentials.Path{credentials.PathOf(standard, "nested")}, binding(), w.holder)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(response)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := w.verifier().Verify(t.Context(), data, binding())
		var e *mdoc.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("untyped error %v", err)
		}
		if (got == nil) == (err == nil) {
			t.Errorf("result %v with error %v", got, err)
		}
	})
}

// FuzzIssuerSigned holds what a wallet reads: typed errors, and nothing that was
// not issued here verifies.
func FuzzIssuerSigned(f *testing.F) {
	w := newWorld(f)
	honest := w.issue(f)
	f.Add(honest)
	f.Add([]byte{0xa2})
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := mdoc.Parse(data)
		var e *mdoc.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("untyped error %v", err)
		}
		if err == nil && (u.HolderKey == nil || u.DocType == "") {
			t.Errorf("read %+v", u)
		}
		got, verifyErr := mdoc.VerifyIssued(t.Context(), data, w.policy, now())
		if verifyErr == nil && (err != nil || got.Type != docType) {
			t.Errorf("verified %+v, which reads as %v", got, err)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	w := newWorld(b)
	d := w.draft()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mdoc.Issue(d, w.signer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	var paths []credentials.Path
	for _, name := range []string{"birth_date", "sex", "portrait", "age_over_20"} {
		paths = append(paths, credentials.PathOf(standard, name))
	}
	response, err := mdoc.Present(w.issue(b), paths, binding(), w.holder)
	if err != nil {
		b.Fatal(err)
	}
	v := w.verifier()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), response, binding()); err != nil {
			b.Fatal(err)
		}
	}
}
