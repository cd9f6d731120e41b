package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// withCompanies has the issuer offer credentials of representatives, to hanako,
// and to taro with a number that is none.
func withCompanies(t *testing.T) func(*sandbox.Sandbox) {
	return func(box *sandbox.Sandbox) {
		t.Helper()
		if err := box.OfferCompanies(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(box.Dir, "companies.yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		taro := strings.NewReplacer("persons:\n", "", "山田　花子", "佐藤　太郎", "東京都清瀬市中里五丁目８４２番地", "北海道札幌市中央区北一条西二丁目１番地手形マンション１０１号",
			"1985-04-01", "2004-02-29", "sex: 2", "sex: 1", `corporate_number: "`, `corporate_number: "1`).Replace(string(data))
		if err := os.WriteFile(file, append(data, taro...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// take puts credentials of a card's holder into a wallet.
func (d *deployment) take(t *testing.T, w *holder.Wallet, person string, configurations ...string) {
	t.Helper()
	if _, err := w.AcceptOffer(t.Context(), d.offer(t, configurations...), citizen{t, d, cardOf(t, person)}); err != nil {
		t.Fatal(err)
	}
}

// askPreset runs a transaction with a preset, which the wallet answers.
func (d *deployment) askPreset(t *testing.T, w *holder.Wallet, preset string) *verifier.Result {
	t.Helper()
	body := []byte(`{"preset":"` + preset + `","flow":"cross_device"}`)
	var transaction struct{ ID, Link string }
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", bearer(d.box.APIToken, body), body).read(t, &transaction)
	agree := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }
	_, presentErr := w.Present(t.Context(), transaction.Link, agree)
	var result verifier.Result
	d.send(t, http.MethodGet, d.box.Verifier+"/api/transactions/"+transaction.ID, bearer(d.box.APIToken, nil), nil).read(t, &result)
	if (presentErr == nil) != (result.State == verifier.StateVerified) {
		t.Fatalf("the wallet: %v, the verifier: %+v", presentErr, result)
	}
	return &result
}

// TestCompanyRepresentative issues whom a person may act for, and has a relying
// party ask for it by the preset, in each format.
func TestCompanyRepresentative(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: withCompanies(t)})
	const (
		office   = `"corporate_number":"1700150099901","registered_office":"東京都千代田区大手町一丁目１番１号"`
		identity = "org.iso.23220.1"
		company  = "id.tegata.company_representative.jp.1"
	)
	for suffix, want := range map[string]map[string]string{
		"_sd_jwt": {
			"identity":               `{"name":"山田　花子","birthdate":"1985-04-01"}`,
			"company_representative": `{"name":"山田　花子","birthdate":"1985-04-01","organization":{"name":"手形商事株式会社",` + office + `},"authority":"代表取締役","registered_as_of":"2026-11-20"}`,
		},
		"_mdoc": {
			"identity":               `{"id.tegata.identity.jp.1":{"name":"山田　花子"},"` + identity + `":{"birth_date":"1985-04-01"}}`,
			"company_representative": `{"` + company + `":{"name":"山田　花子","organization_name":"手形商事株式会社",` + office + `,"authority":"代表取締役","registered_as_of":"2026-11-20"},"` + identity + `":{"birth_date":"1985-04-01"}}`,
		},
	} {
		t.Run(suffix, func(t *testing.T) {
			w := d.newWallet(t)
			d.take(t, w, "hanako", "identity"+suffix, "company_representative"+suffix)
			result := d.askPreset(t, w, "company_representative")
			if result.State != verifier.StateVerified || len(result.Credentials) != 2 {
				t.Fatalf("%+v", result)
			}
			for _, credential := range result.Credentials {
				var got, expected any
				if err := json.Unmarshal(credential.Claims, &got); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(want[strings.TrimSuffix(credential.QueryID, suffix)]), &expected); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(expected, got); diff != "" {
					t.Errorf("%s: %s", credential.QueryID, diff)
				}
			}
		})
	}
}

// TestNegCompanyRepresentative presents half of what is asked for, and what is of
// two persons. Whom the register does not know, or with a number that is none, gets
// no credential.
func TestNegCompanyRepresentative(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: withCompanies(t)})
	half := d.newWallet(t)
	d.take(t, half, "hanako", "identity_sd_jwt")
	if result := d.askPreset(t, half, "company_representative"); result.State != verifier.StateRefused {
		t.Errorf("without the credential: %s", result.State)
	}
	d.take(t, half, "hanako", "company_representative_mdoc")
	if result := d.askPreset(t, half, "company_representative"); result.State != verifier.StateVerified { // the honest twin, in two formats
		t.Errorf("with both: %+v", result)
	}
	mixed := d.newWallet(t)
	d.take(t, mixed, "taro", "identity_sd_jwt")
	d.take(t, mixed, "hanako", "company_representative_sd_jwt")
	if result := d.askPreset(t, mixed, "company_representative"); result.Refusal == nil || result.Refusal.Reason != verifier.ReasonDifferentSubjects {
		t.Errorf("of two persons: %+v", result)
	}

	c := d.newClient(t)
	for person, says := range map[string]string{"hanako": "", "abroad": "is not known", "taro": "corporate number"} {
		form := c.parForm()
		form.Set("scope", "company_representative_sd_jwt")
		b := d.newBrowser(t)
		p := b.open(t, c.visit(t, c.push(t, form, nil)))
		p = b.submit(t, p, "sign-form", sign(t, p, cardOf(t, person)))
		if known := p.text("person-name") != ""; known != (says == "") || !strings.Contains(p.text("oauth-error-description"), says) {
			t.Errorf("%s: %d %s: %s", person, p.status, p.text("oauth-error"), p.text("oauth-error-description"))
		}
	}
}
