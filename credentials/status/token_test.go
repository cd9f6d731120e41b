package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func TestSignVerify(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	list := newList(t, 10_000, 1)
	if err := list.Set(1234, status.Invalid); err != nil {
		t.Fatal(err)
	}
	token, err := status.Sign(status.TokenOptions{
		URI: listURI, IssuedAt: start, Expires: start.Add(24 * time.Hour), TTL: 10 * time.Minute,
	}, list, p.key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := status.Verify(context.Background(), token, listURI, p.policy, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !got.IssuedAt.Equal(start) || !got.Expires.Equal(start.Add(24*time.Hour)) || got.TTL != 10*time.Minute || got.Chain == nil {
		t.Errorf("token = %+v", got)
	}
	for index, want := range map[uint64]status.Value{0: status.Valid, 1233: status.Valid, 1234: status.Invalid} {
		if v, err := got.Get(index); err != nil || v != want {
			t.Errorf("status[%d] = %v, %v", index, v, err)
		}
	}
	if _, err := got.Get(got.Len()); !errors.Is(err, status.ErrIndex) {
		t.Errorf("T02 index out of range: %v", err)
	}
	if got.Len() != 10_000 {
		t.Errorf("len %d", got.Len())
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	list := newList(t, 8, 1)
	bare := &keys.Key{Signer: p.key.Signer}
	for name, tc := range map[string]struct {
		o   status.TokenOptions
		key *keys.Key
	}{
		"no chain":       {status.TokenOptions{URI: listURI, IssuedAt: start}, bare},
		"no iat":         {status.TokenOptions{URI: listURI}, p.key},
		"http":           {status.TokenOptions{URI: "http://status.example/1", IssuedAt: start}, p.key},
		"ends at start":  {status.TokenOptions{URI: listURI, IssuedAt: start, Expires: start}, p.key},
		"negative ttl":   {status.TokenOptions{URI: listURI, IssuedAt: start, TTL: -time.Second}, p.key},
		"subsecond only": {status.TokenOptions{URI: listURI, IssuedAt: start, TTL: time.Millisecond}, p.key},
	} {
		if _, err := status.Sign(tc.o, list, tc.key); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestNeg(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	verify := func(token string) error {
		_, err := status.Verify(context.Background(), token, listURI, p.policy, start.Add(time.Minute))
		return err
	}
	if err := verify(p.sign(t, status.TokenType, claims(t))); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for _, twin := range []map[string]any{{"exp": nil}, {"ttl": nil}, {"iat": start.Add(2 * time.Minute).Unix()}, {"x": "unknown"}} {
		if err := verify(p.sign(t, status.TokenType, with(claims(t), twin))); err != nil {
			t.Fatalf("honest twin %v: %v", twin, err)
		}
	}
	honestList := claims(t)["status_list"].(map[string]any)
	for name, tc := range map[string]struct {
		change map[string]any
		want   error
	}{
		"T02 bits 3":           {map[string]any{"status_list": with(honestList, map[string]any{"bits": 3})}, status.ErrList},
		"T02 bits string":      {map[string]any{"status_list": with(honestList, map[string]any{"bits": "1"})}, status.ErrToken},
		"T02 bits missing":     {map[string]any{"status_list": with(honestList, map[string]any{"bits": nil})}, status.ErrList},
		"T01 lst padded":       {map[string]any{"status_list": with(honestList, map[string]any{"lst": "eNrbuRgAAhcBXQ=="})}, status.ErrList},
		"T01 lst missing":      {map[string]any{"status_list": with(honestList, map[string]any{"lst": nil})}, status.ErrList},
		"T03 other list":       {map[string]any{"sub": listURI + "0"}, status.ErrToken},
		"T03 no sub":           {map[string]any{"sub": nil}, status.ErrToken},
		"T03 no iat":           {map[string]any{"iat": nil}, status.ErrToken},
		"T03 iat in future":    {map[string]any{"iat": start.Add(2*time.Minute + time.Second).Unix()}, status.ErrToken},
		"T03 exp past":         {map[string]any{"exp": start.Add(time.Minute).Unix()}, status.ErrExpired},
		"T03 exp string":       {map[string]any{"exp": "never"}, status.ErrToken},
		"T03 nbf in future":    {map[string]any{"nbf": start.Add(time.Hour).Unix()}, status.ErrToken},
		"T03 ttl 0":            {map[string]any{"ttl": 0}, status.ErrToken},
		"T03 ttl negative":     {map[string]any{"ttl": -1}, status.ErrToken},
		"T03 ttl ten years":    {map[string]any{"ttl": 10 * 366 * 86400}, status.ErrToken},
		"T03 no status_list":   {map[string]any{"status_list": nil}, status.ErrToken},
		"T03 status_list text": {map[string]any{"status_list": "x"}, status.ErrToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := verify(p.sign(t, status.TokenType, with(claims(t), tc.change))); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
	for _, typ := range []string{"", "JWT", "statuslist+cwt", "application/statuslist+jwt", "STATUSLIST+JWT"} {
		if err := verify(p.sign(t, typ, claims(t))); !errors.Is(err, status.ErrToken) {
			t.Errorf("T03 typ %q: %v", typ, err)
		}
	}
}

// with returns a copy of m with members replaced, or removed where nil.
func with(m, change map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		out[name] = v
	}
	for name, v := range change {
		if out[name] = v; v == nil {
			delete(out, name)
		}
	}
	return out
}

func TestNegSigner(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	verify := func(token string) error {
		_, err := status.Verify(context.Background(), token, listURI, p.policy, start)
		return err
	}
	signBy := func(chain *keys.Key, signer *keys.Key) string {
		payload, err := json.Marshal(claims(t))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jose.Sign(jose.Header{Typ: status.TokenType, X5C: chain.Chain}, payload, signer.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if err := verify(signBy(p.key, p.key)); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	other := newPublisher(t)
	var untrusted *trust.Error
	if err := verify(signBy(other.key, other.key)); !errors.As(err, &untrusted) {
		t.Errorf("T03 other CA: %v", err)
	}
	tls, err := p.ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(signBy(tls, tls)); !errors.As(err, &untrusted) {
		t.Errorf("T03 key for another purpose: %v", err)
	}
	if err := verify(signBy(p.key, other.key)); !errors.Is(err, status.ErrToken) {
		t.Errorf("T03 foreign signature: %v", err)
	}
	if err := verify(signBy(&keys.Key{}, p.key)); !errors.Is(err, status.ErrToken) {
		t.Errorf("T03 no chain: %v", err)
	}
	withAnchor := &keys.Key{Chain: append(p.key.Chain[:1:1], p.ca.Certificate)}
	if err := verify(signBy(withAnchor, p.key)); !errors.As(err, &untrusted) {
		t.Errorf("T03 anchor in x5c: %v", err)
	}
}

func FuzzVerifyToken(f *testing.F) {
	p := newPublisher(f)
	f.Add(p.sign(f, status.TokenType, claims(f)))
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6InN0YXR1c2xpc3Qrand0In0.e30.AA")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := status.Verify(context.Background(), token, listURI, p.policy, start)
		if err == nil && (got.URI != listURI || got.Len() == 0) {
			t.Errorf("accepted %+v", got)
		}
	})
}

// FuzzReference: a reference that is accepted can be fetched and indexed.
func FuzzReference(f *testing.F) {
	f.Add([]byte(`{"status_list":{"idx":412,"uri":"https://example.com/statuslists/1"}}`))
	f.Add([]byte(`{"status_list":{"idx":-1,"uri":"http://a"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		claim, err := jose.DecodeValue(data)
		if err != nil {
			return
		}
		ref, err := status.ParseReference(claim)
		if err == nil && status.CheckURI(ref.URI) != nil {
			t.Errorf("accepted %+v", ref)
		}
	})
}

// FuzzList reads lists in both forms.
func FuzzList(f *testing.F) {
	f.Add([]byte(`{"bits":1,"lst":"eNrbuRgAAhcBXQ"}`))
	f.Add([]byte(`{"bits":2,"lst":"eNo76fITAAPfAgc"}`))
	f.Add([]byte("\xa2dbits\x01clstJ\x78\xda\xdb\xb9\x18\x00\x02\x17\x01\x5d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, parse := range map[string]func([]byte) (*status.List, error){"JSON": status.ParseJSON, "CBOR": status.ParseCBOR} {
			list, err := parse(data)
			if err != nil {
				continue
			}
			if _, err := list.Get(list.Len() - 1); err != nil || list.Len() == 0 {
				t.Errorf("%s: %d entries, %v", name, list.Len(), err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	p := newPublisher(b)
	list := newList(b, 1<<20, 1)
	for i := uint64(0); i < list.Len(); i += 97 {
		_ = list.Set(i, status.Invalid)
	}
	for b.Loop() {
		if _, err := status.Sign(status.TokenOptions{URI: listURI, IssuedAt: start}, list, p.key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p := newPublisher(b)
	list := newList(b, 1<<20, 1)
	for i := uint64(0); i < list.Len(); i += 97 {
		_ = list.Set(i, status.Invalid)
	}
	token, err := status.Sign(status.TokenOptions{URI: listURI, IssuedAt: start}, list, p.key)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := status.Verify(context.Background(), token, listURI, p.policy, start); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleList() {
	list, err := status.NewList(16, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := list.Set(3, status.Invalid); err != nil {
		fmt.Println(err)
		return
	}
	for _, index := range []uint64{2, 3} {
		v, _ := list.Get(index)
		fmt.Println(index, v, v.IsValid())
	}
	// Output:
	// 2 VALID true
	// 3 INVALID false
}
