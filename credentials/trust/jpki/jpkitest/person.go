package jpkitest

import (
	"strings"
	"unicode/utf8"
)

// Municipality is where a card was issued; each has its own revocation list.
type Municipality struct {
	// Code is the five-digit code of JIS X 0401 and X 0402.
	Code string
	// Prefecture and City are in Latin letters, as in a certificate's subject.
	Prefecture, City string
}

// Person is a made-up holder of a card. The fields are what the certificate
// will say, without any check.
type Person struct {
	// Key is a short name for menus and tests.
	Key string
	// Name and Address, and one digit per character of them that is 1 for a
	// substituted character.
	Name, NameSubstitutes       string
	Address, AddressSubstitutes string
	// BirthDate is EYYYYMMDD with E 1 明治, 2 大正, 3 昭和, 4 平成, 5 令和,
	// 0 unknown.
	BirthDate string
	// Gender is "1" male, "2" female, "3" unknown.
	Gender       string
	Municipality Municipality
	// NoSignature is true for those who get no certificate for digital
	// signature: children under 15 and adult wards.
	NoSignature bool
}

// Municipalities of the people.
var (
	kiyose  = Municipality{"13221", "Tokyo-to", "Kiyose-shi"}
	sapporo = Municipality{"01101", "Hokkaido", "Sapporo-shi Chuo-ku"}
	kyoto   = Municipality{"26104", "Kyoto-fu", "Kyoto-shi Nakagyo-ku"}
)

// People returns made-up people: two ordinary ones and the special cases that
// real registers have.
func People() []Person {
	people := []Person{
		{Key: "hanako", Name: "山田　花子", BirthDate: "319850401", Gender: "2", Address: "東京都清瀬市中里五丁目８４２番地", Municipality: kiyose},
		{Key: "taro", Name: "佐藤　太郎", BirthDate: "420040229", Gender: "1", Address: "北海道札幌市中央区北一条西二丁目１番地手形マンション１０１号", Municipality: sapporo},
		// 髙 cannot be written everywhere and was replaced by 高.
		{Key: "substituted", Name: "高橋　美咲", NameSubstitutes: "10000", BirthDate: "419950715", Gender: "2", Address: "京都府京都市中京区上本能寺前町４８８番地", Municipality: kyoto},
		{Key: "foreign", Name: "SMITH JOHN MICHAEL", BirthDate: "319791224", Gender: "1", Address: "東京都清瀬市元町一丁目４番１７号", Municipality: kiyose},
		{Key: "katakana", Name: "グエン　ティ　ホア", BirthDate: "420000102", Gender: "2", Address: "東京都清瀬市松山二丁目１番１号", Municipality: kiyose},
		{Key: "unknown-birth-date", Name: "鈴木　一", BirthDate: "000000000", Gender: "1", Address: "東京都清瀬市竹丘一丁目１７番１号", Municipality: kiyose},
		{Key: "partial-birth-date", Name: "田中　キヨ", BirthDate: "219230000", Gender: "2", Address: "東京都清瀬市野塩一丁目２番３号", Municipality: kiyose},
		{Key: "no-gender", Name: "渡辺　薫", BirthDate: "419991231", Gender: "3", Address: "京都府京都市中京区御池通１番地", Municipality: kyoto},
		{Key: "long-address", Name: "伊藤　誠", BirthDate: "319640710", Gender: "1", Address: "京都府京都市中京区" + strings.Repeat("寺町通御池上る", 27) + "一番", Municipality: kyoto},
		{Key: "former-surname", Name: "加藤［山本］　由美", BirthDate: "319880620", Gender: "2", Address: "東京都清瀬市梅園二丁目３番１５号", Municipality: kiyose},
		{Key: "alias", Name: "李　明（田中　明）", BirthDate: "319750909", Gender: "1", Address: "京都府京都市中京区西ノ京職司町１番地", Municipality: kyoto},
		// Those who moved abroad keep the card, with a note in place of an address.
		{Key: "abroad", Name: "中村　翔", BirthDate: "420020817", Gender: "1", Address: "国外転出（令和８年３月３１日）", Municipality: sapporo},
		{Key: "meiji", Name: "小林　ハル", BirthDate: "119100303", Gender: "2", Address: "北海道札幌市中央区南三条西六丁目４番地", Municipality: sapporo},
		{Key: "child", Name: "山田　葵", BirthDate: "520200505", Gender: "2", Address: "東京都清瀬市中里五丁目８４２番地", Municipality: kiyose, NoSignature: true},
	}
	for i := range people {
		people[i].fill()
	}
	return people
}

// PersonByKey returns one of [People], or false.
func PersonByKey(key string) (Person, bool) {
	for _, p := range People() {
		if p.Key == key {
			return p, true
		}
	}
	return Person{}, false
}

// fill sets substitute flags that were left out to all zeros.
func (p *Person) fill() {
	if p.NameSubstitutes == "" {
		p.NameSubstitutes = strings.Repeat("0", utf8.RuneCountInString(p.Name))
	}
	if p.AddressSubstitutes == "" {
		p.AddressSubstitutes = strings.Repeat("0", utf8.RuneCountInString(p.Address))
	}
	if p.Municipality == (Municipality{}) {
		p.Municipality = kiyose
	}
}
