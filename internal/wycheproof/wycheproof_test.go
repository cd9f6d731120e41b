package wycheproof_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

//go:embed known_failures.txt
var knownFailures string

// vector is one test of a file, in the members that any of the files uses.
type vector struct {
	ID      int    `json:"tcId"`
	Comment string `json:"comment"`
	Result  string `json:"result"`
	JWS     string `json:"jws"`
	JWE     string `json:"jwe"`
	PT      string `json:"pt"`
	Enc     string `json:"enc"`
	Msg     string `json:"msg"`
	Sig     string `json:"sig"`
}

type group struct {
	Public       json.RawMessage `json:"public"`
	Private      json.RawMessage `json:"private"`
	PublicKeyDER string          `json:"publicKeyDer"`
	Tests        []vector        `json:"tests"`
}

// key returns the group's JWK, or set of them, by its members.
func (g group) key(t *testing.T) map[string]any {
	t.Helper()
	raw := g.Public
	if raw == nil {
		raw = g.Private
	}
	var key map[string]any
	if err := json.Unmarshal(raw, &key); err != nil {
		t.Fatal(err)
	}
	return key
}

// decision is what a test expects of a vector and what the code does.
type decision struct{ want, got bool }

// tally is how a whole file comes out; the tests assert it, so that no change
// of the vectors or of the reader loses some of them in silence.
type tally struct{ total, accepted, disagree int }

// run decides every vector of a file and holds the decisions against
// known_failures.txt and the counts.
func run(t *testing.T, file string, want tally, decide func(t *testing.T, g group, v vector) decision) {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var content struct {
		Total  int     `json:"numberOfTests"`
		Groups []group `json:"testGroups"`
	}
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	known := knownOf(t, file)
	var got tally
	for _, g := range content.Groups {
		for _, v := range g.Tests {
			got.total++
			d := decide(t, g, v)
			if d.got {
				got.accepted++
			}
			reason := known[v.ID]
			delete(known, v.ID)
			switch {
			case d.want != d.got && reason == "":
				t.Errorf("%s %d %s (%s): accepted %t, want %t", file, v.ID, v.Comment, v.Result, d.got, d.want)
			case d.want == d.got && reason != "":
				t.Errorf("%s %d %s: listed as a known failure, but passes", file, v.ID, v.Comment)
			case d.want != d.got:
				got.disagree++
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		t.Errorf("%s %d: listed as a known failure, but does not exist", file, id)
	}
	if got != want || content.Total != got.total {
		t.Errorf("%s: %+v, want %+v; the file says %d", file, got, want, content.Total)
	}
	t.Logf("corpus: Wycheproof %s: %d vectors, %d accepted, %d known failures", file, got.total, got.accepted, got.disagree)
}

func knownOf(t *testing.T, file string) map[int]string {
	t.Helper()
	known := map[int]string{}
	for line := range strings.Lines(knownFailures) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var name string
		var id int
		if _, err := fmt.Sscan(line, &name, &id); err != nil {
			t.Fatalf("known_failures.txt: %q: %v", line, err)
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			t.Fatalf("known_failures.txt: %q has no reason", line)
		}
		if name == file {
			known[id] = fields[2]
		}
	}
	return known
}

// verifies says whether a token verifies under a JWK as received.
func verifies(t *testing.T, token string, key map[string]any) bool {
	t.Helper()
	data, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.ParseJWK(data)
	if err != nil {
		return false
	}
	pub, err := jwk.VerificationKey()
	if err != nil {
		return false
	}
	u, err := jose.Parse(token)
	if err != nil {
		return false
	}
	_, err = u.Verify(pub)
	return err == nil
}

// TestJSONWebSignature: vectors with elliptic curves as Wycheproof says, all
// others are refused, valid ones by their algorithm alone.
func TestJSONWebSignature(t *testing.T) {
	run(t, "json_web_signature_test.json", tally{total: 401, accepted: 2, disagree: 2}, func(t *testing.T, g group, v vector) decision {
		key := g.key(t)
		if key["kty"] == "EC" {
			return decision{want: v.Result == "valid", got: verifies(t, v.JWS, key)}
		}
		_, err := jose.Parse(v.JWS)
		return decision{got: (v.Result == "valid" && err == nil) || verifies(t, v.JWS, key)}
	})
}

// TestJSONWebKey: with the private member taken out, since it alone would be
// reason enough to refuse a key. The valid vectors are of MACs and RSA.
func TestJSONWebKey(t *testing.T) {
	run(t, "json_web_key_test.json", tally{total: 26}, func(t *testing.T, g group, v vector) decision {
		var d decision
		for _, member := range g.key(t)["keys"].([]any) {
			key := member.(map[string]any)
			delete(key, "d")
			if verifies(t, v.JWS, key) {
				d.got = true
			}
		}
		return d
	})
}

// TestJSONWebEncryption: ECDH-ES in direct mode with AES-GCM of 128 and 256
// bits opens; everything else is refused.
func TestJSONWebEncryption(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "json_web_encryption_test.json", tally{total: 139, accepted: 2}, func(t *testing.T, g group, v vector) decision {
		key := g.key(t)
		private := stranger
		if key["kty"] == "EC" && key["crv"] == "P-256" {
			var secret struct{ D string }
			if err := json.Unmarshal(g.Private, &secret); err != nil {
				t.Fatal(err)
			}
			if secret.D != "" {
				private = p256(t, secret.D)
			}
		}
		built := key["alg"] == jose.ECDHES && (v.Enc == jose.A128GCM || v.Enc == jose.A256GCM)
		d := decision{want: built && v.Result == "valid"}
		if e, err := jose.ParseEncrypted(v.JWE); err == nil {
			out, err := e.Decrypt(private, jose.A128GCM, jose.A256GCM)
			if err == nil && d.want && hex.EncodeToString(out) != v.PT {
				t.Errorf("%d: plaintext %x, want %s", v.ID, out, v.PT)
			}
			d.got = err == nil
		}
		return d
	})
}

func p256(t *testing.T, d string) *ecdsa.PrivateKey {
	t.Helper()
	raw, err := jose.DecodeBase64(d)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicKey(t *testing.T, g group) crypto.PublicKey {
	t.Helper()
	pub, err := x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDER))
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestECDSA holds the signatures of JWS and COSE, r and s one after the other.
func TestECDSA(t *testing.T) {
	for file, want := range map[string]tally{
		"ecdsa_secp256r1_sha256_p1363_test.json": {total: 262, accepted: 173},
		"ecdsa_secp384r1_sha384_p1363_test.json": {total: 280, accepted: 193},
		"ecdsa_secp521r1_sha512_p1363_test.json": {total: 318, accepted: 231},
	} {
		run(t, file, want, func(t *testing.T, g group, v vector) decision {
			err := jose.VerifySignature(publicKey(t, g), unhex(t, v.Msg), unhex(t, v.Sig))
			return decision{want: v.Result == "valid", got: err == nil}
		})
	}
}

// TestRSA holds the signatures of the card. What Wycheproof calls acceptable,
// a DigestInfo without its NULL, is refused.
func TestRSA(t *testing.T) {
	run(t, "rsa_signature_2048_sha256_test.json", tally{total: 259, accepted: 7, disagree: 2}, func(t *testing.T, g group, v vector) decision {
		cert := &x509.Certificate{PublicKey: publicKey(t, g)}
		err := jpki.VerifySignature(cert, unhex(t, v.Msg), unhex(t, v.Sig))
		return decision{want: v.Result == "valid", got: err == nil}
	})
}
