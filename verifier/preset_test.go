package verifier_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/verifier"
)

// TestPresets begins a transaction with each preset, which asks for either
// format, and has the page say what each is for.
func TestPresets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	index := text(t, s.do(http.MethodGet, "/", ""))
	listed := text(t, wantCode(t, s.api(http.MethodGet, "/api/presets", ""), http.StatusOK))
	for _, id := range []string{"age_check", "account_opening", "phone_contract", "hotel_check_in", "moving_house", "company_representative"} {
		r := s.api(http.MethodPost, "/api/transactions", `{"preset":"`+id+`","flow":"cross_device"}`)
		tx := decode[created](t, wantCode(t, r, http.StatusCreated))
		query := string(s.read(tx.Link, tx.RequestURI).Parameters.DCQLQuery)
		if !strings.Contains(query, "dc+sd-jwt") || !strings.Contains(query, "mso_mdoc") || !strings.Contains(query, "credential_sets") {
			t.Errorf("%s asks %s", id, query)
		}
		if id == "age_check" && (strings.Contains(query, "birth") || strings.Contains(query, "name\"]")) {
			t.Errorf("%s asks %s", id, query)
		}
		if !strings.Contains(index, `id="preset-`+id+`"`) || !strings.Contains(index, `id="purpose-`+id+`"`) || !strings.Contains(listed, `"id":"`+id+`"`) {
			t.Errorf("%s is not listed", id)
		}
	}
	for body, reason := range map[string]string{
		`{"preset":"none","flow":"cross_device"}`:                                      "unknown_preset",
		`{"flow":"cross_device"}`:                                                      "invalid_request",
		`{"preset":"age_check","flow":"cross_device","dcql_query":` + querySDJWT + `}`: "invalid_request",
	} {
		if got := reasonOf(t, wantCode(t, s.api(http.MethodPost, "/api/transactions", body), http.StatusBadRequest)); got != reason {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestAgePreset presents a whole identity to the age preset, which learns that
// the person is old enough and neither a date of birth nor a validity that tells
// it.
func TestAgePreset(t *testing.T) {
	t.Parallel()
	for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
		s := newSite(t)
		r := s.api(http.MethodPost, "/api/transactions", `{"preset":"age_check","flow":"cross_device"}`)
		tx := decode[created](t, wantCode(t, r, http.StatusCreated))
		request := s.read(tx.Link, tx.RequestURI)
		draft, binding := s.draft(format), request.binding()
		id, presentation := "identity_sd_jwt", ""
		if format == credentials.FormatSDJWTVC {
			draft.Claims["age_equal_or_over"] = credentials.Object{"20": credentials.Bool(true)}
			paths := []credentials.Path{credentials.PathOf("age_equal_or_over", "20"), credentials.PathOf("birthdate")}
			presentation = must(sdjwt.Present(s.issueSDJWT(draft, s.sdjwtKey), paths, &binding, s.holder, s.clock()))(t)
		} else {
			draft.Claims["org.iso.23220.1"].(credentials.Object)["age_over_20"] = credentials.Bool(true)
			paths := []credentials.Path{credentials.PathOf("org.iso.23220.1", "age_over_20"), credentials.PathOf("org.iso.23220.1", "birth_date")}
			id, presentation = "identity_mdoc", jose.EncodeBase64(must(mdoc.Present(must(mdoc.Issue(draft, s.docKey))(t), paths, binding, s.holder))(t))
		}
		wantCode(t, s.post(request.Parameters.ResponseURI, s.seal(request, responseParams(id, presentation, request.Parameters.State))), http.StatusOK)
		raw := text(t, s.api(http.MethodGet, "/api/transactions/"+tx.ID, ""))
		var result verifier.Result
		if err := json.Unmarshal([]byte(raw), &result); err != nil || result.State != verifier.StateVerified {
			t.Fatalf("%s: %v %s", format, err, raw)
		}
		for _, telling := range []string{"birthdate", "birth_date", "1980-", "valid_from", "valid_until", "花子"} {
			if strings.Contains(raw, telling) {
				t.Errorf("%s: the result has %q: %s", format, telling, raw)
			}
		}
	}
}

// TestIdempotencyKey sends one request several times.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	list := parties()
	list[1].MaxOpen = 2
	s := newPartySite(t, list)
	replica := s.siteFor(list)
	send := func(at *site, apiKey, key, body string) *http.Response {
		return at.as(apiKey, http.MethodPost, "/api/transactions", body, "Idempotency-Key", key)
	}
	id := func(r *http.Response) string { return decode[created](t, wantCode(t, r, http.StatusCreated)).ID }
	body := askBody(querySDJWT, verifier.SameDevice, redirect)

	first := id(send(s, bankKey, "k", body))
	if again := id(send(replica, bankKey, "k", body)); again != first {
		t.Error("the same request begins something new")
	}
	other := askBody(strings.Replace(querySDJWT, `"18"`, `"65"`, 1), verifier.SameDevice, redirect)
	if got := reasonOf(t, wantCode(t, send(s, bankKey, "k", other), http.StatusUnprocessableEntity)); got != "idempotency_key_reused" {
		t.Errorf("another request: %s", got)
	}
	if id(send(s, bankKey, "l", body)) == first || id(send(s, shopKey, "k", body)) == first || s.ask(bankKey).ID == first {
		t.Error("another key, another relying party or no key gets the first transaction")
	}
	wantCode(t, send(s, bankKey, strings.Repeat("k", 256), body), http.StatusBadRequest)
	s.advance(verifier.DefaultLifetimes.Request + verifier.DefaultLifetimes.Result)
	if id(send(s, bankKey, "k", body)) == first {
		t.Error("a key lives on after its transaction")
	}

	// At the same time, on two replicas. The shop may have two waiting.
	var group sync.WaitGroup
	ids := make([]string, 2)
	for n := range ids {
		group.Go(func() { ids[n] = decode[created](t, send([]*site{s, replica}[n], shopKey, "race", body)).ID })
	}
	group.Wait()
	if ids[0] == "" || ids[0] != ids[1] {
		t.Errorf("two at once: %q", ids)
	}
	id(send(s, shopKey, "last", body)) // the loser's place is free again
	wantCode(t, send(s, shopKey, "full", body), http.StatusTooManyRequests)
}
