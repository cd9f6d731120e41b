package holder_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/holder"
)

// registered is a registration certificate of the verifier for its age query, with
// changes.
func (w *world) registered(edit map[string]any) openid4vp.VerifierInfo {
	w.t.Helper()
	key, err := w.ca.IssueListOperator(trusttest.LeafOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	payload := map[string]any{
		"name": "A Till", "sub": "NTRJP-" + trusttest.CorporateNumber(), "iat": time.Now().Unix(),
		"purpose": []map[string]string{{"lang": "en", "content": "selling drinks"}},
		"credentials": []map[string]any{
			{"format": "dc+sd-jwt", "meta": map[string]any{"vct_values": []string{vct}}, "claim": []map[string]any{{"path": []string{"age"}}}},
		},
	}
	maps.Copy(payload, edit)
	data, err := json.Marshal(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := jose.Sign(jose.Header{Typ: registration.Type, X5C: key.Chain}, data, key.Signer)
	if err != nil {
		w.t.Fatal(err)
	}
	quoted, _ := json.Marshal(compact)
	return openid4vp.VerifierInfo{Format: registration.Format, Data: quoted}
}

// TestRegistration shows people what a verifier is registered for, and warns them
// of what it is not (EU-W-08).
func TestRegistration(t *testing.T) {
	t.Parallel()
	nobody := map[string]any{"sub": "NTRJP-9999999999999"}
	for name, tc := range map[string]struct {
		query        string
		info         func(w *world) []openid4vp.VerifierInfo
		problem      error
		unregistered string
	}{
		"registered": {
			info: func(w *world) []openid4vp.VerifierInfo {
				return []openid4vp.VerifierInfo{{Format: "jwt", Data: json.RawMessage(`"x"`)}, w.registered(nil)}
			},
		},
		"registered for this query": {
			info: func(w *world) []openid4vp.VerifierInfo {
				info := w.registered(nil)
				info.CredentialIDs = []string{"q"}
				return []openid4vp.VerifierInfo{info}
			},
		},
		"by an intermediary": {
			info: func(w *world) []openid4vp.VerifierInfo {
				return []openid4vp.VerifierInfo{w.registered(map[string]any{
					"sub": "NTRJP-9999999999999", "intermediary": map[string]any{"sub": "NTRJP-" + trusttest.CorporateNumber()},
				})}
			},
		},
		"TestNeg/none": {info: func(*world) []openid4vp.VerifierInfo { return nil }, problem: holder.ErrNotRegistered},
		"TestNeg/several": {info: func(w *world) []openid4vp.VerifierInfo {
			return []openid4vp.VerifierInfo{w.registered(nil), w.registered(nil)}
		}, problem: holder.ErrNotRegistered},
		"TestNeg/of another": {
			info: func(w *world) []openid4vp.VerifierInfo { return []openid4vp.VerifierInfo{w.registered(nobody)} }, problem: holder.ErrOtherRegistration,
		},
		"TestNeg/expired": {
			info: func(w *world) []openid4vp.VerifierInfo {
				return []openid4vp.VerifierInfo{w.registered(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})}
			}, problem: registration.ErrCertificate,
		},
		"TestNeg/by reference": {
			info: func(*world) []openid4vp.VerifierInfo {
				return []openid4vp.VerifierInfo{{Format: registration.Format, Data: json.RawMessage(`{"uri":"https://10.0.0.1"}`)}}
			}, problem: registration.ErrCertificate,
		},
		"TestNeg/more than registered": {
			query:        strings.Replace(querySD, `{"path":["age"]}`, `{"path":["age"]},{"path":["family_name"]}`, 1),
			info:         func(w *world) []openid4vp.VerifierInfo { return []openid4vp.VerifierInfo{w.registered(nil)} },
			unregistered: "family_name",
		},
		"TestNeg/of another type": {
			info: func(w *world) []openid4vp.VerifierInfo {
				return []openid4vp.VerifierInfo{w.registered(map[string]any{"credentials": nil})}
			}, unregistered: "age",
		},
		"TestNeg/for another query": {
			query: queryOpt,
			info: func(w *world) []openid4vp.VerifierInfo {
				info := w.registered(nil)
				info.CredentialIDs = []string{"o"}
				return []openid4vp.VerifierInfo{info}
			}, unregistered: "age",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wallet.RegistrationTrust = policy(w.ca, registration.SignerProfile())
			w.hold("sd")
			if tc.query == "" {
				tc.query = querySD
			}
			a := w.ask(tc.query)
			a.request.VerifierInfo = tc.info(w)
			var asked holder.Ask
			if _, err := a.present(func(_ context.Context, ask holder.Ask) holder.Decision {
				asked = ask
				return holder.Decision{}
			}); !errors.Is(err, holder.ErrDeclined) {
				t.Fatal(err)
			}
			r := asked.Registration
			if r == nil || !errors.Is(r.Problem, tc.problem) || (r.Certificate == nil) != (tc.problem != nil) {
				t.Fatalf("%+v", r)
			}
			if r.Certificate != nil && registration.In(r.Certificate.Purposes, "ja") != "selling drinks" {
				t.Errorf("purposes %v", r.Certificate.Purposes)
			}
			got := ""
			for _, path := range asked.Items[0].Unregistered {
				got += path.String()
			}
			if got != tc.unregistered {
				t.Errorf("not registered for %q", got)
			}
		})
	}
	t.Run("no registrars", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.hold("sd")
		if _, err := w.ask(querySD).present(func(_ context.Context, ask holder.Ask) holder.Decision {
			if ask.Registration != nil || ask.Items[0].Unregistered != nil {
				t.Errorf("%+v", ask)
			}
			return holder.Decision{Allow: true}
		}); err != nil {
			t.Error(err)
		}
	})
}

// TestBiometric warns before portraits (EU-W-09).
func TestBiometric(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draft = func(_ int, d *credentials.Draft) {
		d.Type, d.Claims = doctype, credentials.Object{doctype: credentials.Object{"portrait": credentials.Bytes{1}, "age": credentials.Int(41)}}
	}
	w.hold("doc")
	_, err := w.ask(`{"credentials":[{"id":"q","format":"mso_mdoc","meta":{"doctype_value":"org.test.identity"},"claims":[
		{"path":["org.test.identity","age"]},{"path":["org.test.identity","portrait"]}]}]}`).present(
		func(_ context.Context, ask holder.Ask) holder.Decision {
			if got := ask.Items[0].Biometric; len(got) != 1 || got[0].String() != "org.test.identity.portrait" {
				t.Errorf("biometric: %v", got)
			}
			return holder.Decision{Allow: true}
		})
	if err != nil {
		t.Error(err)
	}
}

// TestEncryptedOnly has a wallet that answers in clear to nobody (EU-W-12).
func TestEncryptedOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wallet.EncryptedOnly = true
	w.hold("sd")
	clear := w.ask(querySD)
	clear.request.ResponseMode = openid4vp.DirectPost
	if _, err := clear.present(holder.Approve()); err == nil || clear.form().Get("error") != string(openid4vp.InvalidRequest) {
		t.Errorf("in clear: %v, %v", clear.form(), err)
	}
	sealed := w.ask(querySD)
	if _, err := sealed.present(holder.Approve()); err != nil || len(sealed.verified()["q"]) != 1 {
		t.Errorf("honest twin: %v", err)
	}
}
