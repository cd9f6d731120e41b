package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// atOnce is how many requests are under way at the same time.
const atOnce = 32

// repeat does something for as many objects as there are in each round: few
// enough that none of them expires on a slow machine.
func repeat(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	for range rounds {
		do(t)
	}
}

// deployTwo runs two processes on a Redis and a database.
func deployTwo(t *testing.T, driver, redis string) *deployment {
	t.Helper()
	o := deployOptions{redis: redis, patience: 20 * time.Second}
	if driver == database.DriverPostgres {
		o.postgres = databasetest.Shared(t)
	}
	d := deploy(t, o)
	d.addReplica(t)
	return d
}

// direct makes the deployment's client do without what holds exchanges against
// the documents, which costs more than the exchanges.
func (d *deployment) direct(t *testing.T) {
	t.Helper()
	d.http = d.client(t, true)
}

// each does something for every number below n, a few at a time.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	group.Wait()
}

// verdict is what an answer means.
type verdict int

const (
	wrong verdict = iota
	redeemed
	turnedAway
)

// storm has every object redeemed by racers. One of each must succeed and all
// others be turned away. It returns the good answers. One may be missing where
// the machine was so slow that somebody was told to try later or lost the
// connection; unsure is for how many objects that was so.
func (d *deployment) storm(t *testing.T, n int, request func(object int) prepared, judge func(a *answer) verdict) (good []*answer, unsure int) {
	t.Helper()
	began := time.Now()
	good = make([]*answer, n)
	counts, postponed := make([]atomic.Int64, n), make([]atomic.Int64, n)
	each(n*racers, func(i int) {
		object := i / racers
		a := d.insist(t, request, object, &postponed[object])
		switch judge(a) {
		case redeemed:
			counts[object].Add(1)
			good[object] = a
		case turnedAway:
		default:
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	for i := range counts {
		later := postponed[i].Load() > 0
		if later {
			unsure++
		}
		if n := counts[i].Load(); n > 1 || n == 0 && !later {
			t.Errorf("object %d was redeemed %d times", i, n)
		}
	}
	t.Logf("%d requests in %v; trouble with %d objects", n*racers, time.Since(began).Round(time.Millisecond), unsure)
	return good, unsure
}

// insist makes a request again for as long as the answer is to try later, or
// none.
func (d *deployment) insist(t *testing.T, request func(object int) prepared, object int, postponed *atomic.Int64) *answer {
	t.Helper()
	for {
		r := request(object)
		a, err := d.try(t, http.MethodPost, r.address, r.header, r.body)
		switch {
		case t.Context().Err() != nil:
			t.Error(err)
			return &answer{}
		case err != nil:
			t.Log(err)
		case a.status != http.StatusServiceUnavailable:
			return a
		}
		postponed.Add(1)
		time.Sleep(20 * time.Millisecond) // let others ask
	}
}

// refusedWith tells whether an answer is a refusal with one of the codes.
func refusedWith(a *answer, codes ...string) bool {
	for _, code := range codes {
		if a.code() == code && (a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized) {
			return true
		}
	}
	return false
}

// passOr judges answers that are good with 2xx.
func passOr(code string) func(a *answer) verdict {
	return func(a *answer) verdict {
		switch {
		case a.status/100 == 2:
			return redeemed
		case refusedWith(a, code):
			return turnedAway
		}
		return wrong
	}
}

// preAuthorizedForm has the operator vouch for a person, and returns the token
// request.
func (c *oauthClient) preAuthorizedForm(t *testing.T) []byte {
	t.Helper()
	var made struct {
		Offer  openid4vci.CredentialOffer `json:"credential_offer"`
		TxCode string                     `json:"tx_code"`
	}
	c.d.send(t, http.MethodPost, c.d.endpoint("/admin/offers"), http.Header{
		"Authorization": {"Bearer " + c.d.box.AdminToken}, "Content-Type": {"application/json"},
	}, []byte(`{"credential_configuration_ids":["identity_sd_jwt"],"grant":"pre-authorized_code","person":
		{"name":"山田花子","address":"東京都港区芝公園1-5-25","birth_date":"1990-04-01","sex":2}}`)).read(t, &made)
	return []byte(url.Values{
		"grant_type":          {"urn:ietf:params:oauth:grant-type:pre-authorized_code"},
		"pre-authorized_code": {made.Offer.Grants.PreAuthorizedCode.Code},
		"tx_code":             {made.TxCode}, "client_id": {c.id},
	}.Encode())
}

// declinable is a transaction of the relying party with what a wallet needs to
// decline it.
type declinable struct {
	id, response string
	decline      []byte
}

func (d *deployment) declinable(t *testing.T) declinable {
	t.Helper()
	body := `{"dcql_query":` + queries["dc+sd-jwt"] + `,"flow":"same_device","redirect_uri":"https://bank.example/done"}`
	var made struct {
		ID         string `json:"id"`
		RequestURI string `json:"request_uri"`
	}
	header := http.Header{"Authorization": {"Bearer " + d.box.APIToken}, "Content-Type": {"application/json"}}
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", header, []byte(body)).read(t, &made)
	object, err := jose.Parse(string(d.send(t, http.MethodGet, made.RequestURI, nil, nil).body))
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		State       string `json:"state"`
		ResponseURI string `json:"response_uri"`
	}
	if err := json.Unmarshal(object.UnverifiedPayload(), &request); err != nil {
		t.Fatal(err)
	}
	return declinable{made.ID, request.ResponseURI, []byte(url.Values{"error": {"access_denied"}, "state": {request.State}}.Encode())}
}

var formHeader = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// TestAtMostOnce has two processes that share a Redis and a database redeem
// every kind of object that serves once.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for _, driver := range databasetest.Drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			testAtMostOnce(t, driver)
		})
	}
}

