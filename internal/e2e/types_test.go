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

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/verifier"
)

// portrait is how a JPEG begins, which is all that is looked at.
const portrait = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="

// registerOfResidents knows hanako once and taro twice.
const registerOfResidents = `
persons:
  - name: 山田　花子
    address: 東京都清瀬市中里五丁目８４２番地
    birth_date: 1985-04-01
    sex: 2
    claims:
      nationality: [JP]
      place_of_birth: {country: JP, locality: 札幌市}
      portrait: ` + portrait + `
      resident_since: 2010-04-01
      head_of_household: 山田　太郎
  - &taro
    name: 佐藤　太郎
    address: 北海道札幌市中央区北一条西二丁目１番地手形マンション１０１号
    birth_date: 2004-02-29
    sex: 1
    claims: {nationality: [JP], place_of_birth: {country: JP}, portrait: ` + portrait + `}
  - *taro
`

const registerOfLicences = `
persons:
  - name: 山田　花子
    address: 東京都清瀬市中里五丁目８４２番地
    birth_date: 1985-04-01
    sex: 2
    claims:
      family_name: YAMADA
      given_name: HANAKO
      document_number: "123456789018"   # reads as an Individual Number, and is none
      issue_date: 2024-04-10
      expiry_date: 2029-05-01
      portrait: ` + portrait + `
      driving_privileges: [{vehicle_category_code: B, issue_date: 2004-04-10}]
`

// pass is a type that nobody can revoke, for people who sign themselves.
const pass = `
id: pass
name: {ja: 入場証, en: Pass}
sd_jwt: {vct: "urn:city:example:pass:1"}
no_status: true
cascade: {none: true}
evidence: [jpki-signature, jpki-signature-other-device]
claims:
  - {name: {ja: 会場, en: Venue}, value: 市民会館, type: text, mandatory: true, always_disclosed: true, sd_jwt: [venue]}
  - {name: {ja: 氏名, en: Name}, from: person.name, type: text, mandatory: true, sd_jwt: [name]}
`

