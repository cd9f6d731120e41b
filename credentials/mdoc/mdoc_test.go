package mdoc_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func TestIssueAndParse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draft()
	got, err := mdoc.Parse(w.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Claims, got.Elements); diff != "" {
		t.Error(diff)
	}
	if got.DocType != d.Type || !w.holder.PublicKey.Equal(got.HolderKey) || len(got.Chain) != 1 {
		t.Errorf("doctype %q, holder %v, %d certificates", got.DocType, got.HolderKey, len(got.Chain))
	}
	if diff := cmp.Diff(d.Status, got.Status); diff != "" {
		t.Error(diff)
	}
	if !got.SignedAt.Equal(d.SignedAt) || !got.ValidFrom.Equal(d.ValidFrom) || !got.ValidUntil.Equal(d.ValidUntil) {
		t.Errorf("%v, %v, %v", got.SignedAt, got.ValidFrom, got.ValidUntil)
	}
	if got, err := mdoc.VerifyIssued(t.Context(), w.issue(t), w.policy, clock); err != nil || !w.holder.PublicKey.Equal(got.HolderKey) {
		t.Errorf("VerifyIssued: %v", err)
	}
}

func TestPresentAndVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	dcapi := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: "nonce", Origin: "https://verifier.example"}
	for name, b := range map[string]credentials.Binding{"redirect": binding(), "DC API": dcapi} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paths := []credentials.Path{credentials.PathOf(docType, "name"), credentials.PathOf(standard, "sex"), credentials.PathOf(standard, "sex")}
			response, err := mdoc.Present(raw, paths, b, w.holder)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.verifier().Verify(t.Context(), response, b)
			if err != nil {
				t.Fatal(err)
			}
			want := credentials.Object{
				docType:  credentials.Object{"name": credentials.Text("髙橋　花子")},
				standard: credentials.Object{"sex": credentials.Int(2)},
			}
			if diff := cmp.Diff(want, got.Claims); diff != "" {
				t.Error(diff)
			}
			if got.Format != credentials.FormatMdoc || got.Type != docType || got.Status.Index != 4711 || !w.holder.PublicKey.Equal(got.HolderKey) || len(got.Chain) != 2 {
				t.Errorf("got %+v", got)
			}
			names := map[string]bool{}
			for _, c := range got.Checks {
				names[c.Name] = true
			}
			for _, name := range []string{"issuer_chain", "issuer_signature", "digests", "validity", "doctype", "device_signature"} {
				if !names[name] {
					t.Errorf("check %s is missing", name)
				}
			}
			if bytes.Contains(response, []byte("千代田")) {
				t.Error("an element that was not selected is in the response")
			}
		})
	}
}

func TestPresentNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	response, err := mdoc.Present(w.issue(t), nil, binding(), w.holder)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.verifier().Verify(t.Context(), response, binding()); err != nil || len(got.Claims) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPresentRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	other, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mdoc.Present(raw, []credentials.Path{credentials.PathOf(docType, "name")}, binding(), w.holder); err != nil {
		t.Errorf("honest twin: %v", err)
	}
	for name, c := range map[string]struct {
		path   credentials.Path
		holder crypto.Signer
		b      credentials.Binding
	}{
		"namespace alone": {credentials.PathOf(docType), w.holder, binding()},
		"wildcard":        {credentials.Path{credentials.Name(docType), credentials.All()}, w.holder, binding()},
		"no such element": {credentials.PathOf(docType, "nickname"), w.holder, binding()},
		"other holder":    {credentials.PathOf(docType, "name"), other, binding()},
		"no holder":       {credentials.PathOf(docType, "name"), nil, binding()},
		"no binding":      {credentials.PathOf(docType, "name"), w.holder, credentials.Binding{}},
	} {
		if _, err := mdoc.Present(raw, []credentials.Path{c.path}, c.b, c.holder); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// hsm is a signer that shows nothing but its interface.
type hsm struct{ key *ecdsa.PrivateKey }

func (h hsm) Public() crypto.PublicKey { return h.key.Public() }
func (h hsm) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc().Size() != len(digest) {
		return nil, errors.New("digest of another length than its hash")
	}
	return h.key.Sign(random, digest, opts)
}

