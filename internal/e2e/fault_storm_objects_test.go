package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// later judges answers of the issuer: what is good, what is refused, and what
// asks for another try. That may be because proofs were made before Redis lost
// data, so that only new ones are accepted.
func later(good func(a *answer) bool, refusals ...string) func(a *answer) verdict {
	return func(a *answer) verdict {
		switch {
		case good(a):
			return redeemed
		case refusedWith(a, refusals...):
			return turnedAway
		case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "",
			refusedWith(a, "invalid_dpop_proof", "invalid_client"):
			return postponed
		}
		return wrong
	}
}

func ok(a *answer) bool { return a.status/100 == 2 }

func saying(code string) func(a *answer) bool {
	return func(a *answer) bool { return refusedWith(a, code) }
}

var (
	codeKind     = &kind{name: "code", judge: later(ok, "invalid_grant")}
	offerKind    = &kind{name: "offered code", fenced: true, judge: later(ok, "invalid_grant")}
	decisionKind = &kind{name: "decision", judge: func(a *answer) verdict {
		if a.status == http.StatusBadRequest && a.code() == "" { // a page
			return turnedAway
		}
		return later(ok, "invalid_grant")(a)
	}}
	nonceKind = &kind{name: "nonce", fenced: true, judge: later(ok, "invalid_nonce", "invalid_token")}
	proofKind = &kind{
		name: "DPoP proof", fenced: true,
		judge: later(saying("unknown_credential_configuration"), "invalid_dpop_proof", "invalid_token"),
	}
	popKind    = &kind{name: "proof of possession", fenced: true, judge: later(saying("unsupported_response_type"), "invalid_client")}
	answerKind = &kind{name: "answer", fenced: true, judge: later(ok, "invalid_request")}
)

// newFaultStorm makes objects of every kind, all at the same time on a clock
// that stands still.
func newFaultStorm(t *testing.T, d *deployment) *faultStorm {
	t.Helper()
	s := &faultStorm{d: d, c: d.newClient(t)}
	const perGrant = 9 // what a grant of the sandbox yields
	tokens := make([]string, faultObjects/perGrant+1)
	each(len(tokens), func(i int) { tokens[i] = s.c.offeredToken(t) })
	makers := []func(i int) *object{
		func(int) *object { return s.newCode(t) },
		func(int) *object { return s.newOffered(t) },
		func(int) *object { return s.newDecision(t) },
		func(i int) *object { return s.newNonce(t, tokens[i/perGrant]) },
		func(int) *object { return s.newProof(t, tokens[0]) },
		func(int) *object { return s.newPoP(t) },
		func(int) *object { return s.newAnswer(t) },
	}
	s.objects = make([]*object, len(makers)*faultObjects)
	each(len(s.objects), func(i int) { s.objects[i] = makers[i/faultObjects](i % faultObjects) })
	if t.Failed() {
		t.FailNow()
	}
	return s
}

// post makes a request of which the answer may be anything. To lose the
// connection, as happens on a slow machine, is like being told to try later.
func (s *faultStorm) post(t *testing.T, p prepared) *answer {
	t.Helper()
	a, err := s.d.try(t, http.MethodPost, p.address, p.header, p.body)
	if err != nil {
		t.Log(err)
		return &answer{status: http.StatusServiceUnavailable, header: http.Header{"Retry-After": {"0"}}}
	}
	return a
}

// exchange asks for a token, with new proofs.
func (s *faultStorm) exchange(t *testing.T, form []byte) *answer {
	t.Helper()
	address := s.d.endpoint("/token")
	return s.post(t, prepared{address, s.c.headers(t, address), form})
}

func (s *faultStorm) newCode(t *testing.T) *object {
	t.Helper()
	form := []byte(s.c.tokenForm(s.c.code(t, cardOf(t, "hanako"))).Encode())
	return &object{kind: codeKind, ask: func(t *testing.T) *answer { t.Helper(); return s.exchange(t, form) }}
}

func (s *faultStorm) newOffered(t *testing.T) *object {
	t.Helper()
	form := s.c.preAuthorizedForm(t)
	return &object{kind: offerKind, ask: func(t *testing.T) *answer { t.Helper(); return s.exchange(t, form) }}
}

// newDecision returns one that is used up by a credential: the decision gives a
// code, the code a token. It may be made twice if Redis forgets it, but then it
// gives the same code.
func (s *faultStorm) newDecision(t *testing.T) *object {
	t.Helper()
	b := s.d.newBrowser(t)
	b.login(t, s.c.request(t), cardOf(t, "hanako"))
	review := prepared{
		s.d.endpoint("/review"),
		http.Header{"Content-Type": formHeader["Content-Type"], "Cookie": {b.cookie(t, s.d.box.Issuer)}}, []byte(approve.Encode()),
	}
	x := &object{kind: decisionKind}
	x.ask = func(t *testing.T) *answer {
		t.Helper()
		decided := s.post(t, review)
		callback, err := url.Parse(decided.header.Get("Location"))
		if decided.status != http.StatusSeeOther || err != nil || !callback.Query().Has("code") {
			return decided
		}
		form := []byte(s.c.tokenForm(callback.Query().Get("code")).Encode())
		a, _ := s.insist(t, func() (*answer, verdict) { a := s.exchange(t, form); return a, x.told(a) })
		if ok(a) {
			s.spend(t, x, a)
		}
		return a
	}
	return x
}

