package web

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"time"
)

// Label is a word in both languages. EN is empty for what has no name but the
// technical one, which is then in JA.
type Label struct{ JA, EN string }

var functions = template.FuncMap{
	"asked":     asked,
	"clock":     clock,
	"kind":      func(v any) Label { return look(kinds, v) },
	"reason":    func(v any) Label { return look(reasons, v) },
	"statement": func(v any) Label { return look(statements, v) },
	"status":    func(v any) Label { return look(statuses, v) },
}

// look finds the label of a constant of whatever string type.
func look(in map[string]Label, v any) Label {
	key := fmt.Sprint(v)
	if label, ok := in[key]; ok {
		return label
	}
	return Label{JA: key}
}

// clock writes a time as offices in Japan do. Japan has had one time zone and
// no summer time since 1952.
func clock(t time.Time) string {
	return t.In(time.FixedZone("JST", 9*60*60)).Format("2006年1月2日 15時04分")
}

// asked returns the labels of claims, each once.
func asked(paths []string) []Label {
	var out []Label
	seen := map[Label]bool{}
	for _, path := range paths {
		if label := ClaimLabel(path); !seen[label] {
			seen[label] = true
			out = append(out, label)
		}
	}
	return out
}

var ageOver = regexp.MustCompile(`(?:^|\.)age_(?:equal_or_over\.|over_)(\d{1,3})$`)

// ClaimLabel returns what people call a claim of the credentials of the presets.
// path is the claim's, with dots, and may begin with a namespace.
func ClaimLabel(path string) Label {
	label, _ := labelOf(path)
	return label
}

// labelOf returns the label, and its place in the order in which people read
// claims.
func labelOf(path string) (Label, int) {
	if m := ageOver.FindStringSubmatch(path); m != nil {
		return Label{m[1] + "歳以上", m[1] + " or over"}, len(claimLabels)
	}
	found, longest := len(claimLabels)+1, 0
	for n, c := range claimLabels {
		if len(c.path) > longest && (path == c.path || strings.HasSuffix(path, "."+c.path)) {
			found, longest = n, len(c.path)
		}
	}
	if longest == 0 {
		return Label{JA: path}, found
	}
	return claimLabels[found].label, found
}

var claimLabels = []struct {
	path  string
	label Label
}{
	{"organization.name", Label{"商号または名称", "Name of the company"}},
	{"organization_name", Label{"商号または名称", "Name of the company"}},
	{"organization.corporate_number", Label{"法人番号", "Corporate number"}},
	{"corporate_number", Label{"法人番号", "Corporate number"}},
	{"organization.registered_office", Label{"本店または主たる事務所", "Registered office"}},
	{"registered_office", Label{"本店または主たる事務所", "Registered office"}},
	{"authority", Label{"代表者の資格", "Authority"}},
	{"registered_as_of", Label{"登記を確認した日", "Registration as of"}},
	{"name", Label{"氏名", "Name"}},
	{"name_normalized", Label{"氏名（比較用）", "Name, normalised"}},
	{"name_substitutes", Label{"氏名の代替文字", "Substituted characters of the name"}},
	{"family_name", Label{"氏", "Family name"}},
	{"given_name", Label{"名", "Given name"}},
	{"birthdate", Label{"生年月日", "Date of birth"}},
	{"birth_date", Label{"生年月日", "Date of birth"}},
	{"sex", Label{"性別", "Sex"}},
	{"address.country", Label{"住所の国", "Country of the address"}},
	{"address.formatted", Label{"住所", "Address"}},
	{"address", Label{"住所", "Address"}},
	{"address_substitutes", Label{"住所の代替文字", "Substituted characters of the address"}},
}

// kinds are what people call the types of the presets, by vct and doctype.
var kinds = map[string]Label{
	"urn:tegata:identity:jp:1":               {"本人確認証明書", "Identity"},
	"id.tegata.identity.jp.1":                {"本人確認証明書", "Identity"},
	"urn:tegata:company-representative:jp:1": {"法人代表者証明書", "Company representative"},
	"id.tegata.company_representative.jp.1":  {"法人代表者証明書", "Company representative"},
}

var statements = map[string]Label{
	"names no legal entity": {"証明書に法人の記載がありません", "names no legal entity"},
	"names legal entity":    {"証明書に法人の記載があります", "names legal entity"},
	"certified e-seal":      {"認定されたeシールです", "certified e-seal"},
}

var statuses = map[string]Label{
	"valid":        {"失効していません", "not revoked"},
	"undetermined": {"失効していないか確認できませんでした", "whether it is revoked could not be found out"},
}

var reasons = map[string]Label{
	"declined":                 {"ウォレットで提示が行われませんでした。", "The wallet declined."},
	"wallet_error":             {"ウォレットが要求を処理できませんでした。", "The wallet could not process the request."},
	"response_malformed":       {"ウォレットの回答の形式が正しくありません。", "The wallet's answer is malformed."},
	"response_not_encrypted":   {"ウォレットの回答が暗号化されていません。", "The wallet's answer is not encrypted."},
	"response_undecryptable":   {"ウォレットの回答を復号できません。", "The wallet's answer can't be decrypted."},
	"query_not_satisfied":      {"提示された証明書は、求めたものではありません。", "What was shown is not what was asked for."},
	"different_subjects":       {"異なる人の証明書が提示されました。", "The credentials are of different persons."},
	"credential_malformed":     {"証明書の形式が正しくありません。", "The credential is malformed."},
	"issuer_untrusted":         {"証明書の発行者を信頼できません。", "The issuer is not trusted."},
	"issuer_signature":         {"発行者の署名が正しくありません。", "The issuer's signature is wrong."},
	"holder_binding":           {"証明書の持ち主であることを確認できません。", "Nothing proves that the credential is the holder's."},
	"transaction_data":         {"求めた取引の内容が承認されていません。", "The transaction was not authorized as asked for."},
	"credential_expired":       {"証明書の有効期限が切れています。", "The credential has expired."},
	"credential_not_yet_valid": {"証明書はまだ有効になっていません。", "The credential is not valid yet."},
	"credential_revoked":       {"証明書は失効しています。", "The credential has been revoked."},
	"credential_suspended":     {"証明書は一時停止されています。", "The credential is suspended."},
	"status_unavailable":       {"証明書が失効していないか確認できませんでした。", "Whether the credential is revoked could not be found out."},
}
