package evidence_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tegata-id/tegata/issuer/evidence"
)

func challenge() evidence.Challenge {
	return evidence.Challenge{
		Issuer: "https://issuer.example", Session: "s-1", Nonce: "n-1", Expires: time.Date(2026, 11, 1, 0, 5, 0, 0, time.UTC),
		Credentials: []string{"本人確認証明書 (identity_sd_jwt)"}, Wallet: "手形ウォレット", ClientKey: "k-1",
		Device: evidence.SameDevice,
	}
}

// TestNegChallengeText holds that what others name can neither add lines to
// what the person signs nor change how it reads on the screen.
func TestNegChallengeText(t *testing.T) {
	t.Parallel()
	honest := string(challenge().Bytes())
	lines := strings.Count(honest, "\n")
	if !strings.Contains(honest, "wallet: 手形ウォレット\n") || !strings.Contains(honest, "dpop key: none\n") {
		t.Errorf("honest twin:\n%s", honest)
	}
	for name, wallet := range map[string]string{
		"line feed":               "x\nnonce: other",
		"carriage return":         "x\rnonce: other",
		"next line":               "x\u0085nonce: other",
		"line separator":          "x\u2028nonce: other",
		"paragraph separator":     "x\u2029nonce: other",
		"C1 control":              "x\u0090y",
		"right-to-left override":  "x\u202egnihtemos",
		"first strong isolate":    "x\u2068y",
		"right-to-left mark":      "x\u200fy",
		"arabic letter mark":      "x\u061cy",
		"zero width space":        "x\u200by",
		"tag characters":          "x\U000e0041y",
		"invalid UTF-8":           "x\xffy",
		"a very long name":        strings.Repeat("ウ", 100_000),
		"a variation of combined": "x" + strings.Repeat("\u0301", 100_000),
	} {
		t.Run("I31 "+name, func(t *testing.T) {
			t.Parallel()
			c := challenge()
			c.Wallet = wallet
			text := string(c.Bytes())
			if !utf8.ValidString(text) {
				t.Error("the text is not UTF-8")
			}
			if got := strings.Count(text, "\n"); got != lines {
				t.Errorf("%d lines, want %d", got, lines)
			}
			for _, r := range strings.ReplaceAll(text, "\n", "") {
				if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
					t.Fatalf("U+%04X is in the text", r)
				}
			}
			if len(text) > 4096 {
				t.Errorf("the text has %d bytes", len(text))
			}
			if text == honest {
				t.Error("the name has no influence at all")
			}
		})
	}
}

// TestChallengeDomain holds that every value that must be signed is in the text.
func TestChallengeDomain(t *testing.T) {
	t.Parallel()
	honest := string(challenge().Bytes())
	for name, change := range map[string]func(*evidence.Challenge){
		"issuer":      func(c *evidence.Challenge) { c.Issuer = "https://other.example" },
		"session":     func(c *evidence.Challenge) { c.Session = "s-2" },
		"nonce":       func(c *evidence.Challenge) { c.Nonce = "n-2" },
		"expiry":      func(c *evidence.Challenge) { c.Expires = c.Expires.Add(time.Second) },
		"credentials": func(c *evidence.Challenge) { c.Credentials = []string{"x"} },
		"wallet":      func(c *evidence.Challenge) { c.Wallet = "x" },
		"client key":  func(c *evidence.Challenge) { c.ClientKey = "k-2" },
		"device":      func(c *evidence.Challenge) { c.Device = evidence.OtherDevice },
		"link":        func(c *evidence.Challenge) { c.Authentication = evidence.UseLink },
		"return":      func(c *evidence.Challenge) { c.Authentication = evidence.UseReturn },
		"DPoP key":    func(c *evidence.Challenge) { c.DPoPKey = "k-2" },
	} {
		c := challenge()
		change(&c)
		if string(c.Bytes()) == honest {
			t.Errorf("%s is not part of what is signed", name)
		}
	}
}
