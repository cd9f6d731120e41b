package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const listURI = "https://status.example/lists/1"

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// publisher signs status lists under a test CA.
type publisher struct {
	ca     *trusttest.CA
	key    *keys.Key
	policy *trust.Policy
}

func newPublisher(t testing.TB) *publisher {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{ca: ca, key: key, policy: &trust.Policy{
		Anchors:    []trust.Anchor{ca.Anchor()},
		Profile:    trust.ProfileStatusSigner,
		Revocation: trust.NotChecked("test"),
		Now:        func() time.Time { return start },
	}}
}

// claims returns the honest payload for a test to spoil.
func claims(t testing.TB) map[string]any {
	t.Helper()
	list := newList(t, 64, 1)
	if err := list.Set(5, status.Invalid); err != nil {
		t.Fatal(err)
	}
	compressed, err := list.Compress()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"sub": listURI, "iat": start.Unix(), "exp": start.Add(24 * time.Hour).Unix(), "ttl": 600,
		"status_list": map[string]any{"bits": 1, "lst": jose.EncodeBase64(compressed)},
	}
}

func (p *publisher) sign(t testing.TB, typ string, payload map[string]any) string {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(jose.Header{Typ: typ, X5C: p.key.Chain}, data, p.key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newList(t testing.TB, size, bits int) *status.List {
	t.Helper()
	list, err := status.NewList(size, bits)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// server is what a Checker fetches from.
type server struct {
	token, contentType string
	err                error
	fetched            int
	wait               chan struct{}
}

func (s *server) fetch(_ context.Context, uri string, accept ...string) ([]byte, string, error) {
	s.fetched++
	if s.wait != nil {
		<-s.wait
	}
	if uri != listURI || !slices.Equal(accept, []string{status.MediaType, status.CWTMediaType}) {
		return nil, "", errors.New("unexpected request")
	}
	return []byte(s.token), s.contentType, s.err
}
