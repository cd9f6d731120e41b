package android_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/provider"
	"github.com/tegata-id/tegata/wallet/provider/android"
	"github.com/tegata-id/tegata/wallet/provider/android/androidtest"
)

const challenge = "lh27o1LMaGeEXv_ilabha2S5DImD1KOEQ09MIA5UrGV-rMq0"

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// attempt is one attestation and what it is verified against.
type attempt struct {
	t           *testing.T
	device      *androidtest.Device
	key         *ecdsa.PrivateKey
	described   androidtest.Description
	certificate func(*x509.Certificate)
	chain       func([]*x509.Certificate) []*x509.Certificate
	evidence    string // in place of the chain
	config      android.Config
	list        string
	expect      provider.PlatformEvidence
}

func newAttempt(t *testing.T) *attempt {
	t.Helper()
	a := &attempt{
		t: t, device: must[*androidtest.Device](t)(androidtest.NewDevice(start.Add(-time.Hour))),
		key: must[*ecdsa.PrivateKey](t)(keys.GenerateP256()), list: `{"entries":{}}`,
		described: must[androidtest.Description](t)(androidtest.Honest(challenge)),
	}
	a.config = android.Config{
		Roots: []*x509.Certificate{a.device.Root.Certificate}, Package: androidtest.Package,
		Signers: [][]byte{androidtest.Signer[:]}, Lowest: android.TrustedEnvironment, MinPatchLevel: 202609,
		KeyStorage: map[android.SecurityLevel][]string{
			android.TrustedEnvironment: {"iso_18045_moderate"}, android.StrongBox: {"iso_18045_high"},
		},
		UserAuthentication: []string{"iso_18045_basic"}, Now: func() time.Time { return start },
	}
	a.expect = provider.PlatformEvidence{Platform: "android", Key: a.key.Public(), Challenge: challenge}
	return a
}

func (a *attempt) verify() (provider.Assurance, error) {
	a.t.Helper()
	chain := must[[]*x509.Certificate](a.t)(a.device.Attest(a.key.Public(), a.described, a.certificate))
	if a.chain != nil {
		chain = a.chain(chain)
	}
	a.expect.Evidence = must[string](a.t)(android.EncodeEvidence(chain))
	if a.evidence != "" {
		a.expect.Evidence = a.evidence
	}
	a.config.Revocations = android.NewRevocations(func(context.Context) ([]byte, error) { return []byte(a.list), nil }, a.config.Now)
	return must[*android.Verifier](a.t)(android.New(a.config)).Verify(a.t.Context(), a.expect)
}

// hardware changes one authorization of the hardware; nil takes it away.
func hardware(tag int, value any) func(*attempt) {
	return func(a *attempt) { change(a.described.Hardware, tag, value) }
}

func software(tag int, value any) func(*attempt) {
	return func(a *attempt) { change(a.described.Software, tag, value) }
}

func change(list map[int]any, tag int, value any) {
	if list[tag] = value; value == nil {
		delete(list, tag)
	}
}

func rootOfTrust(edit func(*androidtest.RootOfTrust)) func(*attempt) {
	return func(a *attempt) {
		r := a.described.Hardware[704].(androidtest.RootOfTrust)
		edit(&r)
		a.described.Hardware[704] = r
	}
}

func app(signer []byte, packages ...string) func(*attempt) {
	return func(a *attempt) {
		a.described.Software[709] = must[[]byte](a.t)(androidtest.ApplicationID(signer, packages...))
	}
}

func levels(attestation, keystore int) func(*attempt) {
	return func(a *attempt) { a.described.AttestationLevel, a.described.KeystoreLevel = attestation, keystore }
}

// attestedCA puts a CA under an attested key, as somebody who got a key with
// the purpose to sign would.
func attestedCA(described bool) func(*attempt) {
	return func(a *attempt) {
		extension := must[[]byte](a.t)(a.described.Marshal())
		forged := must[*trusttest.CA](a.t)(a.device.CA.NewIntermediate(trusttest.CAOptions{
			Name: "Android Keystore Key", Edit: func(c *x509.Certificate) {
				if described {
					c.ExtraExtensions = []pkix.Extension{{Id: androidtest.OID, Value: extension}}
				}
			},
		}))
		below := a.device.CA.Certificate
		a.device.CA = forged
		a.chain = func(chain []*x509.Certificate) []*x509.Certificate {
			return []*x509.Certificate{chain[0], chain[1], below, chain[2]}
		}
	}
}

