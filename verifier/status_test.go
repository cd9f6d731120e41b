package verifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

type fetched func() (body []byte, media string, err error)

// lists are what an address may serve in the place of an honest list.
func (w *world) lists() map[verifier.StatusCause]fetched {
	sign := func(o status.TokenOptions) ([]byte, string, error) {
		list, err := status.NewList(64, 1)
		if err != nil {
			return nil, "", err
		}
		token, err := status.Sign(o, list, w.statusKey)
		return []byte(token), status.MediaType, err
	}
	now := w.clock()
	return map[verifier.StatusCause]fetched{
		"":                        func() ([]byte, string, error) { return w.fetchList(context.Background(), listURI) },
		verifier.CauseUnavailable: func() ([]byte, string, error) { return nil, "", errors.New("connection refused") },
		verifier.CauseExpired: func() ([]byte, string, error) {
			return sign(status.TokenOptions{URI: listURI, IssuedAt: now.Add(-time.Hour), Expires: now})
		},
		verifier.CauseMalformed: func() ([]byte, string, error) {
			return sign(status.TokenOptions{URI: listURI + "/other", IssuedAt: now})
		},
		verifier.CauseUntrusted: func() ([]byte, string, error) {
			list, err := status.NewList(64, 1)
			if err != nil {
				return nil, "", err
			}
			token, err := status.Sign(status.TokenOptions{URI: listURI, IssuedAt: now}, list, must(w.other.IssueStatusSigner(trusttest.LeafOptions{}))(w.t))
			return []byte(token), status.MediaType, err
		},
	}
}

// serving makes the verifier get its lists from f, under a policy.
func (w *world) serving(f fetched, policy verifier.StatusPolicy) {
	w.t.Helper()
	cfg := w.config("city")
	cfg.Status = &status.Checker{
		Policy: w.policy(trust.ProfileStatusSigner, w.ca.Anchor()), Now: w.clock,
		Fetch: func(context.Context, string, ...string) ([]byte, string, error) { return f() },
	}
	for name, format := range cfg.Formats {
		format.Status = policy
		cfg.Formats[name] = format
	}
	w.v = must(verifier.New(cfg))(w.t)
}

// TestStatusPolicy holds the three values of a status and what each policy
// makes of them.
func TestStatusPolicy(t *testing.T) {
	t.Parallel()
	for _, cause := range []verifier.StatusCause{"", verifier.CauseUnavailable, verifier.CauseExpired, verifier.CauseMalformed, verifier.CauseUntrusted} {
		t.Run("TestNeg/P17 refuse "+string(cause), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(w.lists()[cause], "")
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			form := w.encrypted(r, w.presentSDJWT(r.binding()))
			if cause == "" {
				w.accepted(tx, r, form)
				return
			}
			w.refusedFor(tx, r, form, verifier.ReasonStatusUnavailable)
			refusal := must(w.v.Result(t.Context(), tx.ID, ""))(t).Refusal
			last := refusal.Checks[len(refusal.Checks)-1]
			if refusal.Cause != cause || last.Outcome != verifier.OutcomeFailed || last.Name != string(verifier.ReasonStatusUnavailable) ||
				!slices.ContainsFunc(refusal.Checks, func(c verifier.Check) bool {
					return c.Name == "issuer_signature" && c.Outcome == verifier.OutcomePassed
				}) {
				t.Errorf("%+v", refusal)
			}
		})
		t.Run("report "+string(cause), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(w.lists()[cause], verifier.StatusReport)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			got := w.accepted(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())))[0]
			value, outcome := verifier.StatusUndetermined, verifier.OutcomeUndetermined
			if cause == "" {
				value, outcome = verifier.StatusValid, verifier.OutcomePassed
			}
			check := got.Checks[slices.IndexFunc(got.Checks, func(c verifier.Check) bool { return c.Name == "status" })]
			if got.Status.Value != value || got.Status.Cause != cause || check.Outcome != outcome || (got.Status.ListIssuedAt == nil) != (cause != "") {
				t.Errorf("%+v, %+v", got.Status, check)
			}
		})
	}
	for name, index := range map[verifier.Reason]uint64{verifier.ReasonRevoked: revokedIndex, verifier.ReasonStatusUnavailable: 64} {
		t.Run("TestNeg/P17 T02 "+string(name)+" under the policy that reports", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(w.lists()[""], verifier.StatusReport)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			d := w.draft(credentials.FormatSDJWTVC)
			d.Status.Index = index
			w.refusedFor(tx, r, w.encrypted(r, w.presentDraft(d, w.sdjwtKey, r.binding())), name)
		})
	}
}

// TestIdentifierList presents mdocs whose status is in an identifier list.
func TestIdentifierList(t *testing.T) {
	t.Parallel()
	for identifier, want := range map[string]verifier.Reason{"\x01\x02": "", "\x03\x04": verifier.ReasonRevoked} {
		w := newWorld(t)
		w.serving(func() ([]byte, string, error) {
			payload := must(cose.Marshal(map[int]any{2: listURI, 6: w.clock().Unix(), 65530: map[string]any{
				"identifiers": map[cose.ByteString]any{"\x03\x04": map[string]any{}},
			}}))(t)
			token, err := cose.Sign1(cose.SignOptions{Chain: w.statusKey.Chain, Type: status.IdentifierMediaType, Tagged: true}, payload, w.statusKey.Signer)
			return token, status.IdentifierMediaType, err
		}, "")
		tx := w.start(queryMdoc)
		r := w.fetch(tx)
		d := w.draft(credentials.FormatMdoc)
		d.Status = &credentials.StatusRef{URI: listURI, Identifier: identifier}
		response := must(mdoc.Present(must(mdoc.Issue(d, w.docKey))(t), pathsMdoc(), r.binding(), w.holder))(t)
		form := w.encrypted(r, jose.EncodeBase64(response))
		if want == "" {
			w.accepted(tx, r, form)
		} else {
			w.refusedFor(tx, r, form, want)
		}
	}
}

// TestNegAgeTellsNoDate holds that an age check learns of no birthday, be it
// from a claim that the wallet adds or from a document that ends on it.
func TestNegAgeTellsNoDate(t *testing.T) {
	t.Parallel()
	const birthday = "-02-28"
	for name, tt := range map[string]struct {
		claims string
		dates  bool
	}{
		"an age alone":                    {`{"path":["age_equal_or_over","18"]}`, false},
		"honest twin, an age and a date":  {`{"path":["age_equal_or_over","18"]},{"path":["birthdate"]}`, true},
		"honest twin, neither of the two": {`{"path":["name"]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["` + vct + `"]},"claims":[` + tt.claims + `]}]}`)
			r := w.fetch(tx)
			d := w.draft(credentials.FormatSDJWTVC)
			d.ValidUntil = time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC)
			d.Claims["birthdate"] = credentials.FullDate{Year: 1980, Month: 2, Day: 28}
			b := r.binding()
			everything := []credentials.Path{credentials.PathOf("name"), credentials.PathOf("birthdate"), credentials.PathOf("age_equal_or_over")}
			got := w.accepted(tx, r, w.encrypted(r, must(sdjwt.Present(w.issueSDJWT(d, w.sdjwtKey), everything, &b, w.holder, w.clock()))(t)))
			data := must(json.Marshal(got))(t)
			if strings.Contains(string(data), birthday) != tt.dates || (got[0].ValidUntil != nil) != tt.dates {
				t.Errorf("%s", data)
			}
		})
	}
}