func (s *faultStorm) newNonce(t *testing.T, token string) *object {
	t.Helper()
	body, err := json.Marshal(s.c.credentialRequest(t, 1))
	if err != nil {
		t.Error(err)
	}
	x := &object{kind: nonceKind}
	x.ask = func(t *testing.T) *answer {
		t.Helper()
		a := s.post(t, prepared{s.d.endpoint("/credential"), s.c.resourceHeaders(t, token), body})
		if ok(a) {
			x.credentials.Add(int64(len(a.credentials(t))))
		}
		return a
	}
	return x
}

func (s *faultStorm) newProof(t *testing.T, token string) *object {
	t.Helper()
	p := prepared{s.d.endpoint("/credential"), s.c.resourceHeaders(t, token), noCredential}
	return &object{kind: proofKind, ask: func(t *testing.T) *answer { t.Helper(); return s.post(t, p) }}
}

func (s *faultStorm) newPoP(t *testing.T) *object {
	t.Helper()
	p := prepared{s.d.endpoint("/par"), s.c.headers(t, s.d.endpoint("/par")), s.c.noRequest()}
	return &object{kind: popKind, ask: func(t *testing.T) *answer { t.Helper(); return s.post(t, p) }}
}

func (s *faultStorm) newAnswer(t *testing.T) *object {
	t.Helper()
	x := s.d.declinable(t)
	p := prepared{x.response, formHeader, x.decline}
	return &object{kind: answerKind, ask: func(t *testing.T) *answer { t.Helper(); return s.post(t, p) }}
}

// spend asks for one credential with a token, with new nonces, and returns the
// last answer.
func (s *faultStorm) spend(t *testing.T, x *object, token *answer) *answer {
	t.Helper()
	var response openid4vci.TokenResponse
	if err := json.Unmarshal(token.body, &response); err != nil {
		t.Error(err)
	}
	judge := later(ok, "invalid_token")
	a, v := s.insist(t, func() (*answer, verdict) {
		body, err := json.Marshal(s.c.credentialRequest(t, 1))
		if err != nil {
			t.Error(err)
		}
		a := s.post(t, prepared{s.d.endpoint("/credential"), s.c.resourceHeaders(t, response.AccessToken), body})
		if refusedWith(a, "invalid_nonce") {
			return a, postponed
		}
		return a, judge(a)
	})
	switch v {
	case redeemed:
		x.credentials.Add(int64(len(a.credentials(t))))
	case turnedAway:
	default:
		t.Errorf("%s: a credential for its token: %d %s", x.name, a.status, a.body)
	}
	return a
}

// received is how many credentials came back.
func (s *faultStorm) received() (n int) {
	for _, x := range s.objects {
		n += int(x.credentials.Load())
	}
	return n
}

// most is how many credentials there may be: one for each object that gives any.
func (s *faultStorm) most() (n int) {
	for _, x := range s.objects {
		switch x.kind {
		case codeKind, offerKind, decisionKind, nonceKind:
			n++
		}
	}
	return n
}

// settle says what came of everything. remembers says that Redis knows of
// everything, if not of its use; keeps, that it has lost nothing. Offered codes
// are unsure if their few attempts may all have been answered with "later".
func (s *faultStorm) settle(t *testing.T, remembers, keeps bool) (unsure int) {
	t.Helper()
	served, later, worthless := map[string]int{}, int64(0), 0
	for _, x := range s.objects {
		n, postponed := x.served.Load(), x.postponed.Load()
		served[x.name] += int(n)
		later += postponed
		switch {
		case n > 1:
			t.Errorf("%s: granted %d times", x.name, n)
		case n == 0 && keeps && !x.fenced && postponed == 0:
			t.Errorf("%s: granted to nobody, though nobody was told to try later", x.name)
		case n == 1 && x.kind == decisionKind && keeps && x.credentials.Load() != 1:
			t.Errorf("%s: its token gave %d credentials", x.name, x.credentials.Load())
		}
		if x.kind == offerKind && postponed > 0 {
			unsure++
		}
		if n == 0 || x.kind != codeKind && x.kind != offerKind {
			continue
		}
		// Everybody has used the code, so nothing comes of it any more.
		if a := s.spend(t, x, x.good.Load()); !ok(a) {
			worthless++
		} else if remembers && (x.kind == codeKind || postponed == 0) {
			t.Errorf("%s: reuse did not revoke the token", x.name)
		}
	}
	t.Logf("granted %v, told to try later %d times; %d tokens were revoked or lost", served, later, worthless)
	if later == 0 {
		t.Error("the faults hit nobody")
	}
	return unsure
}
