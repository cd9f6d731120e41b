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

// asked is a claim of the identity credential in either format, as a member of
// a query.
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

const (
	idSDJWT = "identity_sd_jwt"
	idMdoc  = "identity_mdoc"
)

// identityQuery asks for claims of the identity credential in one of the
// formats.
func identityQuery(formats map[credentials.Format]bool, claims ...asked) json.RawMessage {
	var sdjwt, mdoc, queries, options []string
	for _, claim := range claims {
		sdjwt, mdoc = append(sdjwt, claim.sdjwt), append(mdoc, claim.mdoc)
	}
	add := func(id, format, meta string, claims []string) {
		queries = append(queries, `{"id":"`+id+`","format":"`+format+`","meta":`+meta+`,"claims":[`+strings.Join(claims, ",")+`]}`)
		options = append(options, `["`+id+`"]`)
	}
	if formats[credentials.FormatSDJWTVC] {
		add(idSDJWT, "dc+sd-jwt", `{"vct_values":["urn:tegata:identity:jp:1"]}`, sdjwt)
	}
	if formats[credentials.FormatMdoc] {
		add(idMdoc, "mso_mdoc", `{"doctype_value":"id.tegata.identity.jp.1"}`, mdoc)
	}
	query := `{"credentials":[` + strings.Join(queries, ",") + `]`
	if len(queries) > 1 {
		query += `,"credential_sets":[{"options":[` + strings.Join(options, ",") + `]}]`
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
			Query:     identityQuery(have, askAge("20")),
		},
		{
			ID: "account_opening", JA: "口座開設", EN: "Open an account",
			PurposeJA: "口座の開設にあたり、氏名・住所・生年月日を確認します。" + notStatutoryJA,
			PurposeEN: "Name, address and date of birth, to open an account. " + notStatutoryEN,
			Query:     identityQuery(have, askName, askAddress, askBirthDate),
		},
		{
			ID: "phone_contract", JA: "携帯電話の契約", EN: "Phone contract",
			PurposeJA: "携帯電話の契約にあたり、氏名・住所・生年月日を確認します。" + notStatutoryJA,
			PurposeEN: "Name, address and date of birth, for a contract of mobile telephony. " + notStatutoryEN,
			Query:     identityQuery(have, askName, askAddress, askBirthDate),
		},
		{
			ID: "hotel_check_in", JA: "旅館・ホテルの宿泊者名簿", EN: "Hotel check-in",
			PurposeJA: "宿泊者名簿に記載する氏名と住所を受け取ります。連絡先は証明書にないため、別に尋ねてください。" + notStatutoryJA,
			PurposeEN: "Name and address for the register of guests. Ask for contact details apart: no credential has them. " + notStatutoryEN,
			Query:     identityQuery(have, askName, askAddress),
		},
		{
			ID: "moving_house", JA: "引っ越し", EN: "Moving house",
			PurposeJA: "引っ越しに伴う契約の住所変更のため、氏名と現在の住所を受け取ります。届出には代わりません。" + notStatutoryJA,
			PurposeEN: "Name and present address, to change the address of a contract. It replaces no notification to a municipality. " + notStatutoryEN,
			Query:     identityQuery(have, askName, askAddress),
		},
		{
			ID: "adult", JA: "氏名と、18歳以上であること", EN: "Name, and being 18 or over",
			Query: identityQuery(have, askName, askAge("18")),
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
			presets = append(presets, Preset{ID: trial.id, JA: trial.ja, EN: trial.en, Query: identityQuery(only, askName, askAge("18"))})
		}
	}
	return presets
}
