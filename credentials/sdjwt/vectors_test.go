package sdjwt_test

import (
	"crypto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// exampleIssuer is the issuer's key of RFC 9901 appendix A.5, which the
// examples of OpenID4VP use too.
func exampleIssuer(t *testing.T) crypto.PublicKey {
	t.Helper()
	pub, err := (&jose.JWK{
		Kty: "EC", Crv: "P-256",
		X: "b28d4MwZMjw8-00CG4xfnn9SLMVMM19SlqZpVb_uNtQ", Y: "Xv5zWwuoaTgdS6hV43yI6gBwTnjukmFQQnJ_kCxzqk8",
	}).PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// TestVectorDigest is the disclosure of RFC 9901 section 4.2.3.
func TestVectorDigest(t *testing.T) {
	t.Parallel()
	const disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
	if got := sdjwt.DigestOf(disclosure); got != "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0" {
		t.Errorf("TV-19: %s", got)
	}
}

func TestVectorRFC9901(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/rfc9901-section-5.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(data))
	text := func(s string) credentials.Value { return credentials.Text(s) }
	full := credentials.Object{
		"given_name": text("John"), "family_name": text("Doe"), "email": text("johndoe@example.com"),
		"phone_number": text("+1-202-555-0101"), "phone_number_verified": credentials.Bool(true),
		"address": credentials.Object{
			"street_address": text("123 Main St"), "locality": text("Anytown"), "region": text("Anystate"), "country": text("US"),
		},
		"birthdate": text("1940-01-01"), "updated_at": credentials.Int(1570000000),
		"nationalities": credentials.Array{text("US"), text("DE")},
	}
	for name, tc := range map[string]struct {
		disclosures []string
		want        credentials.Object
	}{
		"all":  {lines[1:], full},
		"none": {nil, credentials.Object{"nationalities": credentials.Array{}}},
		"section 5.2": {
			[]string{lines[2], lines[6], lines[1], lines[9]},
			credentials.Object{
				"given_name": full["given_name"], "family_name": full["family_name"], "address": full["address"],
				"nationalities": credentials.Array{text("US")},
			},
		},
	} {
		t.Run("TV-19 "+name, func(t *testing.T) {
			t.Parallel()
			raw := strings.Join(append([]string{lines[0]}, tc.disclosures...), "~") + "~"
			got, err := sdjwt.Process(raw, exampleIssuer(t))
			if err != nil {
				t.Fatal(err)
			}
			want := credentials.Object{
				"iss": text("https://issuer.example.com"), "sub": text("user_42"),
				"iat": credentials.Int(1683000000), "exp": credentials.Int(1883000000), "cnf": got["cnf"],
			}
			for name, v := range tc.want {
				want[name] = v
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// example reads a published file; testdata/README.md says where it is from.
func example(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestVectorCredential is the example credential of OpenID4VP 1.0 appendix B.3,
// of which only the payload and some disclosures are printed.
func TestVectorCredential(t *testing.T) {
	t.Parallel()
	printed := regexp.MustCompile("(?s)Hash: `([^`]+)`\n \\* Disclosure:.\n(`.*?)\n \\* Contents")
	key := newKey(t)
	token, err := jose.Sign(jose.Header{Typ: "dc+sd-jwt"}, []byte(example(t, "sd_jwt_vc.json")), key)
	if err != nil {
		t.Fatal(err)
	}
	raw := token + "~"
	found := printed.FindAllStringSubmatch(example(t, "openid4vp-b.3.2-disclosures.txt"), -1)
	for _, m := range found {
		disclosure := strings.NewReplacer("`", "", "\\", "", "\n", "").Replace(m[2])
		if got := sdjwt.DigestOf(disclosure); got != m[1] {
			t.Errorf("TV-08: digest %s, want %s", got, m[1])
		}
		raw += disclosure + "~"
	}
	got, err := sdjwt.Process(raw, key.Public())
	if err != nil {
		t.Fatalf("TV-08: %v", err)
	}
	if len(found) != 3 || got["given_name"] != credentials.Text("John") || got["birthdate"] != credentials.Text("1940-01-01") {
		t.Errorf("TV-08: %d disclosures, %v", len(found), got.Names())
	}
}

// TestVectorPresentation is the signed example of OpenID4VP 1.0 appendix B.3.
func TestVectorPresentation(t *testing.T) {
	t.Parallel()
	read := func(name string) string { return strings.Join(strings.Fields(example(t, name)), "") }
	now := time.Unix(1744743394, 0)
	v := &sdjwt.Verifier{Now: func() time.Time { return now }, RequireHolderBinding: true}
	binding := credentials.Binding{Mode: credentials.BindingRedirect, Nonce: "1234567890", ClientID: "https://verifier.example.org"}
	got, err := v.VerifyWithKey(read("sd_jwt_presentation.txt"), binding, exampleIssuer(t))
	if err != nil {
		t.Fatalf("TV-09: %v", err)
	}
	contents, err := jose.DecodeValue([]byte(example(t, "verified_contents.json")))
	if err != nil {
		t.Fatal(err)
	}
	want := contents.(credentials.Object)
	if diff := cmp.Diff(credentials.Object{"ld": want["ld"]}, got.Claims); diff != "" {
		t.Errorf("TV-09: %s", diff)
	}
	binding.Nonce = "other"
	_, err = v.VerifyWithKey(read("sd_jwt_presentation.txt"), binding, exampleIssuer(t))
	wantReason(t, err, sdjwt.ReasonNonce)

	// What the example holder chose, our holder chooses too.
	u, err := sdjwt.Parse(read("sd_jwt_issuance.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := u.Present([]credentials.Path{credentials.PathOf("ld", "credentialSubject", "givenName")}, nil, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if presentation := read("sd_jwt_presentation.txt"); ours != presentation[:strings.LastIndex(presentation, "~")+1] {
		t.Error("TV-09: other disclosures were chosen")
	}
	if sdjwt.DigestOf(ours) != "BojpuMvN94GsIX3Vh5yeRPBp1M-DwCJ8kxpCjU07lnU" {
		t.Error("TV-09: sd_hash")
	}
}
