package issuer_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// slow is a register that is not ready at first.
type slow struct {
	source.Register
	ready bool
	err   error
}

func (s *slow) Ready(_ context.Context, _ *evidence.Evidence, p *source.Person) (bool, error) {
	if p == nil || p.Name == "" {
		return false, errors.New("asked about nobody")
	}
	return s.ready, s.err
}

// TestDeferredByRegister puts credentials off until the register is ready, also if
// the operator has approved them before.
func TestDeferredByRegister(t *testing.T) {
	t.Parallel()
	for _, approval := range []bool{false, true} {
		w := newWorld(t)
		register := &slow{}
		w.registers = source.Registers{"register": register}
		for n := range w.configurations {
			w.configurations[n].Registers = map[string][]string{"register": {"licence"}}
			w.configurations[n].Approval = approval
		}
		i := w.issuer(turn{w.signers(-day, 40*day), 0})
		access := w.access()
		response, err := i.Credential(t.Context(), access, w.request(i, "identity_sd_jwt"))
		if err != nil || response.TransactionID == "" || response.Interval <= 0 {
			t.Fatalf("%+v, %v", response, err)
		}
		id := response.TransactionID
		body := must(json.Marshal(openid4vci.DeferredRequest{TransactionID: id}))(t)
		waits := must(i.Deferred(t.Context()))(t)
		if (len(waits) == 1) != approval {
			t.Errorf("the operator is asked for %+v", waits)
		}
		for _, batch := range waits {
			if err := i.Decide(t.Context(), batch.ID, true); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if response, err := i.DeferredCredential(t.Context(), access, body); err != nil || response.TransactionID != id || len(response.Credentials) > 0 {
				t.Errorf("not ready: %+v, %v", response, err)
			}
		}
		register.err = source.ErrUnavailable
		if _, err := i.DeferredCredential(t.Context(), access, body); !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("register away: %v", err)
		}
		register.ready, register.err = true, nil
		if response, err := i.DeferredCredential(t.Context(), access, body); err != nil || len(response.Credentials) != 2 {
			t.Errorf("ready: %+v, %v", response, err)
		}
		if _, err := i.DeferredCredential(t.Context(), access, body); openid4vci.CodeOf(err) != openid4vci.CodeInvalidTransactionID {
			t.Errorf("twice: %v", err)
		}
		// A register that is ready puts nothing off.
		if response, err := i.Credential(t.Context(), access, w.request(i, "identity_sd_jwt")); err != nil || (response.TransactionID == "") == approval {
			t.Errorf("at once: %+v, %v", response, err)
		}
	}
}

// TestNegDeferredByRegister has the register decide against what it said.
func TestNegDeferredByRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	register := &slow{}
	w.registers = source.Registers{"register": register}
	w.configurations = issuer.Identity()
	for n := range w.configurations {
		w.configurations[n].Registers = map[string][]string{"register": {"licence"}}
	}
	i := w.issuer(turn{w.signers(-day, 40*day), 0})
	access := w.access()
	response, err := i.Credential(t.Context(), access, w.request(i, "identity_sd_jwt"))
	if err != nil {
		t.Fatal(err)
	}
	body := must(json.Marshal(openid4vci.DeferredRequest{TransactionID: response.TransactionID}))(t)
	register.err = source.ErrNoRecord
	if _, err := i.DeferredCredential(t.Context(), access, body); openid4vci.CodeOf(err) != openid4vci.CodeCredentialRequestDenied {
		t.Errorf("deferred: %v", err)
	}
	if _, err := i.Credential(t.Context(), access, w.request(i, "identity_sd_jwt")); openid4vci.CodeOf(err) != openid4vci.CodeCredentialRequestDenied {
		t.Errorf("at once: %v", err)
	}
}
