package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// overlap is two programs of one issuer, the previous one and this.
type overlap struct {
	*deployment
	previous, this string // addresses
}

// TestBesideThePreviousProgram has the program from before the newest migration
// issue, lets this one migrate under it, and takes what one of them began to the
// other at every step. They share Redis, and PostgreSQL if the previous program
// could.
func TestBesideThePreviousProgram(t *testing.T) {
	t.Parallel()
	was := buildPrevious(t)
	redis := sessiontest.StartRedis(t)
	o := &overlap{previous: freeAddress(t)}
	var early *received
	options := deployOptions{redis: redis, lists: time.Second, recheck: time.Second, window: time.Second}
	options.prepare = func(box *sandbox.Sandbox) {
		if err := box.PublishAttestationStatus(); err != nil {
			t.Fatal(err)
		}
	}
	if was.postgres {
		options.postgres = databasetest.Shared(t)
	}
	options.before = func(d *deployment) {
		o.deployment, o.this = d, d.cfg.Issuer.Listen
		d.direct(t)
		config := was.configure(t, d.box, redis, o.previous)
		if was.postgres {
			if out, err := was.command("tegata", "migrate", "-config", config).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		start(t, d.box.TLSRoot, was.command("tegata", "serve", "-config", config), "https://"+o.previous)
		early = o.issue(t, o.previous, o.previous)
	}
	deploy(t, options)
	t.Logf("beside %s; on PostgreSQL: %v", was.commit, was.postgres)

	o.reuse(t, early, o.this, o.previous)
	for _, pair := range [][2]string{{o.previous, o.this}, {o.this, o.previous}} {
		first, second := pair[0], pair[1]
		o.reuse(t, o.issue(t, first, second), first, second)
		g := o.issue(t, second, first)
		if err := nation(t).Revoke(g.card.SignatureCertificate(), 3); err != nil {
			t.Fatal(err)
		}
		// The certificate has nothing to do with what staff vouched for.
		o.until(t, g, first, len(g.byCard))
		o.until(t, g, second, len(g.byCard))
	}
	o.fallsWithWallet(t)
}

// fallsWithWallet revokes a wallet instance that got something of this program. The
// previous one, which may know nothing of that, keeps out of it.
func (o *overlap) fallsWithWallet(t *testing.T) {
	t.Helper()
	o.at(o.this)
	c, provides := o.newAttestedClient(t)
	g := &received{c: c, card: newCard(t, "hanako")}
	g.token = c.accessToken(t, g.card)
	g.byCard = append(g.byCard, o.receiveOne(t, g, g.token, o.previous, o.this), o.receiveOne(t, g, g.token, o.this, o.this))
	o.until(t, g, o.previous, 0)
	time.Sleep(2 * time.Second) // for a round of what the previous program forgets
	if err := provides.Revoke(t.Context(), o.box.Issuer); err != nil {
		t.Fatal(err)
	}
	o.until(t, g, o.this, len(g.byCard))
	o.until(t, g, o.previous, len(g.byCard))
}

// received is what a person got, and the code that it was got with.
type received struct {
	c    *oauthClient
	card *jpkitest.Card
	code []byte // the token request
	// token came of the code.
	token           string
	byCard, vouched []credentials.StatusRef
}

// at sends what follows to one of the two.
func (o *overlap) at(address string) {
	o.replicas[o.box.Issuer] = []string{address}
	o.http.CloseIdleConnections()
}

// issue takes a person through, one step at first and the next at second, and
// checks that what is issued is valid at both.
func (o *overlap) issue(t *testing.T, first, second string) *received {
	t.Helper()
	o.at(first)
	c, b := o.newClient(t), o.newBrowser(t)
	g := &received{c: c, card: newCard(t, "hanako")}
	request := c.request(t)
	o.at(second)
	page := b.login(t, request, g.card)
	o.at(first)
	callback := b.submit(t, page, "review-form", approve).url
	g.code = []byte(c.tokenForm(callback.Query().Get("code")).Encode())
	offered := c.preAuthorizedForm(t)
	o.at(second)
	g.token = g.exchange(t, g.code)
	vouched := g.exchange(t, offered)
	g.byCard = append(g.byCard, o.receiveOne(t, g, g.token, first, second), o.receiveOne(t, g, g.token, second, first))
	g.vouched = append(g.vouched, o.receiveOne(t, g, vouched, first, second))
	for _, address := range []string{first, second} {
		o.until(t, g, address, 0)
	}
	return g
}

func (g *received) exchange(t *testing.T, form []byte) string {
	t.Helper()
	var token openid4vci.TokenResponse
	address := g.c.d.endpoint("/token")
	g.c.d.send(t, http.MethodPost, address, g.c.headers(t, address), form).read(t, &token)
	return token.AccessToken
}

// receiveOne gets a nonce at first and a credential for it at second.
func (o *overlap) receiveOne(t *testing.T, g *received, token, first, second string) credentials.StatusRef {
	t.Helper()
	o.at(first)
	request := g.c.credentialRequest(t, 1)
	o.at(second)
	credential := g.c.credential(t, token, request, nil).credentials(t)[0]
	jws, _, _ := strings.Cut(credential, "~")
	object, err := jose.Parse(jws)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Status struct {
			List struct {
				Index uint64 `json:"idx"`
				URI   string `json:"uri"`
			} `json:"status_list"`
		} `json:"status"`
	}
	if err := json.Unmarshal(object.UnverifiedPayload(), &claims); err != nil || claims.Status.List.URI == "" {
		t.Fatalf("%v in %s", err, object.UnverifiedPayload())
	}
	return credentials.StatusRef{URI: claims.Status.List.URI, Index: claims.Status.List.Index}
}

// reuse uses a code again at first, which ends what it gave, and at second.
func (o *overlap) reuse(t *testing.T, g *received, first, second string) {
	t.Helper()
	for _, address := range []string{first, second} {
		o.at(address)
		endpoint := o.endpoint("/token")
		o.send(t, http.MethodPost, endpoint, g.c.headers(t, endpoint), g.code).want(t, http.StatusBadRequest, "invalid_grant")
	}
	for _, address := range []string{second, first} {
		o.until(t, g, address, len(g.byCard))
		g.c.credential(t, g.token, g.c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
	}
}

// until waits until one of the two publishes that n of the credentials that the
// card gave are INVALID. The others must be valid all the time.
func (o *overlap) until(t *testing.T, g *received, address string, n int) {
	t.Helper()
	o.at(address)
	deadline := time.Now().Add(30 * time.Second)
	for {
		invalid := o.invalidOf(t, g.byCard)
		if invalid == n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d credentials are INVALID, want %d", invalid, n)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if invalid := o.invalidOf(t, g.vouched); invalid != 0 {
		t.Errorf("%d credentials of another grant are INVALID", invalid)
	}
}

// invalidOf counts what the status lists end, asked anew.
func (o *overlap) invalidOf(t *testing.T, refs []credentials.StatusRef) (n int) {
	t.Helper()
	checker := o.statusChecker(func(_ context.Context, uri string, accept ...string) ([]byte, string, error) {
		a, err := o.try(t, http.MethodGet, uri, http.Header{"Accept": {strings.Join(accept, ", ")}}, nil)
		if err != nil {
			return nil, "", err
		}
		return a.body, a.header.Get("Content-Type"), nil
	})
	for _, ref := range refs {
		result, err := checker.Check(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if !result.Value.IsValid() {
			n++
		}
	}
	return n
}
