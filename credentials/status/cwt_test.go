package status_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
)

// claimsCWT returns the honest payload of a CWT for a test to spoil.
func claimsCWT(t testing.TB) map[any]any {
	t.Helper()
	list := newList(t, 64, 1)
	if err := list.Set(5, status.Invalid); err != nil {
		t.Fatal(err)
	}
	compressed, err := list.Compress()
	if err != nil {
		t.Fatal(err)
	}
	return map[any]any{
		2: listURI, 6: start.Unix(), 4: start.Add(24 * time.Hour).Unix(), 65534: 600,
		65533: map[string]any{"bits": 1, "lst": compressed},
	}
}

func withCWT(m map[any]any, label, value any) map[any]any {
	out := map[any]any{}
	for l, v := range m {
		out[l] = v
	}
	if out[label] = value; value == nil {
		delete(out, label)
	}
	return out
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := cose.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (p *publisher) signCWT(t testing.TB, typ string, payload any) []byte {
	t.Helper()
	token, err := cose.Sign1(cose.SignOptions{Chain: p.key.Chain, Type: typ, Tagged: true}, encode(t, payload), p.key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignVerifyCWT(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	list := newList(t, 10_000, 1)
	if err := list.Set(1234, status.Invalid); err != nil {
		t.Fatal(err)
	}
	o := status.TokenOptions{
		URI: listURI, IssuedAt: start, Expires: start.Add(24 * time.Hour), TTL: 10 * time.Minute, AggregationURI: "https://status.example/lists",
	}
	token, err := status.SignCWT(o, list, p.key)
	if err != nil {
		t.Fatal(err)
	}
	if token[0] != 0xd2 {
		t.Errorf("begins with %x, want tag 18", token[0])
	}
	got, err := status.VerifyCWT(context.Background(), token, listURI, p.policy, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !got.IssuedAt.Equal(o.IssuedAt) || !got.Expires.Equal(o.Expires) || got.TTL != o.TTL || got.Chain == nil || got.AggregationURI != o.AggregationURI {
		t.Errorf("token = %+v", got)
	}
	for index, want := range map[uint64]status.Value{0: status.Valid, 1233: status.Valid, 1234: status.Invalid} {
		if v, err := got.Get(index); err != nil || v != want {
			t.Errorf("status[%d] = %v, %v", index, v, err)
		}
	}
	if _, err := status.SignCWT(o, list, &keys.Key{Signer: p.key.Signer}); err == nil {
		t.Error("signed without a chain")
	}
}

func TestNegCWT(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	verify := func(token []byte) error {
		_, err := status.VerifyCWT(context.Background(), token, listURI, p.policy, start.Add(time.Minute))
		return err
	}
	honest := p.signCWT(t, status.CWTMediaType, claimsCWT(t))
	for name, token := range map[string][]byte{
		"as it is":      honest,
		"with CWT tag":  append([]byte{0xd8, 61}, honest...),
		"float iat":     p.signCWT(t, status.CWTMediaType, withCWT(claimsCWT(t), 6, float64(start.Unix())+0.5)),
		"no exp":        p.signCWT(t, status.CWTMediaType, withCWT(claimsCWT(t), 4, nil)),
		"no ttl":        p.signCWT(t, status.CWTMediaType, withCWT(claimsCWT(t), 65534, nil)),
		"unknown claim": p.signCWT(t, status.CWTMediaType, withCWT(claimsCWT(t), "x", 1)),
	} {
		if err := verify(token); err != nil {
			t.Fatalf("honest twin %s: %v", name, err)
		}
	}
	listOf := func(change string, value any) map[any]any {
		body := map[string]any{}
		for k, v := range claimsCWT(t)[65533].(map[string]any) {
			body[k] = v
		}
		if body[change] = value; value == nil {
			delete(body, change)
		}
		return withCWT(claimsCWT(t), 65533, body)
	}
	for name, tc := range map[string]struct {
		payload any
		want    error
	}{
		"T02 bits 3":           {listOf("bits", 3), status.ErrList},
		"T02 bits missing":     {listOf("bits", nil), status.ErrList},
		"T01 lst text":         {listOf("lst", "eNrbuRgAAhcBXQ"), status.ErrToken},
		"T01 lst missing":      {listOf("lst", nil), status.ErrList},
		"T03 other list":       {withCWT(claimsCWT(t), 2, listURI+"0"), status.ErrToken},
		"T03 no sub":           {withCWT(claimsCWT(t), 2, nil), status.ErrToken},
		"T03 no iat":           {withCWT(claimsCWT(t), 6, nil), status.ErrToken},
		"T03 iat text":         {withCWT(claimsCWT(t), 6, "now"), status.ErrToken},
		"T03 iat tagged":       {withCWT(claimsCWT(t), 6, cose.Tag{Number: 1, Content: start.Unix()}), status.ErrToken},
		"T03 iat negative":     {withCWT(claimsCWT(t), 6, -1), status.ErrToken},
		"T03 iat NaN":          {withCWT(claimsCWT(t), 6, math.NaN()), status.ErrToken},
		"T03 iat in future":    {withCWT(claimsCWT(t), 6, start.Add(2*time.Minute+time.Second).Unix()), status.ErrToken},
		"T03 exp past":         {withCWT(claimsCWT(t), 4, start.Add(time.Minute).Unix()), status.ErrExpired},
		"T03 nbf in future":    {withCWT(claimsCWT(t), 5, start.Add(time.Hour).Unix()), status.ErrToken},
		"T03 ttl 0":            {withCWT(claimsCWT(t), 65534, 0), status.ErrToken},
		"T03 ttl ten years":    {withCWT(claimsCWT(t), 65534, 10*366*86400), status.ErrToken},
		"T03 no status_list":   {withCWT(claimsCWT(t), 65533, nil), status.ErrToken},
		"T03 status_list text": {withCWT(claimsCWT(t), 65533, "x"), status.ErrToken},
		"T03 not a map":        {[]any{1}, status.ErrToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := verify(p.signCWT(t, status.CWTMediaType, tc.payload)); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
	for _, typ := range []string{"", "text/statuslist+cwt", "application/statuslist+jwt", "application/cwt"} {
		if err := verify(p.signCWT(t, typ, claimsCWT(t))); !errors.Is(err, status.ErrToken) {
			t.Errorf("T03 type %q: %v", typ, err)
		}
	}
	other := newPublisher(t)
	for name, token := range map[string][]byte{
		"T03 untagged":       honest[1:],
		"T03 tagged as Mac0": append([]byte{0xd1}, honest[1:]...),
		"T03 truncated":      honest[:len(honest)-1],
		"T03 empty":          nil,
		"T03 other CA":       other.signCWT(t, status.CWTMediaType, claimsCWT(t)),
	} {
		if err := verify(token); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzVerifyCWT(f *testing.F) {
	p := newPublisher(f)
	f.Add(p.signCWT(f, status.CWTMediaType, claimsCWT(f)))
	f.Add([]byte{0xd8, 61, 0xd2, 0x84})
	f.Fuzz(func(t *testing.T, token []byte) {
		got, err := status.VerifyCWT(context.Background(), token, listURI, p.policy, start)
		if err != nil {
			return
		}
		if _, err := got.Get(got.Len() - 1); err != nil {
			t.Errorf("the last entry of an accepted list: %v", err)
		}
	})
}
