package limits_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	// maxAlloc and maxCPU are the goal for one rejected input.
	maxAlloc = 16 * mib
	maxCPU   = 50 * time.Millisecond

	// The bodies that the endpoints accept. A response is a JWE in a form, so
	// that three quarters of it are JSON, and three quarters of that an mdoc
	// in base64url.
	credentialRequest = 256 * kib
	walletResponse    = 512 * kib
	responseJSON      = walletResponse / 4 * 3
	presentedMdoc     = responseJSON / 4 * 3
	otherBody         = 64 * kib
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func now() time.Time { return start.Add(time.Hour) }

// hostile is one input, which parse must reject.
type hostile struct {
	name  string
	parse func() error
}

// shapes are JSON values of which many make a document expensive. The first
// and last part surround the repetition; unique puts a number into each.
var shapes = map[string]struct{ open, item, close string }{
	"empty arrays":  {`[`, `[]`, `]`},
	"empty objects": {`[`, `{}`, `]`},
	"zeros":         {`[`, `0`, `]`},
	"empty strings": {`[`, `""`, `]`},
	"members":       {`{`, `"#":0`, `}`},
	"object members": {
		`{`, `"#":{}`, `}`,
	},
	"escapes": {`["`, `\u00e9`, `"]`},
}

// document repeats a shape up to size bytes.
func document(shape string, size int) string {
	s := shapes[shape]
	var b strings.Builder
	b.WriteString(s.open)
	for n := 0; b.Len() < size-64; n++ {
		if n > 0 && shape != "escapes" {
			b.WriteByte(',')
		}
		b.WriteString(strings.Replace(s.item, "#", number(n), 1))
	}
	b.WriteString(s.close)
	return b.String()
}

// number is a short name that no other n has.
func number(n int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	out := ""
	for ; n > 0 || out == ""; n /= len(digits) {
		out += string(digits[n%len(digits)])
	}
	return out
}

