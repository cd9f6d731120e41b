package verifier

import (
	"encoding/json"
	"strings"

	"github.com/tegata-id/tegata/credentials"
)

// Preset is a query with a name, for the start page and the relying parties'
// API.
type Preset struct {
	// ID consists of letters, digits, hyphen and underscore.
	ID string
	// JA and EN are what people read.
	JA, EN string
	// PurposeJA and PurposeEN say what for, and what the answer is not.
	PurposeJA, PurposeEN string
	// Query is the DCQL query in JSON.
	Query json.RawMessage
}

// notStatutory is said of presets where a law names ways to identify people.
const (
	notStatutoryJA = "ウォレットによる提示だけでは、法令の定める本人確認の方法になりません。"
	notStatutoryEN = "The presentation by itself is no identification method that a law prescribes."
)

// asked is a claim of a credential in either format, as a member of a query.
type asked struct{ sdjwt, mdoc string }

var (
	askName      = asked{`{"path":["name"]}`, `{"path":["id.tegata.identity.jp.1","name"]}`}
	askBirthDate = asked{`{"path":["birthdate"]}`, `{"path":["org.iso.23220.1","birth_date"]}`}
	askAddress   = asked{`{"path":["address","formatted"]}`, `{"path":["id.tegata.identity.jp.1","address"]}`}
)

// askAge asks whether the person is as old, and no more than that.
func askAge(years string) asked {
	return asked{
		`{"path":["age_equal_or_over","` + years + `"],"values":[true]}`,
		`{"path":["org.iso.23220.1","age_over_` + years + `"],"values":[true]}`,
	}
}

// wanted is what is asked for of one type of credential.
type wanted struct {
	id, vct, doctype string
	claims           []asked
}

// identity asks for claims of the identity credential.
func identity(claims ...asked) wanted {
	return wanted{"identity", "urn:tegata:identity:jp:1", "id.tegata.identity.jp.1", claims}
}

// representative asks whom a person may act for, as of when, and for what tells
// the person.
func representative() wanted {
	const doctype = "id.tegata.company_representative.jp.1"
	w := wanted{"company_representative", "urn:tegata:company-representative:jp:1", doctype, []asked{
		{`{"path":["name"]}`, `{"path":["` + doctype + `","name"]}`}, askBirthDate,
	}}
	for _, claim := range [][2]string{
		{`"organization","corporate_number"`, "corporate_number"}, {`"organization","name"`, "organization_name"},
		{`"organization","registered_office"`, "registered_office"}, {`"authority"`, "authority"}, {`"registered_as_of"`, "registered_as_of"},
	} {
		w.claims = append(w.claims, asked{`{"path":[` + claim[0] + `]}`, `{"path":["` + doctype + `","` + claim[1] + `"]}`})
	}
	return w
}

// queryFor asks for each of the credentials, in one of the formats.
func queryFor(formats map[credentials.Format]bool, list ...wanted) json.RawMessage {
	var queries, sets []string
	for _, w := range list {
		var sdjwt, mdoc, options []string
		for _, claim := range w.claims {
			sdjwt, mdoc = append(sdjwt, claim.sdjwt), append(mdoc, claim.mdoc)
		}
		add := func(id, format, meta string, claims []string) {
			queries = append(queries, `{"id":"`+id+`","format":"`+format+`","meta":`+meta+`,"claims":[`+strings.Join(claims, ",")+`]}`)
			options = append(options, `["`+id+`"]`)
		}
		if formats[credentials.FormatSDJWTVC] {
			add(w.id+"_sd_jwt", "dc+sd-jwt", `{"vct_values":["`+w.vct+`"]}`, sdjwt)
		}
		if formats[credentials.FormatMdoc] {
			add(w.id+"_mdoc", "mso_mdoc", `{"doctype_value":"`+w.doctype+`"}`, mdoc)
		}
		sets = append(sets, `{"options":[`+strings.Join(options, ",")+`]}`)
	}
	query := `{"credentials":[` + strings.Join(queries, ",") + `]`
	if len(queries) > len(list) {
		query += `,"credential_sets":[` + strings.Join(sets, ",") + `]`
	}
	return json.RawMessage(query + "}")
}

