package verifier_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

// requestKeyOf returns a key for request objects that is valid from..until
// after now.
func (w *world) requestKeyOf(from, until time.Duration) *keys.Key {
	w.t.Helper()
	return must(w.ca.IssueVerifierAccess(trusttest.LeafOptions{NotBefore: w.clock().Add(from), Lifetime: until - from}))(w.t)
}

// rotating makes a replica with the keys.
func (w *world) rotating(entries ...keys.Entry) *verifier.Verifier {
	w.t.Helper()
	c := w.config("city")
	c.Keys = must(keys.NewRing(entries...))(w.t)
	return must(verifier.New(c))(w.t)
}

// TestRotationDuringTransaction holds that a transaction keeps the certificate
// that it began with: in the request, in what the wallet signs over, and on a
// replica that was started later.
func TestRotationDuringTransaction(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		query   string
		present func(w *world, b credentials.Binding) string
	}{
		"sd-jwt": {querySDJWT, (*world).presentSDJWT},
		"mdoc":   {queryMdoc, (*world).presentMdoc},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			old, next := w.requestKeyOf(-time.Hour, time.Hour), w.requestKeyOf(-time.Hour, 10*time.Hour)
			entries := []keys.Entry{{Key: old}, {Key: next, From: w.clock().Add(2 * time.Minute)}}
			w.v = w.rotating(entries...)
			before := w.start(tc.query)
			early := w.fetch(before)

			w.advance(2 * time.Minute)
			if id := must(openid4vp.ParseRequestLink(w.start(tc.query).Link))(t).ClientID; id != openid4vp.X509HashClientID(next.Leaf()) {
				t.Errorf("after the rotation: client %s", id)
			}
			w.v = w.rotating(entries[1], entries[0])
			late := w.fetch(before) // checks the certificate against the client of the link
			if late.Parameters.ClientID != openid4vp.X509HashClientID(old.Leaf()) || late.Parameters.ClientID != early.Parameters.ClientID {
				t.Errorf("the transaction changed its client to %s", late.Parameters.ClientID)
			}
			w.accepted(before, late, w.encrypted(late, tc.present(w, late.binding())))

			after := w.start(tc.query)
			r := w.fetch(after)
			if r.Parameters.ClientID != openid4vp.X509HashClientID(next.Leaf()) {
				t.Errorf("a new transaction has the client %s", r.Parameters.ClientID)
			}
			w.accepted(after, r, w.encrypted(r, tc.present(w, r.binding())))

			// A presentation for the certificate of another time is none.
			crossed := w.start(tc.query)
			r = w.fetch(crossed)
			b := r.binding()
			b.ClientID = early.Parameters.ClientID
			_, err := w.v.Respond(t.Context(), r.responseID, w.encrypted(r, tc.present(w, b)))
			wantStatus(t, err, 400)
		})
	}
}

// TestNegRequestSigner holds that requests are signed by keys that are valid
// then, and by no other.
func TestNegRequestSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := w.requestKeyOf(-time.Hour, 3*time.Minute), w.requestKeyOf(-time.Hour, 10*time.Hour)
	gap := []keys.Entry{{Key: old}, {Key: next, From: w.clock().Add(10 * time.Minute)}}
	w.v = w.rotating(gap...)
	begin := func() error {
		_, err := w.v.Start(t.Context(), verifier.StartRequest{DCQL: json.RawMessage(querySDJWT), RedirectURI: redirect, Flow: verifier.SameDevice})
		return err
	}
	tx := w.start(querySDJWT)
	object := must(w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{}))(t)
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err := json.Unmarshal(must(jose.Parse(object))(t).UnverifiedPayload(), &claims); err != nil {
		t.Fatal(err)
	}
	if ends := old.Leaf().NotAfter; claims.Expires != ends.Unix() || !tx.Expires.After(ends) {
		t.Errorf("the request expires %d, its signer %d", claims.Expires, ends.Unix())
	}

	w.advance(3*time.Minute + time.Second)
	_, err := w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{})
	wantStatus(t, err, 503)
	wantStatus(t, begin(), 503)

	// A replica without the key can't take its place by another.
	w.v = w.rotating(keys.Entry{Key: next})
	_, err = w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{})
	wantStatus(t, err, 503)
	if err := begin(); err != nil {
		t.Errorf("honest twin: %v", err)
	}
	w.v = w.rotating(gap...)
	w.advance(7 * time.Minute)
	if err := begin(); err != nil {
		t.Errorf("after the gap: %v", err)
	}
}