// inputs returns every hostile input.
func inputs(tb testing.TB) []hostile {
	tb.Helper()
	ctx := context.Background()
	stranger, policy := strangers(tb)
	var out []hostile
	add := func(name string, parse func() error) { out = append(out, hostile{name, parse}) }
	for shape := range shapes {
		in := func(prefix, suffix string, size int) []byte {
			return []byte(prefix + document(shape, size-len(prefix)-len(suffix)) + suffix)
		}
		request := in(`{"credential_configuration_id":"","x":`, `}`, credentialRequest)
		add("credential request, "+shape, func() error { _, err := openid4vci.ParseCredentialRequest(request); return err })
		proofs := in(`{"credential_configuration_id":"a","proofs":{"jwt":`, `}}`, credentialRequest)
		if shape != "empty strings" && shape != "escapes" { // which are proofs
			add("proofs, "+shape, func() error { _, err := openid4vci.ParseCredentialRequest(proofs); return err })
		}
		response := jwe(tb, stranger, in(`{"x":`, `}`, responseJSON))
		add("encrypted response, "+shape, func() error {
			_, err := openid4vp.DecryptResponse(response, stranger, "k", jose.A128GCM)
			return err
		})
		token := in(`{"":`, `}`, responseJSON)
		add("vp_token, "+shape, func() error { _, err := openid4vp.ParseVPToken(token); return err })
		query := in(`{"credentials":`, `}`, dcql.MaxSize)
		add("query, "+shape, func() error { _, err := dcql.Parse(query); return err })
		api := in(`{"dcql_query":`, `}`, credentialRequest)
		add("request of the API, "+shape, func() error {
			_, err := openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolUnsigned, api, "https://a.example", openid4vp.ParseOptions{Now: now})
			return err
		})
		details := in(`[{"type":"x","y":`, `}]`, otherBody)
		add("authorization details, "+shape, func() error { _, err := openid4vci.ParseAuthorizationDetails(details); return err })
		header := jose.EncodeBase64(in(`{"alg":"ES256","x":`, `,"y":}`, jose.MaxHeaderSize/4*3)) + ".e30.AA"
		add("header of a JWS, "+shape, func() error { _, err := jose.Parse(header); return err })
		proof := jose.EncodeBase64(in(`{"alg":"ES256","typ":"dpop+jwt","x":`, `}`, 11*kib)) + ".e30.AA"
		add("DPoP proof, "+shape, func() error { _, err := dpop.Verify(proof, dpop.Expect{Now: now()}); return err })
		client := jose.EncodeBase64(in(`{"alg":"ES256","typ":"`+attestation.TypeClient+`","x":`, `}`, 40*kib)) + ".e30.AA"
		add("client attestation, "+shape, func() error {
			_, err := attestation.Verify(ctx, client, client, attestation.Expect{Now: now()})
			return err
		})
	}
	for name, value := range hostileValues() {
		response := presented(tb, stranger, value)
		add("mdoc, "+name, func() error {
			_, err := (&mdoc.Verifier{Trust: policy(trust.ProfileMdocSigner), Now: now}).Verify(ctx, response, session)
			return err
		})
		raw := issued(tb, stranger, value)
		add("SD-JWT, "+name, func() error {
			_, err := (&sdjwt.Verifier{Trust: policy(trust.ProfileSDJWTIssuer), Now: now}).Verify(ctx, raw, session)
			return err
		})
	}
	beyond, err := cose.Marshal(map[string]any{"version": "1.0", "documents": bytesOf(presentedMdoc - 64)})
	if err != nil {
		tb.Fatal(err)
	}
	add("mdoc, too many items", func() error {
		_, err := (&mdoc.Verifier{Trust: policy(trust.ProfileMdocSigner), Now: now}).Verify(ctx, beyond, session)
		return err
	})
	full := strings.Repeat("a", jose.MaxTokenSize/2) + "." + strings.Repeat("A", jose.MaxTokenSize/2-8) + ".AA"
	add("status list token", func() error {
		_, err := status.Verify(ctx, full, "https://a.example", policy(trust.ProfileStatusSigner), now())
		return err
	})
	add("dots", func() error { _, err := jose.Parse(strings.Repeat(".", jose.MaxTokenSize)); return err })
	tildes := strings.Repeat("~", sdjwt.MaxSize)
	add("tildes", func() error {
		_, err := (&sdjwt.Verifier{Trust: policy(trust.ProfileSDJWTIssuer), Now: now}).Verify(ctx, tildes, session)
		return err
	})
	return out
}

// bytesOf returns arrays of size small numbers in all.
func bytesOf(size int) [][]int {
	var out [][]int
	for ; size > 4000; size -= 4003 {
		out = append(out, make([]int, 4000))
	}
	return out
}

var session = credentials.Binding{Mode: credentials.BindingRedirect, Nonce: "n", ClientID: "c", ResponseURI: "https://a.example"}

// strangers returns a key that nobody trusts, and policies that do not.
func strangers(tb testing.TB) (*ecdsa.PrivateKey, func(trust.Profile) *trust.Policy) {
	tb.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		tb.Fatal(err)
	}
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		tb.Fatal(err)
	}
	return key, func(profile trust.Profile) *trust.Policy {
		return &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: now,
		}
	}
}