func TestOtherCurvesAndOpaqueSigners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, curve := range []elliptic.Curve{elliptic.P384(), elliptic.P521()} {
		issuer, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if w.holder, err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
		w.signer = newSigner(t, w.ca, trusttest.LeafOptions{Signer: hsm{issuer}})
		response, err := mdoc.Present(w.issue(t), []credentials.Path{credentials.PathOf(standard, "portrait")}, binding(), hsm{w.holder})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.verifier().Verify(t.Context(), response, binding()); err != nil {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := mdoc.Issue(w.draft(), w.signer); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	leaf := w.signer.Leaf()
	deep := credentials.Value(credentials.Int(1))
	for range 7 {
		deep = credentials.Array{deep}
	}
	for name, edit := range map[string]func(*credentials.Draft){
		"no doctype":                          func(d *credentials.Draft) { d.Type = "" },
		"no claims":                           func(d *credentials.Draft) { d.Claims = nil },
		"claims without namespace":            func(d *credentials.Draft) { d.Claims = credentials.Object{"name": credentials.Text("x")} },
		"empty namespace":                     func(d *credentials.Draft) { d.Claims[docType] = credentials.Object{} },
		"value nested too deep":               func(d *credentials.Draft) { d.Claims[docType] = credentials.Object{"x": deep} },
		"nil value":                           func(d *credentials.Draft) { d.Claims[docType] = credentials.Object{"x": nil} },
		"no holder key":                       func(d *credentials.Draft) { d.HolderKey = nil },
		"P18 holder key of the issuer":        func(d *credentials.Draft) { d.HolderKey = w.signer.Signer.Public() },
		"status without address":              func(d *credentials.Draft) { d.Status.URI = "" },
		"MSO-05 fraction of a second":         func(d *credentials.Draft) { d.SignedAt = d.SignedAt.Add(-time.Millisecond) },
		"MSO-05 no time of signing":           func(d *credentials.Draft) { d.SignedAt = time.Time{} },
		"MSO-05 valid before signed":          func(d *credentials.Draft) { d.ValidFrom = d.SignedAt.Add(-time.Second) },
		"MSO-05 no validity":                  func(d *credentials.Draft) { d.ValidUntil = d.ValidFrom },
		"MSO-05 signed before certificate":    func(d *credentials.Draft) { d.SignedAt = leaf.NotBefore.Add(-time.Second) },
		"MSO-05 valid longer than the signer": func(d *credentials.Draft) { d.ValidUntil = leaf.NotAfter.Add(time.Second) },
	} {
		d := w.draft()
		edit(&d)
		if _, err := mdoc.Issue(d, w.signer); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, err := mdoc.Issue(w.draft(), &keys.Key{Signer: w.holder, Chain: w.signer.Chain}); err == nil {
		t.Error("certificate of another key: issued")
	}
	if _, err := mdoc.Issue(w.draft(), &keys.Key{Signer: w.signer.Signer}); err == nil {
		t.Error("no certificate: issued")
	}
}

// TestDigestIDsAreShuffled makes sure that digestIDs do not follow the names.
func TestDigestIDsAreShuffled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draft()
	elements := credentials.Object{}
	for _, r := range "abcdefghijklmnop" {
		elements[string(r)] = credentials.Int(r)
	}
	d.Claims = credentials.Object{standard: elements}
	orders := map[string]bool{}
	for range 4 {
		raw, err := mdoc.Issue(d, w.signer)
		if err != nil {
			t.Fatal(err)
		}
		order := ""
		for _, it := range decodeItems(t, raw, standard) {
			order += string(rune('A' + *it.DigestID))
			if len(it.Random) != 32 {
				t.Errorf("random of %d bytes", len(it.Random))
			}
		}
		orders[order] = true
	}
	if len(orders) != 4 || orders["ABCDEFGHIJKLMNOP"] {
		t.Errorf("orders %v", orders)
	}
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draft()
	d.SignedAt, d.ValidFrom = clock.Add(5*time.Second), clock.Add(5*time.Second)
	raw, err := mdoc.Issue(d, w.signer)
	if err != nil {
		t.Fatal(err)
	}
	response, err := mdoc.Present(raw, nil, binding(), w.holder)
	if err != nil {
		t.Fatal(err)
	}
	for leeway, want := range map[time.Duration]bool{0: false, 4 * time.Second: false, 5 * time.Second: true} {
		v := w.verifier()
		v.Leeway = leeway
		if _, err := v.Verify(t.Context(), response, binding()); (err == nil) != want {
			t.Errorf("leeway %s: %v", leeway, err)
		}
	}
}
