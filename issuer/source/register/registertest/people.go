package registertest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// strangers are those of [jpkitest.People] that the register does not know, and
// twins those whom it can't tell from somebody else with the same name, address,
// birth date and sex.
var (
	strangers = map[string]bool{"abroad": true}
	twins     = map[string]bool{"alias": true}
	// foreigners are nationals of other countries.
	foreigners = map[string]string{"foreign": "US", "katakana": "VN", "alias": "CN"}
	// unwritable has what the register writes where certificates can't.
	unwritable = map[string]string{"substituted": "髙橋　美咲"}
	// offices has those who represent a made-up company: its name, registered
	// office and the base of its corporate number, and the authority.
	offices = map[string][4]string{
		"hanako":  {"手形商事株式会社", "東京都千代田区大手町一丁目１番１号", "700150099901", "代表取締役"},
		"foreign": {"合同会社テガタ・ラボ", "東京都港区芝公園一丁目２番３号", "700150099902", "代表社員"},
	}
	// latin has family and given names in Latin letters.
	latin = map[string][2]string{
		"hanako": {"YAMADA", "HANAKO"}, "taro": {"SATO", "TARO"}, "substituted": {"TAKAHASHI", "MISAKI"}, "foreign": {"SMITH", "JOHN MICHAEL"},
		"katakana": {"NGUYEN", "THI HOA"}, "unknown-birth-date": {"SUZUKI", "HAJIME"}, "partial-birth-date": {"TANAKA", "KIYO"},
		"no-gender": {"WATANABE", "KAORU"}, "long-address": {"ITO", "MAKOTO"}, "former-surname": {"KATO", "YUMI"}, "alias": {"LI", "MING"},
		"meiji": {"KOBAYASHI", "HARU"},
	}
)

// People returns what the register knows of the people of package jpkitest: what
// an EUDI PID, a mobile driving licence and, of two of them, a credential of a
// company's representative need beyond the certificate. Nobody knows "abroad", and
// there are two of "alias".
func People() ([]Record, error) {
	var records []Record
	for n, p := range jpkitest.People() {
		if p.NoSignature || strangers[p.Key] {
			continue
		}
		record, err := recordOf(n, p)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
		if twins[p.Key] {
			records = append(records, record)
		}
	}
	return records, nil
}

func recordOf(n int, p jpkitest.Person) (Record, error) {
	record := Record{Name: p.Name, Address: p.Address, Sex: map[string]int{"1": 1, "2": 2}[p.Gender]}
	if name, ok := unwritable[p.Key]; ok {
		record.Name = name
	}
	// What is not a whole date is no date in a certificate either.
	if born, err := credentials.ParseFullDate(p.BirthDate[1:5] + "-" + p.BirthDate[5:7] + "-" + p.BirthDate[7:]); err == nil {
		record.BirthDate = born.String()
	}
	picture, err := portrait(n)
	if err != nil {
		return record, err
	}
	nationality, country := "JP", "JP"
	if other, ok := foreigners[p.Key]; ok {
		nationality, country = other, other
	}
	issued, ends := typed("full-date", "2024-05-01"), typed("full-date", "2029-05-01")
	record.Claims = map[string]any{
		"nationality":     []any{nationality},
		"place_of_birth":  typed("object", map[string]any{"country": country, "locality": p.Municipality.City}),
		"family_name":     latin[p.Key][0],
		"given_name":      latin[p.Key][1],
		"portrait":        typed("bytes", jose.EncodeBase64(picture)),
		"document_number": typed("identifier", fmt.Sprintf("3088%08d", 12345*(n+1))),
		"issue_date":      issued,
		"expiry_date":     ends,
		"driving_privileges": []any{typed("object", map[string]any{
			"vehicle_category_code": "B", "issue_date": issued, "expiry_date": ends,
		})},
	}
	if office, ok := offices[p.Key]; ok {
		record.Claims["organization_name"], record.Claims["registered_office"], record.Claims["authority"] = office[0], office[1], office[3]
		record.Claims["corporate_number"] = typed("identifier", trust.CorporateNumber(office[2]))
		record.Claims["registered_as_of"] = issued
	}
	return record, nil
}

func typed(name string, value any) map[string]any { return map[string]any{name: value} }

// portrait draws nobody: a grey square.
func portrait(n int) ([]byte, error) {
	picture := image.NewGray(image.Rect(0, 0, 64, 80))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(color.Gray{Y: uint8(100 + 8*n)}), image.Point{}, draw.Src)
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture, nil)
	return b.Bytes(), err
}
