package holder_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestIssuerNames takes names out of the issuer's metadata, as far as they can be
// printed (SVC-22).
func TestIssuerNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editIssuer = func(m *openid4vci.IssuerMetadata) {
		m.Configurations["doc"].Metadata = &openid4vci.CredentialMetadata{
			Display: []openid4vci.Display{{Name: "本人確認", Locale: "ja-JP"}, {Name: "Iden\u202etity\n<b>" + strings.Repeat("x", 200), Locale: "en"}},
			Claims:  []openid4vci.ClaimDescription{{Path: credentials.PathOf(doctype, "age"), Display: []openid4vci.Display{{Name: "年　齢", Locale: "ja"}}}},
		}
	}
	h := w.hold("doc")[0]
	age, name := credentials.PathOf(doctype, "age"), credentials.PathOf(doctype, "family_name")
	got := []string{h.Name("ja"), h.Name("en"), h.Name("fr"), h.ClaimName(age, "en"), h.ClaimName(name, "ja")}
	want := []string{"本人確認", "Identity<b>" + strings.Repeat("x", 89), "本人確認", "年　齢", doctype + ".family_name"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// typed has the issuer's credentials be of a type at an address of the world, with
// the document as its metadata; %s in it is the address.
func (w *world) typed(document string, integrity func(document []byte) string) {
	uri := w.base + "/type"
	body := []byte(strings.ReplaceAll(document, "%s", uri))
	w.types = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(body)
	}
	w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.Configurations["sd"].VCT = uri }
	w.draft = func(_ int, d *credentials.Draft) {
		d.Type = uri
		if integrity != nil {
			d.TypeIntegrity = integrity(body)
		}
	}
}

const typeDocument = `{"vct":"%s","display":[{"locale":"en","name":"A type"},{"locale":"ja","name":"型"}],
	"claims":[{"path":["age"],"mandatory":true,"sd":"always","display":[{"locale":"en","label":"Age"}]}]}`

// TestTypeMetadata names credentials as the metadata of their type says, fetched
// once for a batch.
func TestTypeMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.typed(typeDocument, sdjwt.Integrity)
	held := w.hold("sd")
	for _, h := range held {
		if h.Name("ja") != "型" || h.ClaimName(credentials.PathOf("age"), "ja") != "Age" {
			t.Errorf("%q, %q", h.Name("ja"), h.ClaimName(credentials.PathOf("age"), "ja"))
		}
	}
	n := 0
	for _, c := range w.calls {
		if c == "/type" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// TestNegTypeMetadata has metadata that is wrong, which spoils the credential, and
// metadata that is away, which does not.
func TestNegTypeMetadata(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		document  string
		integrity func([]byte) string
		edit      func(w *world)
		refused   bool
	}{
		"SVC-13 of another type":  {document: `{"vct":"urn:other"}`, refused: true},
		"SVC-14 changed":          {document: typeDocument, integrity: func(b []byte) string { return sdjwt.Integrity(append(b, ' ')) }, refused: true},
		"SVC-15 extends itself":   {document: `{"vct":"%s","extends":"%s"}`, refused: true},
		"SVC-20 claim is missing": {document: `{"vct":"%s","claims":[{"path":["portrait"],"mandatory":true}]}`, refused: true},
		"SVC-20 not selective":    {document: `{"vct":"%s","claims":[{"path":["age"],"sd":"never"}]}`, refused: true},
		"not JSON":                {document: `<svg/>`, refused: true},
		"away": {document: typeDocument, edit: func(w *world) {
			w.types = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) }
		}},
		"of another media type": {document: typeDocument, edit: func(w *world) {
			w.types = func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "image/svg+xml")
				_, _ = rw.Write([]byte(`<svg onload="x"/>`))
			}
		}},
		"redirected inside": {document: typeDocument, edit: func(w *world) {
			w.types = func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "https://10.0.0.1/", http.StatusFound)
			}
		}},
		"extends what is inside": {document: `{"vct":"%s","extends":"https://10.0.0.1/type"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.typed(tc.document, tc.integrity)
			if tc.edit != nil {
				tc.edit(w)
			}
			held, err := w.wallet.AcceptOffer(t.Context(), w.offer("sd"), w)
			if tc.refused != errors.Is(err, holder.ErrCredential) || tc.refused != (len(held) == 0) {
				t.Fatalf("%d credentials, %v", len(held), err)
			}
			if !tc.refused && held[0].Name("ja") != held[0].Type {
				t.Errorf("it is called %q", held[0].Name("ja"))
			}
		})
	}
}
