package sdjwt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// published reads a literal of RFC 9901 without its line breaks.
func published(t *testing.T, name string) string {
	t.Helper()
	return strings.Join(strings.Fields(example(t, name)), "")
}

func decoded(t *testing.T, text string) credentials.Object {
	t.Helper()
	value, err := jose.DecodeValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return value.(credentials.Object)
}

// TestVectorAppendixA has the presentations of RFC 9901 appendices A.1 to A.4
// under the issuer's key of A.5. Nobody but that issuer can have made them: the
// signatures prove the literals.
func TestVectorAppendixA(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a1": `{"address":{"region":"港区","country":"JP"}}`,
		"a2": `{"verified_claims":{"verification":{"trust_framework":"de_aml","evidence":[{"method":"pipp"}],"time":"2012-04-23T18:25Z"},
			"claims":{"given_name":"Max","family_name":"Müller",
			"address":{"locality":"Maxstadt","postal_code":"12344","country":"DE","street_address":"Weidenstraße 22"}}}}`,
		"a3": `{"vct":"urn:eudi:pid:de:1","iss":"https://pid-issuer.bund.de.example",
			"age_equal_or_over":{"18":true},"nationalities":["DE"]}`,
		"a4": `{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/vaccination/v1"],
			"type":["VerifiableCredential","VaccinationCertificate"],"issuer":"https://example.com/issuer",
			"issuanceDate":"2023-02-09T11:01:59Z","expirationDate":"2028-02-08T11:01:59Z",
			"name":"COVID-19 Vaccination Certificate","description":"COVID-19 Vaccination Certificate",
			"credentialSubject":{"vaccine":{"type":"Vaccine","atcCode":"J07BX03","medicinalProductName":"COVID-19 Vaccine Moderna"},
			"recipient":{"type":"VaccineRecipient"},"type":"VaccinationEvent","order":"3/3","dateOfVaccination":"2021-06-23T13:40:12Z"}}`,
	} {
		t.Run("TV-19 "+name, func(t *testing.T) {
			t.Parallel()
			got, err := sdjwt.Process(published(t, "rfc9901-appendix-"+name+".txt"), exampleIssuer(t))
			if err != nil {
				t.Fatal(err)
			}
			full := decoded(t, want)
			if name != "a4" {
				full["iat"], full["exp"] = credentials.Int(1683000000), credentials.Int(1883000000)
			}
			if _, ok := full["iss"]; !ok && name != "a4" {
				full["iss"] = credentials.Text("https://issuer.example.com")
			}
			if cnf, ok := got["cnf"]; ok {
				full["cnf"] = cnf
			}
			if diff := cmp.Diff(full, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestVectorKeyBinding has the KB-JWTs of RFC 9901 sections 5.2, A.3 and A.4,
// at the moment that they state. The one of A.3 is on an SD-JWT VC, the only
// kind that the verifier takes.
func TestVectorKeyBinding(t *testing.T) {
	t.Parallel()
	binding := credentials.Binding{Mode: credentials.BindingRedirect, Nonce: "1234567890", ClientID: "https://verifier.example.org"}
	lines := strings.Fields(example(t, "rfc9901-section-5.1.txt"))
	simple := strings.Join([]string{lines[0], lines[2], lines[6], lines[1], lines[9], published(t, "rfc9901-section-5.2-kb.txt")}, "~")
	for name, raw := range map[string]string{
		"section 5.2":  simple,
		"appendix A.3": published(t, "rfc9901-appendix-a3.txt"),
		"appendix A.4": published(t, "rfc9901-appendix-a4.txt"),
	} {
		t.Run("TV-19 "+name, func(t *testing.T) {
			t.Parallel()
			payload, err := sdjwt.Process(raw, exampleIssuer(t))
			if err != nil {
				t.Fatal(err)
			}
			now := time.Unix(1748537244, 0)
			if err := sdjwt.CheckBinding(raw, payload["cnf"], binding, now); err != nil {
				t.Error(err)
			}
			at := strings.LastIndex(raw, "~")
			first := strings.Index(raw, "~")
			second := first + 1 + strings.Index(raw[first+1:], "~")
			wantReason(t, sdjwt.CheckBinding(raw[:first]+raw[second:], payload["cnf"], binding, now), sdjwt.ReasonHash)
			wantReason(t, sdjwt.CheckBinding(raw[:at+1]+published(t, "rfc9901-section-5.2-kb.txt")+"A", payload["cnf"], binding, now), sdjwt.ReasonKeyBinding)
			other := binding
			other.Nonce = "1234567891"
			wantReason(t, sdjwt.CheckBinding(raw, payload["cnf"], other, now), sdjwt.ReasonNonce)
		})
	}
	v := &sdjwt.Verifier{Now: func() time.Time { return time.Unix(1748537244, 0) }, RequireHolderBinding: true}
	got, err := v.VerifyWithKey(published(t, "rfc9901-appendix-a3.txt"), binding, exampleIssuer(t))
	if err != nil || got.Type != "urn:eudi:pid:de:1" {
		t.Errorf("TV-19 appendix A.3 as a whole: %+v, %v", got, err)
	}
}

// The disclosures that RFC 9901 section 6 prints.
const (
	wholeAddress = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImFkZHJlc3MiLCB7InN0cmVldF9hZGRyZXNzIjogIlNjaHVsc3RyLiAxMiIsICJsb2NhbGl0eSI6ICJTY2h1bHBmb3J0YSIsICJyZWdpb24iOiAiU2FjaHNlbi1BbmhhbHQiLCAiY291bnRyeSI6ICJERSJ9XQ"
	street       = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgInN0cmVldF9hZGRyZXNzIiwgIlNjaHVsc3RyLiAxMiJd"
	locality     = "WyJlbHVWNU9nM2dTTklJOEVZbnN4QV9BIiwgImxvY2FsaXR5IiwgIlNjaHVscGZvcnRhIl0"
	region       = "WyI2SWo3dE0tYTVpVlBHYm9TNXRtdlZBIiwgInJlZ2lvbiIsICJTYWNoc2VuLUFuaGFsdCJd"
	country      = "WyJlSThaV205UW5LUHBOUGVOZW5IZGhRIiwgImNvdW50cnkiLCAiREUiXQ"
	hidden       = "WyJRZ19PNjR6cUF4ZTQxMmExMDhpcm9BIiwgImFkZHJlc3MiLCB7Il9zZCI6IFsiNnZoOWJxLXpTNEdLTV83R3BnZ1ZiWXp6dTZvT0dYcm1OVkdQSFA3NVVkMCIsICI5Z2pWdVh0ZEZST0NnUnJ0TmNHVVhtRjY1cmRlemlfNkVyX2o3NmttWXlNIiwgIktVUkRQaDRaQzE5LTN0aXotRGYzOVY4ZWlkeTFvVjNhM0gxRGEyTjBnODgiLCAiV045cjlkQ0JKOEhUQ3NTMmpLQVN4VGpFeVc1bTV4NjVfWl8ycm8yamZYTSJdfV0"
)

// TestVectorStructures has the payloads of RFC 9901 section 6, which are
// printed without a signature; they are signed here by another key.
func TestVectorStructures(t *testing.T) {
	t.Parallel()
	const (
		rest     = `"iss":"https://issuer.example.com","iat":1683000000,"exp":1883000000,"sub":"6c5c0a49-b589-431d-bae7-219122a9ec2c"`
		three    = `"6vh9bq-zS4GKM_7GpggVbYzzu6oOGXrmNVGPHP75Ud0","9gjVuXtdFROCgRrtNcGUXmF65rdezi_6Er_j76kmYyM","KURDPh4ZC19-3tiz-Df39V8eidy1oV3a3H1Da2N0g88"`
		four     = three + `,"WN9r9dCBJ8HTCsS2jKASxTjEyW5m5x65_Z_2ro2jfXM"`
		complete = `{"street_address":"Schulstr. 12","locality":"Schulpforta","region":"Sachsen-Anhalt","country":"DE"}`
	)
	for name, tc := range map[string]struct {
		payload     string
		disclosures []string
		address     string
	}{
		"6.1 flat":                        {`"_sd":["fOBUSQvo46yQO-wRwXBcGqvnbKIueISEL961_Sjd4do"]`, []string{wholeAddress}, complete},
		"6.1 nothing disclosed":           {`"_sd":["fOBUSQvo46yQO-wRwXBcGqvnbKIueISEL961_Sjd4do"]`, nil, ``},
		"6.2 structured":                  {`"address":{"_sd":[` + four + `]}`, []string{street, locality, region, country}, complete},
		"6.2 one of four":                 {`"address":{"_sd":[` + four + `]}`, []string{region}, `{"region":"Sachsen-Anhalt"}`},
		"6.2 country in clear":            {`"address":{"_sd":[` + three + `],"country":"DE"}`, []string{street, locality, region}, complete},
		"6.3 recursive":                   {`"_sd":["HvrKX6fPV0v9K_yCVFBiLFHsMaxcD_114Em6VT8x1lg"]`, []string{street, locality, region, country, hidden}, complete},
		"6.3 recursive, only the outside": {`"_sd":["HvrKX6fPV0v9K_yCVFBiLFHsMaxcD_114Em6VT8x1lg"]`, []string{hidden}, `{}`},
	} {
		t.Run("TV-19 section "+name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			token, err := jose.Sign(jose.Header{}, []byte(`{`+rest+`,"_sd_alg":"sha-256",`+tc.payload+`}`), key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := sdjwt.Process(strings.Join(append([]string{token}, tc.disclosures...), "~")+"~", key.Public())
			if err != nil {
				t.Fatal(err)
			}
			want := decoded(t, `{`+rest+`}`)
			if tc.address != "" {
				want["address"] = decoded(t, tc.address)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("TV-19 section 6.3 without the outside", func(t *testing.T) {
		t.Parallel()
		key := newKey(t)
		token, err := jose.Sign(jose.Header{}, []byte(`{`+rest+`,"_sd":["HvrKX6fPV0v9K_yCVFBiLFHsMaxcD_114Em6VT8x1lg"]}`), key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sdjwt.Process(token+"~"+street+"~", key.Public())
		wantReason(t, err, sdjwt.ReasonDisclosure)
	})
}
