package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// TestNothingLeaks (F04) walks a person through issuance, with detours, and then
// looks for what is known of them and for secrets in everything that is kept:
// the log, the whole of Redis, and the files of the database.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	address := sessiontest.StartRedis(t)
	d := deploy(t, deployOptions{redis: address})
	card := cardOf(t, "hanako")
	cert := card.SignatureCertificate()
	c, b := d.newClient(t), d.newBrowser(t)
	secrets := map[string]string{
		"address": card.Person.Address, "birth date": "1985-04-01", "birth date in JPKI's form": card.Person.BirthDate,
		"serial": cert.SerialNumber.String(), "serial in hexadecimal": hex.EncodeToString(cert.SerialNumber.Bytes()),
		"certificate": base64.StdEncoding.EncodeToString(cert.Raw)[:60], "admin token": d.box.AdminToken,
		"municipality": card.Person.Municipality.City, "code verifier": c.verifier, "state": "a-state-to-be-found",
	}
	for i, part := range strings.Fields(strings.ReplaceAll(card.Person.Name, "\u3000", " ")) {
		secrets["name "+string(rune('1'+i))] = part
	}

	form := c.parForm()
	form.Set("state", secrets["state"])
	request := c.visit(t, c.push(t, form, nil))
	p := b.open(t, request)
	secrets["cookie before"] = value(b.cookie(t, d.box.Issuer))
	secrets["challenge"] = p.attribute("challenge", "value")[:60]
	answer := sign(t, p, card)
	secrets["signature"] = answer.Get("signature")[:60]
	b.submit(t, p, "sign-form", sign(t, p, cardOf(t, "taro"))) // another person's, which is good too
	b = d.newBrowser(t)
	p = b.login(t, request, card)
	secrets["cookie after"] = value(b.cookie(t, d.box.Issuer))
	secrets["code"] = b.submit(t, p, "review-form", approve).url.Query().Get("code")
	secrets["request_uri"] = request[strings.LastIndex(request, "%3A")+3:]
	wrong := c.tokenForm(secrets["code"])
	wrong.Set("code_verifier", openid4vci.NewCodeVerifier())
	c.token(t, wrong, nil)
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(secrets["code"]), nil).read(t, &token)
	secrets["access token"] = token.AccessToken
	credentialRequest := c.credentialRequest(t, 1)
	secrets["nonce"] = nonceOf(t, credentialRequest.Proofs.JWT[0])
	secrets["key proof"] = credentialRequest.Proofs.JWT[0][:100]
	issued := c.credential(t, token.AccessToken, credentialRequest, nil).credentials(t)
	secrets["credential"] = issued[0][len(issued[0])-60:]
	c.credential(t, token.AccessToken, credentialRequest, nil) // refused
	secrets["attestation"] = c.attestation[len(c.attestation)-60:]

	stores := map[string][]byte{"the log": []byte(d.log.String()), "Redis": dumpRedis(t, address)}
	files, err := filepath.Glob(d.cfg.Database.Path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stores[filepath.Base(file)] = data
	}
	// The search finds what is there.
	if !bytes.Contains(stores["the log"], []byte("/credential")) || len(stores["Redis"]) < 1000 {
		t.Errorf("log of %d bytes, Redis of %d bytes", len(stores["the log"]), len(stores["Redis"]))
	}
	for what, text := range secrets {
		if len(text) < 6 { // shorter ones would be found by chance
			t.Errorf("nothing to look for: %s", what)
		}
		for _, form := range []string{text, strings.ToUpper(text), base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
			for where, data := range stores {
				if bytes.Contains(data, []byte(form)) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
}

func value(cookie string) string {
	_, value, _ := strings.Cut(cookie, "=")
	return value
}

// dumpRedis returns all keys and values.
func dumpRedis(t *testing.T, address string) []byte {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, key := range keys {
		dump, err := client.Dump(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(key + "\n" + dump + "\n")
		if v, err := client.Get(t.Context(), key).Result(); err == nil {
			out.WriteString(v)
		}
		if v, err := client.HGetAll(t.Context(), key).Result(); err == nil {
			for name, field := range v {
				out.WriteString(name + "\n" + field + "\n")
			}
		}
	}
	return out.Bytes()
}
