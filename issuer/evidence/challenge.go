package evidence

import (
	"strings"
	"time"
	"unicode"
)

// challengeDomain opens every challenge, so that a signature over it can't be
// taken for a signature over anything else.
const challengeDomain = "tegata:issuance-challenge:v1"

// Device says where a challenge may be signed, seen from the browser that goes
// on with the signature. It is part of what is signed.
type Device string

// The devices.
const (
	// SameDevice is that of the browser. The signature comes back through a
	// link that opens there, so nobody can have somebody else sign for them.
	SameDevice Device = "same"
	// OtherDevice is any other. The person types a code or pastes the
	// signature, and can be talked into doing that in the wrong browser.
	OtherDevice Device = "other"
)

// notice is what the person should know before signing.
func (d Device) notice() string {
	if d == SameDevice {
		return "署名は、この端末のブラウザで始めた手続きにだけ使われます。\n" +
			"The signature serves the procedure that was begun in the browser of this device, and no other.\n"
	}
	return "手続きを別の端末で始めたのがご自身でないときは、署名しないでください。署名やコードを他の人に渡さないでください。\n" +
		"Don't sign unless you began the procedure on the other device yourself. Give the signature or the code to nobody.\n"
}

// Challenge is what a person signs with the JPKI signature certificate. The
// key is the equal of a registered seal, so the text says in plain words what
// the signature is for, and names everything that the signature must not be
// used beyond: issuer, session, wallet and the keys the wallet is held to.
//
// The issuer recomputes the text from its own session when the answer comes
// and never reads what came back.
type Challenge struct {
	// Issuer is the credential issuer identifier.
	Issuer string
	// Session is a public name of the login session, not the session secret.
	Session string
	// Nonce is fresh and unpredictable, at least 128 bits.
	Nonce string
	// Expires is when the issuer stops accepting the answer.
	Expires time.Time
	// Credentials names what will be issued, in words.
	Credentials []string
	// Wallet is the name in the wallet attestation.
	Wallet string
	// ClientKey is the thumbprint of the attested instance key.
	ClientKey string
	// DPoPKey is the thumbprint that the wallet announced as dpop_jkt, or
	// empty.
	DPoPKey string
	// Device is where the challenge may be signed.
	Device Device
	// Authentication is what a signature with the authentication certificate
	// does.
	Authentication Use
}

// Bytes returns the text to be signed: UTF-8, lines ended by LF, always in the
// same order.
func (c Challenge) Bytes() []byte {
	var b strings.Builder
	line := func(label, value string) { b.WriteString(label + ": " + oneLine(value) + "\n") }
	b.WriteString(challengeDomain + "\n")
	b.WriteString("デジタル資格証明書の発行を申し込むための署名です。契約の締結や送金には使われません。\n")
	b.WriteString("This signature requests the issuance of digital credentials. It is not a contract.\n")
	b.WriteString(c.Device.notice())
	b.WriteString(c.Authentication.notice())
	line("発行者 issuer", c.Issuer)
	line("発行するもの credentials", strings.Join(c.Credentials, ", "))
	line("受け取るウォレット wallet", shortened(c.Wallet))
	line("wallet key", c.ClientKey)
	line("dpop key", orNone(c.DPoPKey))
	line("署名する端末 device", string(c.Device))
	line("session", c.Session)
	line("nonce", c.Nonce)
	line("有効期限 expires", c.Expires.UTC().Format(time.RFC3339))
	return []byte(b.String())
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// maxName bounds, in characters, the name that a wallet gives itself.
const maxName = 100

// shortened keeps a name from pushing the rest of the text off the screen.
func shortened(s string) string {
	if runes := []rune(s); len(runes) > maxName {
		return string(runes[:maxName]) + "…"
	}
	return s
}

// oneLine keeps a value from forging a line of its own, and from looking like
// another by turning the direction of writing or by what can't be seen.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
}
