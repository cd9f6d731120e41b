package openid_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/evidence/openid"
)

// FuzzIDToken has any claims that were signed: those that are accepted name the
// issuer, this client alone and this login, also to another reader.
func FuzzIDToken(f *testing.F) {
	const good = `{"iss":"https://op.example","sub":"a","aud":%s,"nonce":"n","iat":%d,"exp":%d,"azp":"RP00000001"}`
	cfg := openid.Config{Issuer: "https://op.example", ClientID: "RP00000001"}
	f.Add(fmt.Appendf(nil, good, `"RP00000001"`, start.Unix(), start.Unix()+300))
	f.Add(fmt.Appendf(nil, good, `["RP00000001"]`, start.Unix(), start.Unix()+300))
	f.Add([]byte(`{"iss":"https://op.example","ISS":"https://evil.example"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		subject, err := openid.CheckClaims(cfg, payload, "n", start)
		if err != nil {
			if !errors.Is(err, evidence.ErrRefused) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if claims["iss"] != cfg.Issuer || claims["nonce"] != "n" || claims["sub"] != subject || subject == "" {
			t.Errorf("accepted %s", payload)
		}
		if one, ok := claims["aud"].(string); ok && one != cfg.ClientID {
			t.Errorf("accepted %s", payload)
		}
	})
}

// FuzzUserInfo has any answer: what is read has a name, an address and a gender,
// and is about the subject.
func FuzzUserInfo(f *testing.F) {
	f.Add([]byte(`{"sub":"a","name":"山田　花子","address":"東京都","birthdate":"1985-04-01","gender":"2"}`))
	f.Add([]byte(`{"sub":"a","name":"山田　花子","address":{"formatted":"東京都"},"birthdate":"19850000","gender":"female"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := openid.ReadUserInfo(body, "a")
		if err != nil {
			if !errors.Is(err, evidence.ErrRefused) || got != nil {
				t.Errorf("%v, %v", got, err)
			}
			return
		}
		if got.Name == "" || got.Address == "" || got.Gender < 1 || got.Gender > 3 {
			t.Errorf("read %+v", got)
		}
		var claims map[string]any
		if json.Unmarshal(body, &claims) != nil || claims["sub"] != "a" {
			t.Errorf("read %s", body)
		}
	})
}