func jwe(tb testing.TB, key *ecdsa.PrivateKey, plaintext []byte) string {
	tb.Helper()
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	jwk.Kid = "k"
	out, err := jose.Encrypt(plaintext, jwk, jose.A128GCM, jose.EncryptOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// hostileValues are element values as large as an mdoc may be, by its bytes or
// by its data items. No array may be longer than 4096, so that they are arrays
// of arrays.
func hostileValues() map[string]credentials.Value {
	repeat := func(item func(n int) credentials.Value, size, items int) credentials.Value {
		var rows credentials.Array
		used, counted := 0, 0
		room := func() bool { return used < presentedMdoc-6*kib && counted < cose.MaxItems-600 }
		for room() {
			var row credentials.Array
			for n := 0; n < 4000 && room(); n++ {
				row, used, counted = append(row, item(n)), used+size, counted+items
			}
			rows = append(rows, row)
		}
		return rows
	}
	return map[string]credentials.Value{
		"empty arrays":  repeat(func(int) credentials.Value { return credentials.Array{} }, 1, 1),
		"empty objects": repeat(func(int) credentials.Value { return credentials.Object{} }, 1, 1),
		"zeros":         repeat(func(int) credentials.Value { return credentials.Int(0) }, 1, 1),
		"objects": repeat(func(int) credentials.Value {
			return credentials.Object{"": credentials.Null{}}
		}, 3, 2),
		"members": repeat(func(int) credentials.Value {
			o := credentials.Object{}
			for i := range 500 {
				o[number(i)] = credentials.Null{}
			}
			return o
		}, 3+500*4, 501),
		"dates": repeat(func(int) credentials.Value { return credentials.FullDate{Year: 2000, Month: 1, Day: 1} }, 14, 2),
	}
}

// presented returns an mdoc that a stranger issued to itself and presents.
func presented(tb testing.TB, key *ecdsa.PrivateKey, value credentials.Value) []byte {
	tb.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{Profile: trusttest.IACA, NotBefore: start})
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ca.IssueMdocSigner(trusttest.LeafOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	d := draft(key)
	d.Claims = credentials.Object{"ns": credentials.Object{"a": value}}
	raw, err := mdoc.Issue(d, signer)
	if err != nil {
		tb.Fatal(err)
	}
	out, err := mdoc.Present(raw, []credentials.Path{credentials.PathOf("ns", "a")}, session, key)
	if err != nil {
		tb.Fatal(err)
	}
	if len(out) > presentedMdoc {
		tb.Fatalf("an mdoc of %d bytes would not get in", len(out))
	}
	return out
}

func draft(key *ecdsa.PrivateKey) credentials.Draft {
	return credentials.Draft{Type: "t", HolderKey: key.Public(), SignedAt: now(), ValidFrom: now(), ValidUntil: now().Add(time.Hour)}
}

// issued returns an SD-JWT that a stranger signed over a value in clear.
func issued(tb testing.TB, key *ecdsa.PrivateKey, value credentials.Value) string {
	tb.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"vct": "t", "x": value.JSON()})
	if err != nil {
		tb.Fatal(err)
	}
	if most := responseJSON / 4 * 3; len(data) > most {
		data = data[:most] // broken JSON costs as much until it breaks
	}
	token, err := jose.Sign(jose.Header{Typ: "dc+sd-jwt", X5C: signer.Chain}, data, signer.Signer)
	if err != nil {
		tb.Fatal(err)
	}
	return token + "~"
}

// allocated returns what one call allocates, at best: the first fills caches.
func allocated(tb testing.TB, h hostile) uint64 {
	tb.Helper()
	var least uint64 = 1 << 62
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := h.parse()
		runtime.ReadMemStats(&after)
		if err == nil {
			tb.Fatalf("%s: accepted", h.name)
		}
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestAllocations is not parallel: it reads what the whole process allocates.
func TestAllocations(t *testing.T) {
	list := inputs(t)
	var worst hostile
	var most uint64
	for _, h := range list {
		got := allocated(t, h)
		t.Logf("%6.1f MiB %s", float64(got)/mib, h.name)
		if got > maxAlloc {
			t.Errorf("%s: rejected with %.1f MiB, want at most %d", h.name, float64(got)/mib, maxAlloc/mib)
		}
		if got > most {
			worst, most = h, got
		}
	}
	t.Logf("corpus: limits: %d hostile inputs at the limits of the endpoints, worst %.1f MiB: %s", len(list), float64(most)/mib, worst.name)
}

// cpu is the time that the process has spent, in user and system mode.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkRejected prints the CPU time of each, garbage collection included,
// and how it stands to the goal. It does not fail: time depends on the machine.
func BenchmarkRejected(b *testing.B) {
	for _, h := range inputs(b) {
		b.Run(h.name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if h.parse() == nil {
					b.Fatal("accepted")
				}
			}
			each := (cpu(b) - before) / time.Duration(b.N)
			b.ReportMetric(float64(each)/float64(time.Millisecond), "cpu-ms/op")
			b.ReportMetric(float64(each)/float64(maxCPU), "of-goal")
		})
	}
}