func testAtMostOnce(t *testing.T, driver string) {
	t.Logf("%d times %d objects of each kind, each with %d racers", rounds, objects, racers)
	d := deployTwo(t, driver, sessiontest.StartRedis(t))
	d.direct(t)
	c := d.newClient(t)

	t.Run("R1 decisions and their codes", func(t *testing.T) { repeat(t, func(t *testing.T) { d.stormCodes(t, c) }) })
	t.Run("R1 I01 offered codes", func(t *testing.T) {
		repeat(t, func(t *testing.T) {
			forms := make([][]byte, objects)
			each(objects, func(i int) { forms[i] = c.preAuthorizedForm(t) })
			d.stormTokens(t, c, forms)
		})
	})
	t.Run("R1 I11 nonces", func(t *testing.T) { repeat(t, func(t *testing.T) { d.stormNonces(t, c) }) })
	t.Run("R1 O08 DPoP proofs", func(t *testing.T) { repeat(t, func(t *testing.T) { d.stormProofs(t, c) }) })
	t.Run("R1 I20 proofs of possession", func(t *testing.T) { repeat(t, func(t *testing.T) { d.stormPoPs(t, c) }) })
	t.Run("R1 P08 answers", func(t *testing.T) {
		repeat(t, func(t *testing.T) {
			transactions := make([]declinable, objects)
			each(objects, func(i int) { transactions[i] = d.declinable(t) })
			d.storm(t, objects, func(i int) prepared {
				return prepared{transactions[i].response, formHeader, transactions[i].decline}
			}, passOr("invalid_request"))
		})
	})
}

// stormProofs asks for what there is not: whoever is told so had a proof that
// served.
func (d *deployment) stormProofs(t *testing.T, c *oauthClient) {
	t.Helper()
	token := c.offeredToken(t)
	headers := make([]http.Header, objects)
	each(objects, func(i int) { headers[i] = c.resourceHeaders(t, token) })
	d.storm(t, objects, func(i int) prepared {
		return prepared{d.endpoint("/credential"), headers[i], noCredential}
	}, func(a *answer) verdict {
		switch {
		case refusedWith(a, "unknown_credential_configuration"):
			return redeemed
		case refusedWith(a, "invalid_dpop_proof"):
			return turnedAway
		}
		return wrong
	})
}

var noCredential = []byte(`{"credential_configuration_id":"passport"}`)

