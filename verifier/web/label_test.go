package web_test

import (
	"testing"

	"github.com/tegata-id/tegata/verifier/web"
)

func TestClaimLabel(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"name":                         "氏名",
		"id.tegata.identity.jp.1.name": "氏名",
		"name_normalized":              "氏名（比較用）",
		"age_equal_or_over.18":         "18歳以上",
		"org.iso.23220.1.age_over_65":  "65歳以上",
		"address.formatted":            "住所",
		"organization.name":            "商号または名称",
		"x.organization_name":          "商号または名称",
		"surname":                      "surname",
		"page_over_18":                 "page_over_18",
	} {
		if got := web.ClaimLabel(path); got.JA != want {
			t.Errorf("%s: %q, want %q", path, got.JA, want)
		}
	}
}
