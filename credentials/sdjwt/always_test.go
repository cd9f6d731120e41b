package sdjwt_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestIssueAlways signs claims that every presentation shows as they are, and
// hides the others.
func TestIssueAlways(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	holder, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	draft := credentials.Draft{
		Type: "urn:test", HolderKey: holder.Public(), SignedAt: now, ValidFrom: now, ValidUntil: now.Add(time.Hour),
		Claims: credentials.Object{
			"venue": credentials.Object{"name": credentials.Text("市民会館 \"A\""), "halls": credentials.Array{credentials.Int(1), credentials.Bool(true)}},
			"name":  credentials.Text("山田"),
		},
		Always: []string{"venue", "absent"},
	}
	raw, err := sdjwt.Issue(draft, key)
	if err != nil {
		t.Fatal(err)
	}
	token, disclosures, _ := strings.Cut(raw, "~")
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var payload map[string]any
	if err := json.Unmarshal(data, &payload); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if diff := cmp.Diff(map[string]any{"name": "市民会館 \"A\"", "halls": []any{1.0, true}}, payload["venue"]); diff != "" {
		t.Error(diff)
	}
	if digests, _ := payload["_sd"].([]any); len(digests) != 1 || strings.Count(disclosures, "~") != 1 || payload["name"] != nil {
		t.Errorf("what is hidden: %s", data)
	}
	// All of it shown: nothing is left to hide.
	draft.Always = []string{"venue", "name"}
	if raw, err = sdjwt.Issue(draft, key); err != nil || strings.Count(raw, "~") != 1 {
		t.Error(raw, err)
	}
	draft.Claims = credentials.Object{"x": credentials.Object{"_sd": credentials.Text("x")}}
	draft.Always = []string{"x"}
	if _, err := sdjwt.Issue(draft, key); err == nil {
		t.Error("a reserved name within a claim that is always shown")
	}
}
