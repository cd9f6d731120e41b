package holder_test

import (
	"errors"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/fetch"
)

// TestAskIssuer has the wallet begin without an offer.
func TestAskIssuer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ask, choose []string
		edit        func(*openid4vci.IssuerMetadata)
		batches     int
		scope       string
	}{
		"one":        {ask: []string{"sd"}, batches: 1, scope: "sd"},
		"everything": {batches: 2, scope: "doc sd"},
		"one of it":  {choose: []string{"doc"}, batches: 1, scope: "doc"},
		"what the wallet can hold": {batches: 2, scope: "doc sd", edit: func(m *openid4vci.IssuerMetadata) {
			m.Configurations["other"] = &openid4vci.Configuration{Format: "ldp_vc", Scope: "other"}
		}},
		"by authorization details": {ask: []string{"sd"}, batches: 1, edit: func(m *openid4vci.IssuerMetadata) {
			m.Configurations["sd"].Scope = ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.editIssuer = tc.edit
			offer, err := w.wallet.AskIssuer(t.Context(), w.base, tc.ask...)
			if err != nil {
				t.Fatal(err)
			}
			if tc.choose != nil {
				if err := offer.Choose(tc.choose...); err != nil {
					t.Fatal(err)
				}
			}
			held, err := offer.Accept(t.Context(), w)
			if err != nil || len(held) != 3*tc.batches {
				t.Fatalf("%d credentials, %v", len(held), err)
			}
			if w.par.Get("scope") != tc.scope || w.par.Has("authorization_details") != (tc.scope == "") || w.par.Has("issuer_state") {
				t.Errorf("pushed %v", w.par)
			}
		})
	}
}

// TestNegAskIssuer has people name what is no issuer, or what it does not have.
func TestNegAskIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		issuer, configuration string
		want                  error
	}{
		"by http":         {issuer: "http://issuer.test.invalid"},
		"with a query":    {issuer: w.base + "?a=b"},
		"private address": {issuer: "https://10.0.0.1", want: fetch.ErrBlocked},
		"unknown configuration": {
			issuer: w.base, configuration: "other",
			want: &openid4vci.Error{Code: openid4vci.CodeUnknownCredentialConfiguration},
		},
	} {
		var ask []string
		if tc.configuration != "" {
			ask = []string{tc.configuration}
		}
		_, err := w.wallet.AskIssuer(t.Context(), tc.issuer, ask...)
		var refused *openid4vci.Error
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.called("/par") {
		t.Error("the wallet began")
	}
	offer, err := w.wallet.AskIssuer(t.Context(), w.base)
	if err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for _, choice := range [][]string{nil, {"other"}, {"sd", "other"}, {"sd", "sd"}} {
		if err := offer.Choose(choice...); err == nil {
			t.Errorf("chose %q", choice)
		}
	}
	empty := newWorld(t)
	empty.editIssuer = func(m *openid4vci.IssuerMetadata) {
		for _, c := range m.Configurations {
			c.Format, c.VCT, c.Doctype = credentials.Format("ldp_vc"), "", ""
		}
	}
	if _, err := empty.wallet.AskIssuer(t.Context(), empty.base); err == nil {
		t.Error("began though there is nothing to have")
	}
}

// TestOfferDCAPI reads an offer as a page of the issuer hands it over.
func TestOfferDCAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := `{"credential_issuer":"` + w.base + `","credential_configuration_ids":["sd"],"credential_issuer_metadata":{"credential_endpoint":"https://10.0.0.1"}}`
	offer, err := w.wallet.ReadOfferDCAPI(t.Context(), "openid4vci-v1", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if held, err := offer.Accept(t.Context(), w); err != nil || len(held) != 3 {
		t.Errorf("%d credentials, %v", len(held), err)
	}
	for name, tc := range map[string][2]string{
		"TestNeg/another protocol": {"openid4vp-v1-signed", good},
		"TestNeg/no offer":         {"openid4vci-v1", `{"credential_issuer":"` + w.base + `"}`},
		"TestNeg/by http":          {"openid4vci-v1", `{"credential_issuer":"http://issuer.test.invalid","credential_configuration_ids":["sd"]}`},
		"TestNeg/no such thing":    {"openid4vci-v1", `{"credential_issuer":"` + w.base + `","credential_configuration_ids":["x"]}`},
	} {
		if _, err := w.wallet.ReadOfferDCAPI(t.Context(), tc[0], []byte(tc[1])); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}
