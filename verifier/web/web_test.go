package web_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/verifier/web"
)

func TestFlatten(t *testing.T) {
	t.Parallel()
	got, err := web.Flatten("q", []byte(`{"b":{"y":[1,null]},"a":"<b>","name":true,"n":12345678901234567890}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []web.Claim{ // what has a label first
		{ID: "claim-q-name", Name: "name", Value: "true", Label: web.Label{JA: "氏名", EN: "Name"}, Said: web.Label{JA: "はい", EN: "Yes"}},
		{ID: "claim-q-a", Name: "a", Value: "<b>", Label: web.Label{JA: "a"}},
		{ID: "claim-q-b-y-0", Name: "b.y.0", Value: "1", Label: web.Label{JA: "b.y.0"}},
		{ID: "claim-q-b-y-1", Name: "b.y.1", Value: "null", Label: web.Label{JA: "b.y.1"}},
		{ID: "claim-q-n", Name: "n", Value: "12345678901234567890", Label: web.Label{JA: "n"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := web.Flatten("q", []byte(`[]`)); err == nil {
		t.Error("an array was accepted")
	}
}
