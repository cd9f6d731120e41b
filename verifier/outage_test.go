package verifier_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/verifier"
)

// away is a backend that can be switched off for one operation.
type away struct {
	session.Backend
	gets, swaps atomic.Bool
}

func (a *away) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if a.gets.Load() {
		return nil, 0, session.ErrUnavailable
	}
	return a.Backend.Get(ctx, key)
}

func (a *away) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	if a.swaps.Load() {
		return session.ErrUnavailable
	}
	return a.Backend.Swap(ctx, key, version, value)
}

// TestOutage holds that nothing is accepted or handed out while the session
// store is away, and that the same response counts when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backend := &away{Backend: w.backend}
	w.backend = backend
	w.v = w.verifier("city")
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	form := w.encrypted(r, w.presentSDJWT(r.binding()))

	for _, off := range []*atomic.Bool{&backend.gets, &backend.swaps} {
		off.Store(true)
		_, err := w.v.Respond(t.Context(), r.responseID, form)
		wantStatus(t, err, http.StatusServiceUnavailable)
		off.Store(false)
	}
	reply := must(w.v.Respond(t.Context(), r.responseID, form))(t)
	for _, off := range []*atomic.Bool{&backend.gets, &backend.swaps} {
		off.Store(true)
		_, err := w.v.Result(t.Context(), tx.ID, code(t, reply))
		wantStatus(t, err, http.StatusServiceUnavailable)
		off.Store(false)
	}
	result := must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t)
	if result.State != verifier.StateVerified {
		t.Errorf("state is %s", result.State)
	}
	backend.gets.Store(true)
	must(w.v.Start(t.Context(), verifier.StartRequest{DCQL: json.RawMessage(querySDJWT), RedirectURI: redirect, Flow: verifier.SameDevice}))(t)
}