// stormPoPs pushes what is refused, but only of a client that is who it says.
func (d *deployment) stormPoPs(t *testing.T, c *oauthClient) {
	t.Helper()
	headers := make([]http.Header, objects)
	each(objects, func(i int) { headers[i] = c.headers(t, d.endpoint("/par")) })
	d.storm(t, objects, func(i int) prepared {
		return prepared{d.endpoint("/par"), headers[i], c.noRequest()}
	}, func(a *answer) verdict {
		switch {
		case refusedWith(a, "unsupported_response_type"):
			return redeemed
		case refusedWith(a, "invalid_client"):
			return turnedAway
		}
		return wrong
	})
}

func (c *oauthClient) noRequest() []byte {
	return []byte(url.Values{"client_id": {c.id}, "response_type": {"token"}}.Encode())
}

// stormCodes decides requests and redeems the codes that came of it.
func (d *deployment) stormCodes(t *testing.T, c *oauthClient) {
	t.Helper()
	card := cardOf(t, "hanako")
	headers := make([]http.Header, objects)
	each(objects, func(i int) {
		b := d.newBrowser(t)
		b.login(t, c.request(t), card)
		headers[i] = http.Header{"Content-Type": formHeader["Content-Type"], "Cookie": {b.cookie(t, d.box.Issuer)}}
	})
	decided, _ := d.storm(t, objects, func(i int) prepared {
		return prepared{d.endpoint("/review"), headers[i], []byte(approve.Encode())}
	}, func(a *answer) verdict {
		switch {
		case a.status == http.StatusSeeOther && strings.Contains(a.header.Get("Location"), "code="):
			return redeemed
		case a.status == http.StatusBadRequest:
			return turnedAway
		}
		return wrong
	})
	var forms [][]byte
	for _, a := range decided {
		if a == nil {
			continue
		}
		callback, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, []byte(c.tokenForm(callback.Query().Get("code")).Encode()))
	}
	d.stormTokens(t, c, forms)
}

// stormTokens redeems codes. As every code is used more than once, nothing
// comes of the tokens.
func (d *deployment) stormTokens(t *testing.T, c *oauthClient, forms [][]byte) {
	t.Helper()
	const all, standing = "SELECT COUNT(*) FROM grants", "SELECT COUNT(*) FROM grants WHERE revoked_at = 0"
	before, stood := d.query(t, all), d.query(t, standing)
	_, unsure := d.storm(t, len(forms), func(i int) prepared {
		return prepared{d.endpoint("/token"), c.headers(t, d.endpoint("/token")), forms[i]}
	}, passOr("invalid_grant"))
	if made, stand := d.query(t, all)-before, d.query(t, standing)-stood; made > len(forms) || made < len(forms)-unsure || stand > unsure {
		t.Errorf("%d grants came of %d codes, and %d stand", made, len(forms), stand)
	}
}

// offeredToken returns an access token for a pre-authorized code.
func (c *oauthClient) offeredToken(t *testing.T) string {
	t.Helper()
	var token openid4vci.TokenResponse
	c.d.send(t, http.MethodPost, c.d.endpoint("/token"), c.headers(t, c.d.endpoint("/token")), c.preAuthorizedForm(t)).read(t, &token)
	return token.AccessToken
}

func (d *deployment) stormNonces(t *testing.T, c *oauthClient) {
	t.Helper()
	const perGrant = 9 // what a grant of the sandbox yields
	tokens, bodies := make([]string, objects/perGrant+1), make([][]byte, objects)
	each(len(tokens), func(i int) { tokens[i] = c.offeredToken(t) })
	each(objects, func(i int) {
		var err error
		if bodies[i], err = json.Marshal(c.credentialRequest(t, 1)); err != nil {
			t.Error(err)
		}
	})
	before := d.query(t, "SELECT COUNT(*) FROM issued_credentials")
	received := 0
	good, unsure := d.storm(t, objects, func(i int) prepared {
		return prepared{d.endpoint("/credential"), c.resourceHeaders(t, tokens[i/perGrant]), bodies[i]}
	}, passOr("invalid_nonce"))
	for _, a := range good {
		if a != nil {
			received += len(a.credentials(t))
		}
	}
	if rows := d.query(t, "SELECT COUNT(*) FROM issued_credentials") - before; received > rows || rows > objects || received < objects-unsure {
		t.Errorf("%d credentials and %d rows came of %d nonces", received, rows, objects)
	}
}