// TestNeg changes one thing in an honest attestation. Those that want nothing
// are the honest twins.
func TestNeg(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*attempt)
		want string // within the error
	}{
		"honest":            {func(*attempt) {}, ""},
		"version 3":         {func(a *attempt) { a.described.Version = 3 }, ""},
		"version 4":         {func(a *attempt) { a.described.Version = 4 }, ""},
		"version 100":       {func(a *attempt) { a.described.Version = 100 }, ""},
		"version 200":       {func(a *attempt) { a.described.Version = 200 }, ""},
		"version 400":       {func(a *attempt) { a.described.Version = 400 }, ""},
		"version 2":         {func(a *attempt) { a.described.Version = 2 }, "version 2 is not known"},
		"version 500":       {func(a *attempt) { a.described.Version = 500 }, "version 500 is not known"},
		"another challenge": {func(a *attempt) { a.described.Challenge = []byte(challenge[1:]) }, "another challenge"},
		"no challenge":      {func(a *attempt) { a.described.Challenge = nil }, "another challenge"},
		"another key":       {func(a *attempt) { a.expect.Key = must[*ecdsa.PrivateKey](a.t)(keys.GenerateP256()).Public() }, "another key"},
		"key on P-384": {func(a *attempt) {
			a.key = must[*ecdsa.PrivateKey](a.t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
			a.expect.Key = a.key.Public()
		}, "not for one on P-256"},
		"attested by software":      {levels(0, 1), "security level"},
		"kept by software":          {levels(1, 0), "security level"},
		"strong box":                {levels(2, 2), ""},
		"unknown level":             {levels(3, 3), "security level"},
		"negative level":            {levels(-1, 1), "security level"},
		"strong box wanted":         {func(a *attempt) { a.config.Lowest = android.StrongBox }, "security level"},
		"strong box wanted and had": {func(a *attempt) { a.config.Lowest = android.StrongBox; levels(2, 2)(a) }, ""},
		"key store not strong box":  {func(a *attempt) { a.config.Lowest = android.StrongBox; levels(2, 1)(a) }, "security level"},
		"purpose verify":            {hardware(1, androidtest.Set{3}), "signatures alone"},
		"purposes sign and agree":   {hardware(1, androidtest.Set{2, 6}), "signatures alone"},
		"no purpose":                {hardware(1, nil), "signatures alone"},
		"purpose by software": {func(a *attempt) {
			hardware(1, nil)(a)
			software(1, androidtest.Set{2})(a)
		}, "signatures alone"},
		"imported":                  {hardware(702, 2), "generated"},
		"derived":                   {hardware(702, 1), "generated"},
		"no origin":                 {hardware(702, nil), "generated"},
		"origin by software":        {func(a *attempt) { hardware(702, nil)(a); software(702, 0)(a) }, "generated"},
		"RSA":                       {hardware(2, 1), "P-256"},
		"no algorithm":              {hardware(2, nil), "P-256"},
		"another curve":             {hardware(10, 2), "P-256"},
		"no curve":                  {hardware(10, nil), "P-256"},
		"all apps":                  {hardware(600, androidtest.Null{}), "all apps"},
		"all apps by software":      {software(600, androidtest.Null{}), "all apps"},
		"unlocked":                  {rootOfTrust(func(r *androidtest.RootOfTrust) { r.Locked = false }), "not locked"},
		"own system":                {rootOfTrust(func(r *androidtest.RootOfTrust) { r.State = 1 }), "verified"},
		"unverified":                {rootOfTrust(func(r *androidtest.RootOfTrust) { r.State = 2 }), "verified"},
		"failed":                    {rootOfTrust(func(r *androidtest.RootOfTrust) { r.State = 3 }), "verified"},
		"unknown state":             {rootOfTrust(func(r *androidtest.RootOfTrust) { r.State = 4 }), "tag 704"},
		"no root of trust":          {hardware(704, nil), "started from"},
		"root of trust by software": {func(a *attempt) { software(704, a.described.Hardware[704])(a); hardware(704, nil)(a) }, "started from"},
		"patched just enough":       {hardware(706, 202609), ""},
		"old patch level":           {hardware(706, 202608), "patches"},
		"no patch level":            {hardware(706, nil), "patches"},
		"no patch level wanted":     {func(a *attempt) { a.config.MinPatchLevel = 0; hardware(706, nil)(a) }, ""},
		"another app":               {app(androidtest.Signer[:], "jp.example.other"), "another app"},
		"longer name":               {app(androidtest.Signer[:], androidtest.Package+".x"), "another app"},
		"two apps":                  {app(androidtest.Signer[:], androidtest.Package, "jp.example.other"), "another app"},
		"no package":                {app(androidtest.Signer[:]), "another app"},
		"another signer":            {app(make([]byte, 32), androidtest.Package), "somebody else"},
		"no signer":                 {app(nil, androidtest.Package), "somebody else"},
		"no app":                    {software(709, nil), "names no app"},
		"unknown authorization":     {hardware(799, 1), "tag 799"},
		"module hash":               {software(724, []byte{1}), ""},
		"number that is octets":     {hardware(706, []byte{1}), "tag 706"},
		"null that is a number":     {hardware(503, 1), "tag 503"},
		"octets behind the app": {func(a *attempt) {
			a.described.Software[709] = append(a.described.Software[709].([]byte), 0)
		}, "tag 709"},
		"no description": {func(a *attempt) { a.certificate = func(c *x509.Certificate) { c.ExtraExtensions = nil } }, "no key description"},
		"octets behind the description": {func(a *attempt) {
			a.certificate = func(c *x509.Certificate) { c.ExtraExtensions[0].Value = append(c.ExtraExtensions[0].Value, 0) }
		}, "follows"},
		"description further up":    {attestedCA(true), "issued certificates"},
		"one more CA of the device": {attestedCA(false), ""},
		"another maker": {func(a *attempt) {
			a.config.Roots = []*x509.Certificate{must[*androidtest.Device](a.t)(androidtest.NewDevice(start.Add(-time.Hour))).Root.Certificate}
		}, "android:"},
		"expired":         {func(a *attempt) { a.certificate = func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) } }, "android:"},
		"not yet valid":   {func(a *attempt) { a.certificate = func(c *x509.Certificate) { c.NotBefore = start.Add(time.Second) } }, "android:"},
		"wrong key usage": {func(a *attempt) { a.certificate = func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement } }, "android:"},
		"CA as a leaf": {func(a *attempt) {
			a.certificate = func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }
		}, "android:"},
		"without the root": {func(a *attempt) {
			a.chain = func(c []*x509.Certificate) []*x509.Certificate { return c[:2] }
		}, ""},
		"without the device": {func(a *attempt) {
			a.chain = func(c []*x509.Certificate) []*x509.Certificate { return []*x509.Certificate{c[0], c[2]} }
		}, "android:"},
		"leaf alone": {func(a *attempt) {
			a.chain = func(c []*x509.Certificate) []*x509.Certificate { return c[:1] }
		}, "too few"},
		"chain too long": {func(a *attempt) {
			a.chain = func(c []*x509.Certificate) []*x509.Certificate {
				for len(c) < 11 {
					c = append(c, c[1])
				}
				return c
			}
		}, "too many"},
		"no evidence":       {func(a *attempt) { a.evidence = " " }, "array"},
		"not certificates":  {func(a *attempt) { a.evidence = `["AAAA","AAAA"]` }, "malformed"},
		"not base64":        {func(a *attempt) { a.evidence = `["-_-_","-_-_"]` }, "base64"},
		"too large":         {func(a *attempt) { a.evidence = strings.Repeat(" ", 300<<10) }, "too large"},
		"another is listed": {func(a *attempt) { a.list = `{"entries":{"1f":{"status":"REVOKED"}}}` }, ""},
		"key revoked":       {func(a *attempt) { a.list = `{"entries":{"1":{"status":"REVOKED","reason":"KEY_COMPROMISE"}}}` }, "revoked"},
		"key suspended":     {func(a *attempt) { a.list = `{"entries":{"1":{"status":"SUSPENDED"}}}` }, "revoked"},
		"device revoked": {func(a *attempt) {
			a.list = `{"entries":{"` + a.device.CA.Certificate.SerialNumber.Text(16) + `":{"status":"REVOKED"}}}`
		}, "revoked"},
		"device revoked in capitals": {func(a *attempt) {
			a.list = `{"entries":{"00` + strings.ToUpper(a.device.CA.Certificate.SerialNumber.Text(16)) + `":{"status":"REVOKED"}}}`
		}, "revoked"},
		"list without entries": {func(a *attempt) { a.list = `{}` }, "no entries"},
		"list not JSON":        {func(a *attempt) { a.list = `<html>` }, "status list"},
		"serial not a number":  {func(a *attempt) { a.list = `{"entries":{"x":{"status":"REVOKED"}}}` }, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttempt(t)
			tc.edit(a)
			_, err := a.verify()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// What is asserted never exceeds what the evidence shows.
func TestAssurance(t *testing.T) {
	t.Parallel()
	moderate, high, basic := []string{"iso_18045_moderate"}, []string{"iso_18045_high"}, []string{"iso_18045_basic"}
	for name, tc := range map[string]struct {
		edit func(*attempt)
		want provider.Assurance
	}{
		"trusted environment":        {func(*attempt) {}, provider.Assurance{KeyStorage: moderate, UserAuthentication: basic}},
		"strong box":                 {levels(2, 2), provider.Assurance{KeyStorage: high, UserAuthentication: basic}},
		"attested by the lower":      {levels(1, 2), provider.Assurance{KeyStorage: moderate, UserAuthentication: basic}},
		"kept by the lower":          {levels(2, 1), provider.Assurance{KeyStorage: moderate, UserAuthentication: basic}},
		"nothing claimed":            {func(a *attempt) { a.config.KeyStorage, a.config.UserAuthentication = nil, nil }, provider.Assurance{}},
		"works without the user":     {hardware(503, androidtest.Null{}), provider.Assurance{KeyStorage: moderate}},
		"no authentication":          {hardware(504, nil), provider.Assurance{KeyStorage: moderate}},
		"none of the kinds":          {hardware(504, 0), provider.Assurance{KeyStorage: moderate}},
		"authentication by software": {func(a *attempt) { hardware(504, nil)(a); software(504, 2)(a) }, provider.Assurance{KeyStorage: moderate}},
		"while on the body":          {hardware(506, androidtest.Null{}), provider.Assurance{KeyStorage: moderate}},
	} {
		a := newAttempt(t)
		tc.edit(a)
		got, err := a.verify()
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestNegConfig(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*android.Config)
		ok   bool
	}{
		"honest":          {func(*android.Config) {}, true},
		"any patch level": {func(c *android.Config) { c.MinPatchLevel = 0 }, true},
		"no roots":        {func(c *android.Config) { c.Roots = nil }, false},
		"no revocations":  {func(c *android.Config) { c.Revocations = nil }, false},
		"no package":      {func(c *android.Config) { c.Package = "" }, false},
		"no signer":       {func(c *android.Config) { c.Signers = nil }, false},
		"short signer":    {func(c *android.Config) { c.Signers = [][]byte{{1}} }, false},
		"software":        {func(c *android.Config) { c.Lowest = android.Software }, false},
		"no month":        {func(c *android.Config) { c.MinPatchLevel = 202613 }, false},
	} {
		c := newAttempt(t).config
		c.Revocations = android.NewRevocations(nil, c.Now)
		tc.edit(&c)
		if _, err := android.New(c); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A list serves for a day after it could be read for the last time.
func TestRevocationsAway(t *testing.T) {
	t.Parallel()
	now, away, reads := start, true, 0
	r := android.NewRevocations(func(context.Context) ([]byte, error) {
		if reads++; away {
			return nil, errors.New("away")
		}
		return []byte(`{"entries":{"1":{"status":"REVOKED"}}}`), nil
	}, func() time.Time { return now })
	for n, step := range []struct {
		after time.Duration
		away  bool
		ok    bool
		reads int
	}{
		{0, true, false, 1},
		{time.Second, false, false, 1}, // not asked again at once
		{time.Minute, false, true, 2},
		{59 * time.Minute, true, true, 2},
		{time.Minute, true, true, 3},
		{22*time.Hour + 59*time.Minute, true, true, 4},
		{time.Minute, true, false, 5},
		{time.Minute, false, true, 6},
	} {
		now, away = now.Add(step.after), step.away
		list, err := r.List(t.Context())
		if (err == nil) != step.ok || reads != step.reads || err != nil && !errors.Is(err, provider.ErrPlatformUnavailable) {
			t.Errorf("step %d: %v after %d reads", n, err, reads)
		}
		if err == nil && !list.Revoked(big.NewInt(1)) {
			t.Errorf("step %d: not revoked", n)
		}
	}
}

func FuzzDescription(f *testing.F) {
	honest, err := androidtest.Honest(challenge)
	if err != nil {
		f.Fatal(err)
	}
	for _, version := range []int{3, 4, 100, 200, 300, 400, 1} {
		honest.Version = version
		der, err := honest.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		d, err := android.ParseDescription(der)
		if err != nil {
			return
		}
		// What is accepted is one value and nothing behind it.
		var all asn1.RawValue
		if rest, err := asn1.Unmarshal(der, &all); err != nil || len(rest) > 0 {
			t.Errorf("accepted %x", der)
		}
		if d.AttestationLevel < android.Software || d.AttestationLevel > android.StrongBox {
			t.Errorf("level %d", d.AttestationLevel)
		}
	})
}

func FuzzStatusList(f *testing.F) {
	f.Add([]byte(`{"entries":{"1f":{"status":"REVOKED"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := android.ParseStatusList(data); (l == nil) != (err != nil) {
			t.Errorf("%v %v", l, err)
		}
	})
}
