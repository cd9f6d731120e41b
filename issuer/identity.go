package issuer

import (
	"fmt"
	"strconv"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/source"
)

func labels(ja, en string) []Text { return []Text{{"ja", ja}, {"en", en}} }

func identitySDJWTClaims() []Claim {
	claims := []Claim{
		{credentials.PathOf("name"), true, labels("氏名", "Name")},
		{credentials.PathOf("name_normalized"), true, labels("氏名（比較用）", "Name, normalised")},
		{credentials.PathOf("name_substitutes"), false, labels("氏名の代替文字", "Substituted characters of the name")},
		{credentials.PathOf("family_name"), false, labels("氏", "Family name")},
		{credentials.PathOf("given_name"), false, labels("名", "Given name")},
		{credentials.PathOf("birthdate"), false, labels("生年月日", "Date of birth")},
		{credentials.PathOf("sex"), true, labels("性別", "Sex")},
		{credentials.PathOf("address", "formatted"), false, labels("住所", "Address")},
		{credentials.PathOf("address", "country"), false, labels("住所の国", "Country of the address")},
		{credentials.PathOf("address_substitutes"), false, labels("住所の代替文字", "Substituted characters of the address")},
	}
	for _, age := range ageThresholds {
		n := strconv.Itoa(age)
		claims = append(claims, Claim{
			credentials.PathOf("age_equal_or_over", n), false,
			labels(n+"歳以上", n+" or over"),
		})
	}
	return claims
}

func identitySDJWT(p *source.Person, today credentials.FullDate) credentials.Object {
	claims := credentials.Object{
		"name":            credentials.Text(p.Name),
		"name_normalized": credentials.Text(p.NormalizedName()),
		"sex":             credentials.Int(p.Sex),
	}
	if p.Address != "" {
		claims["address"] = credentials.Object{
			"formatted": credentials.Text(p.Address),
			"country":   credentials.Text("JP"),
		}
	}
	addSubstitutes(claims, p)
	if family, given, ok := p.FamilyAndGivenName(); ok {
		claims["family_name"], claims["given_name"] = credentials.Text(family), credentials.Text(given)
	}
	if p.BirthDate != nil {
		claims["birthdate"] = *p.BirthDate
		ages := credentials.Object{}
		for _, age := range ageThresholds {
			ages[strconv.Itoa(age)] = credentials.Bool(p.BirthDate.AgeAt(today) >= age)
		}
		claims["age_equal_or_over"] = ages
	}
	return claims
}

func identityMdocClaims() []Claim {
	claims := []Claim{
		{credentials.PathOf(identityNamespace, "name"), true, labels("氏名", "Name")},
		{credentials.PathOf(identityNamespace, "name_normalized"), true, labels("氏名（比較用）", "Name, normalised")},
		{credentials.PathOf(identityNamespace, "name_substitutes"), false, labels("氏名の代替文字", "Substituted characters of the name")},
		{credentials.PathOf(identityNamespace, "address"), false, labels("住所", "Address")},
		{credentials.PathOf(identityNamespace, "address_substitutes"), false, labels("住所の代替文字", "Substituted characters of the address")},
		{credentials.PathOf(isoNamespace, "sex"), true, labels("性別", "Sex")},
		{credentials.PathOf(isoNamespace, "birth_date"), false, labels("生年月日", "Date of birth")},
	}
	for _, age := range ageThresholds {
		claims = append(claims, Claim{
			credentials.PathOf(isoNamespace, ageOver(age)), false,
			labels(strconv.Itoa(age)+"歳以上", strconv.Itoa(age)+" or over"),
		})
	}
	return claims
}

func identityMdoc(p *source.Person, today credentials.FullDate) credentials.Object {
	own := credentials.Object{
		"name":            credentials.Text(p.Name),
		"name_normalized": credentials.Text(p.NormalizedName()),
	}
	if p.Address != "" {
		own["address"] = credentials.Text(p.Address)
	}
	addSubstitutes(own, p)
	iso := credentials.Object{"sex": credentials.Int(p.Sex)}
	if p.BirthDate != nil {
		iso["birth_date"] = *p.BirthDate
		for _, age := range ageThresholds {
			iso[ageOver(age)] = credentials.Bool(p.BirthDate.AgeAt(today) >= age)
		}
	}
	return credentials.Object{identityNamespace: own, isoNamespace: iso}
}

// addSubstitutes says which characters of name and address stand for others
// that the certificate could not hold, where the certificate says so.
func addSubstitutes(claims credentials.Object, p *source.Person) {
	for name, flags := range map[string]string{"name_substitutes": p.NameSubstitutes, "address_substitutes": p.AddressSubstitutes} {
		if flags != "" {
			claims[name] = credentials.Text(flags)
		}
	}
}

func ageOver(age int) string { return fmt.Sprintf("age_over_%02d", age) }