// DefaultPresets are everyday cases, each in either of the formats, and a small
// query to try with both and with each.
func DefaultPresets(formats ...credentials.Format) []Preset {
	have := map[credentials.Format]bool{}
	for _, format := range formats {
		have[format] = true
	}
	presets := []Preset{
		{
			ID: "age_check", JA: "年齢確認（20歳以上）", EN: "Age at a till (20 or over)",
			PurposeJA: "酒類・たばこの販売にあたり、20歳以上であることだけを確認します。生年月日は求めません。",
			PurposeEN: "Whether the person is 20 or over, to sell alcohol or tobacco, and nothing else: no date of birth.",
			Query:     queryFor(have, identity(askAge("20"))),
		},
		{
			ID: "account_opening", JA: "口座開設", EN: "Open an account",
			PurposeJA: "口座の開設にあたり、氏名・住所・生年月日を確認します。" + notStatutoryJA,
			PurposeEN: "Name, address and date of birth, to open an account. " + notStatutoryEN,
			Query:     queryFor(have, identity(askName, askAddress, askBirthDate)),
		},
		{
			ID: "phone_contract", JA: "携帯電話の契約", EN: "Phone contract",
			PurposeJA: "携帯電話の契約にあたり、氏名・住所・生年月日を確認します。" + notStatutoryJA,
			PurposeEN: "Name, address and date of birth, for a contract of mobile telephony. " + notStatutoryEN,
			Query:     queryFor(have, identity(askName, askAddress, askBirthDate)),
		},
		{
			ID: "hotel_check_in", JA: "旅館・ホテルの宿泊者名簿", EN: "Hotel check-in",
			PurposeJA: "宿泊者名簿に記載する氏名と住所を受け取ります。連絡先は証明書にないため、別に尋ねてください。" + notStatutoryJA,
			PurposeEN: "Name and address for the register of guests. Ask for contact details apart: no credential has them. " + notStatutoryEN,
			Query:     queryFor(have, identity(askName, askAddress)),
		},
		{
			ID: "moving_house", JA: "引っ越し", EN: "Moving house",
			PurposeJA: "引っ越しに伴う契約の住所変更のため、氏名と現在の住所を受け取ります。届出には代わりません。" + notStatutoryJA,
			PurposeEN: "Name and present address, to change the address of a contract. It replaces no notification to a municipality. " + notStatutoryEN,
			Query:     queryFor(have, identity(askName, askAddress)),
		},
		{
			ID: "company_representative", JA: "法人の代表者の確認", EN: "Company representative",
			PurposeJA: "法人の代表者として手続をする人の氏名と生年月日、法人番号・商号・本店・資格を、二つの証明書で確認します。資格は登記を確認した日の時点のものです。" + notStatutoryJA,
			PurposeEN: "Name and date of birth of a person who acts for a company, its corporate number, name and registered office, and the person's authority, by two credentials. The authority is as of the day on which the registration was looked at. " + notStatutoryEN,
			Query:     queryFor(have, identity(askName, askBirthDate), representative()),
		},
		{
			ID: "adult", JA: "氏名と、18歳以上であること", EN: "Name, and being 18 or over",
			Query: queryFor(have, identity(askName, askAge("18"))),
		},
	}
	for _, trial := range []struct {
		id, ja, en string
		format     credentials.Format
	}{
		{"adult_sd_jwt", "氏名と、18歳以上であること（SD-JWT VC）", "Name, and being 18 or over (SD-JWT VC)", credentials.FormatSDJWTVC},
		{"adult_mdoc", "氏名と、18歳以上であること（mdoc）", "Name, and being 18 or over (mdoc)", credentials.FormatMdoc},
	} {
		if have[trial.format] {
			only := map[credentials.Format]bool{trial.format: true}
			presets = append(presets, Preset{ID: trial.id, JA: trial.ja, EN: trial.en, Query: queryFor(only, identity(askName, askAge("18")))})
		}
	}
	return presets
}