// everyType has the issuer offer every shipped type, that of the example and the
// pass, with registers in files.
func everyType(t *testing.T) func(box *sandbox.Sandbox) {
	return func(box *sandbox.Sandbox) {
		t.Helper()
		resident, err := os.ReadFile("../../deploy/types.example/resident.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{
			"residents.yaml": registerOfResidents, "licences.yaml": registerOfLicences, "pass.yaml": pass, "resident.yaml": string(resident),
		} {
			if err := os.WriteFile(filepath.Join(box.Dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file := read(t, box)
		file.set("issuer.types", []string{"pass.yaml", "resident.yaml"})
		file.set("issuer.sources.residents.file", "residents.yaml")
		file.set("issuer.sources.licences.file", "licences.yaml")
		file.set("issuer.credentials", []string{
			"identity_sd_jwt", "identity_mdoc", "eu_pid_sd_jwt", "eu_pid_mdoc", "mdl_mdoc", "resident_sd_jwt", "resident_mdoc", "pass_sd_jwt",
		})
		file.set("issuer.batch_size", 10)
		file.write(t, box)
	}
}

// reviewer is a person who reads before agreeing.
type reviewer struct {
	citizen
	page *page
}

// Authorize implements holder.UserAgent.
func (r *reviewer) Authorize(_ context.Context, address, _ string) (string, error) {
	b := r.d.newBrowser(r.t)
	r.page = b.login(r.t, address, r.card)
	return b.submit(r.t, r.page, "review-form", approve).url.String(), nil
}

// TestTypes issues types that are configuration alone, with claims of registers,
// to a whole wallet, which presents them.
func TestTypes(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: everyType(t)})
	const pid, mdl = "eu.europa.ec.eudi.pid.1", "org.iso.18013.5.1"
	for configuration, tc := range map[string]struct {
		query, claims string
		reviewed      []string // of the review page
	}{
		"eu_pid_sd_jwt": {
			`{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["urn:eudi:pid:1"]},"claims":[{"path":["family_name"]},{"path":["birthdate"]},{"path":["place_of_birth","locality"]},{"path":["nationalities",null]},{"path":["picture"]},{"path":["issuing_country"]}]}`,
			`{"family_name":"山田","birthdate":"1985-04-01","place_of_birth":{"locality":"札幌市"},"nationalities":["JP"],"picture":"data:image/jpeg;base64,` + portrait + `","issuing_country":"JP"}`,
			[]string{`<img class="portrait" src="data:image/jpeg;base64,` + portrait + `"`, `<dd data-claim="nationalities"><bdi>JP</bdi></dd>`},
		},
		"eu_pid_mdoc": {
			`{"id":"c","format":"mso_mdoc","meta":{"doctype_value":"` + pid + `"},"claims":[{"path":["` + pid + `","given_name"]},{"path":["` + pid + `","birth_date"]},{"path":["` + pid + `","place_of_birth"]},{"path":["` + pid + `","nationality"]}]}`,
			`{"` + pid + `":{"given_name":"花子","birth_date":"1985-04-01","place_of_birth":{"country":"JP","locality":"札幌市"},"nationality":["JP"]}}`,
			[]string{`<img class="portrait"`, `country: JP, locality: 札幌市`},
		},
		"mdl_mdoc": {
			`{"id":"c","format":"mso_mdoc","meta":{"doctype_value":"org.iso.18013.5.1.mDL"},"claims":[{"path":["` + mdl + `","family_name"]},{"path":["` + mdl + `","document_number"]},{"path":["` + mdl + `","driving_privileges"]},{"path":["` + mdl + `","un_distinguishing_sign"]},{"path":["` + mdl + `","age_over_18"]}]}`,
			`{"` + mdl + `":{"family_name":"YAMADA","document_number":"123456789018","driving_privileges":[{"vehicle_category_code":"B","issue_date":"2004-04-10"}],"un_distinguishing_sign":"J","age_over_18":true}}`,
			[]string{"issue_date: 2004-04-10, vehicle_category_code: B", "123456789018"},
		},
		"resident_sd_jwt": {
			`{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["urn:city:example:resident:1"]},"claims":[{"path":["household","head"]},{"path":["resident_since"]},{"path":["local_government_code"]}]}`,
			`{"household":{"head":"山田　太郎"},"resident_since":"2010-04-01","local_government_code":"131016"}`,
			[]string{"山田　太郎", "131016"},
		},
		"resident_mdoc": {
			`{"id":"c","format":"mso_mdoc","meta":{"doctype_value":"example.city.resident.1"},"claims":[{"path":["example.city.resident.1","resident_since"]}]}`,
			`{"example.city.resident.1":{"resident_since":"2010-04-01"}}`,
			[]string{"2010-04-01"},
		},
		"pass_sd_jwt": {
			`{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["urn:city:example:pass:1"]},"claims":[{"path":["name"]},{"path":["venue"]}]}`,
			`{"name":"山田　花子","venue":"市民会館"}`,
			[]string{"市民会館"},
		},
	} {
		t.Run(configuration, func(t *testing.T) {
			w, person := d.newWallet(t), &reviewer{citizen: citizen{t, d, cardOf(t, "hanako")}}
			held, err := w.AcceptOffer(t.Context(), d.offer(t, configuration), person)
			if err != nil || len(held) != 2 {
				t.Fatalf("%d credentials, %v", len(held), err)
			}
			if !strings.Contains(person.page.body, `<dl id="issued-`+configuration+`">`) {
				t.Error("the review page does not name the credential")
			}
			for _, text := range tc.reviewed {
				if !strings.Contains(person.page.body, text) {
					t.Errorf("the review page lacks %s", text)
				}
			}
			result := d.present(t, w, `{"credentials":[`+tc.query+`]}`)
			if result.State != verifier.StateVerified {
				t.Fatalf("%+v", result)
			}
			var want, got any
			if err := json.Unmarshal([]byte(tc.claims), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(result.Credentials[0].Claims, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNegRegisters refuses people of whom the registers don't know enough before
// they agree, and says what is missing.
func TestNegRegisters(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: everyType(t)})
	c := d.newClient(t)
	login := func(person, configuration string) *page {
		form := c.parForm()
		form.Set("scope", configuration)
		card, b := cardOf(t, person), d.newBrowser(t)
		p := b.open(t, c.visit(t, c.push(t, form, nil)))
		return b.submit(t, p, "sign-form", sign(t, p, card))
	}
	for about, tc := range map[string]struct{ person, configuration, says string }{
		"not in the register":        {"katakana", "eu_pid_sd_jwt", "is not known"},
		"not in the register, mdoc":  {"katakana", "eu_pid_mdoc", "is not known"},
		"no licence":                 {"taro", "mdl_mdoc", "is not known"},
		"two records":                {"taro", "eu_pid_sd_jwt", ""},
		"name that is not separated": {"foreign", "eu_pid_mdoc", "family_name"},
	} {
		if p := login("hanako", tc.configuration); p.text("person-name") == "" {
			t.Errorf("%s: the honest twin is refused: %d", about, p.status)
		}
		if p := login(tc.person, "resident_sd_jwt"); tc.person != "taro" && p.text("person-name") == "" {
			t.Errorf("%s: refused what the register has nothing to do with: %d %s", about, p.status, p.text("oauth-error-description"))
		}
		p := login(tc.person, tc.configuration)
		if p.text("oauth-error") != openid4vci.CodeAccessDenied || p.text("person-name") != "" || !strings.Contains(p.text("oauth-error-description"), tc.says) {
			t.Errorf("%s: %d %s: %s", about, p.status, p.text("oauth-error"), p.text("oauth-error-description"))
		}
	}

	// Staff who vouch are told the same.
	hanako := map[string]any{"name": "山田 花子", "address": "東京都清瀬市中里五丁目842番地", "birth_date": "1985-04-01", "sex": 2}
	without := map[string]any{"name": "山田　花子", "address": "東京都清瀬市中里五丁目842番地", "sex": 2}
	for about, tc := range map[string]struct {
		person        map[string]any
		configuration string
		status        int
	}{
		"known":                         {map[string]any{"name": "山田　花子", "address": hanako["address"], "birth_date": "1985-04-01", "sex": 2}, "eu_pid_mdoc", http.StatusCreated},
		"known, name not separated":     {hanako, "eu_pid_mdoc", http.StatusBadRequest},
		"without a birth date":          {without, "eu_pid_mdoc", http.StatusBadRequest},
		"the flagship needs less":       {without, "identity_mdoc", http.StatusCreated},
		"evidence that is not accepted": {hanako, "pass_sd_jwt", http.StatusBadRequest},
		"accepted by another type":      {hanako, "resident_sd_jwt", http.StatusCreated},
	} {
		a := d.admin(t, map[string]any{"credential_configuration_ids": []string{tc.configuration}, "person": tc.person})
		if a.status != tc.status || tc.status == http.StatusBadRequest && !strings.Contains(string(a.body), issuer.ReasonUnusablePerson) {
			t.Errorf("%s: %d %s", about, a.status, a.body)
		}
	}
}

// TestTypesReload puts a changed type in the place of the old one, and leaves
// everything as it was if the file is spoiled.
func TestTypesReload(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: everyType(t)})
	name := func() string {
		address, err := openid4vci.MetadataURL(d.box.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		var m openid4vci.IssuerMetadata
		d.send(t, http.MethodGet, address, nil, nil).read(t, &m)
		return m.Configurations["pass_sd_jwt"].Metadata.Display[0].Name
	}
	write := func(content string) {
		if err := os.WriteFile(filepath.Join(d.box.Dir, "pass.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.reload(t); err != nil || name() != "入場証" {
		t.Fatal(err, name())
	}
	write(strings.Replace(pass, "入場証", "通行証", 1))
	if err := d.reload(t); err != nil || name() != "通行証" {
		t.Fatal(err, name())
	}
	write(strings.Replace(pass, "person.name", "person.number", 1))
	if err := d.reload(t); err == nil || !strings.Contains(err.Error(), "person.number") || name() != "通行証" {
		t.Fatal(err, name())
	}
	write(pass)
	if err := d.reload(t); err != nil || name() != "入場証" {
		t.Fatal(err, name())
	}
}
