package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// manyParties is how many relying parties TestThousandsOfParties has.
const manyParties = 2000

func apiKeyOf(id string) string { return strings.Repeat(id+"-", 8) }

// writeParty writes the file of a relying party that may ask for names.
func writeParty(t *testing.T, dir, id string) {
	t.Helper()
	sum := sha256.Sum256([]byte(apiKeyOf(id)))
	text := fmt.Sprintf("id: %s\nname_ja: 店\nname_en: Shop\napi_key_sha256: [%s]\nflows: [cross_device]\n"+
		"allowed: [{format: dc+sd-jwt, type: \"urn:tegata:identity:jp:1\", claims: [[name]]}]\n", id, hex.EncodeToString(sum[:]))
	if err := os.WriteFile(filepath.Join(dir, id+".yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestThousandsOfParties runs one verifier for thousands of relying parties, and
// adds and removes some without a restart. A fault in one file changes nothing.
func TestThousandsOfParties(t *testing.T) {
	t.Parallel()
	var dir string
	d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
		dir = filepath.Join(box.Dir, "parties")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for n := range manyParties {
			writeParty(t, dir, fmt.Sprintf("shop%d", n))
		}
		setVerifier(t, box.ConfigFile, "relying_parties_dir", dir)
	}})
	begin := func(key string, claim string) int {
		body, err := json.Marshal(map[string]any{"flow": "cross_device", "dcql_query": map[string]any{"credentials": []any{map[string]any{
			"id": "a", "format": credentials.FormatSDJWTVC, "meta": map[string]any{"vct_values": []string{"urn:tegata:identity:jp:1"}},
			"claims": []any{map[string]any{"path": []string{claim}}},
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		return d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", bearer(key, body), body).status
	}
	expect := func(when string, want map[string]int) {
		t.Helper()
		for id, status := range want {
			if got := begin(apiKeyOf(id), "name"); got != status {
				t.Errorf("%s: %s is answered %d, want %d", when, id, got, status)
			}
		}
	}
	expect("at first", map[string]int{"shop0": 201, "shop1999": 201, "shop2000": 401})
	if got := begin(apiKeyOf("shop7"), "address"); got != http.StatusForbidden {
		t.Errorf("beyond the registration: %d", got)
	}
	if got := begin(d.box.APIToken, "address"); got != http.StatusCreated {
		t.Errorf("the relying party without limits: %d", got)
	}

	writeParty(t, dir, "shop2000")
	if err := os.Remove(filepath.Join(dir, "shop0.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := d.reload(t); err != nil {
		t.Fatal(err)
	}
	expect("after a reload", map[string]int{"shop0": 401, "shop1999": 201, "shop2000": 201})

	writeParty(t, dir, "shop2001")
	if err := os.WriteFile(filepath.Join(dir, "shop5.yaml"), []byte("id: shop5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.reload(t); err == nil || !strings.Contains(err.Error(), "api_key_sha256") {
		t.Errorf("a fault: %v", err)
	}
	expect("after a reload that failed", map[string]int{"shop5": 201, "shop2001": 401})
}

// setVerifier sets a key of the verifier's section.
func setVerifier(t *testing.T, file, key string, value any) {
	t.Helper()
	setSection(t, file, config.RoleVerifier, key, value)
}

// setSection sets a key of a tenant's section.
func setSection(t *testing.T, file, role, key string, value any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := yaml.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	section, ok := content[role].(map[string]any)
	if !ok {
		t.Fatal("no " + role)
	}
	section[key] = value
	if data, err = yaml.Marshal(content); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
