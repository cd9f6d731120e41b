package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/verifier"
)

// TestTenantsKeepApart looks at what is kept of the same things at both tenants.
func TestTenantsKeepApart(t *testing.T) {
	t.Parallel()
	n := deployNeighbours(t)
	t.Run("names in Redis", n.nameApart)
	t.Run("records", n.recordApart)
}

// nameApart has a wallet use the same identifiers at both issuers: they are
// remembered under names that have nothing to do with each other.
func (n *neighbours) nameApart(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: n.redis})
	t.Cleanup(func() { client.Close() })
	marks := func() (names []string) {
		for _, kind := range []string{"dpop", "attestation-pop"} {
			found, err := client.Keys(t.Context(), "*s:"+kind+":*").Result()
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, found...)
		}
		return names
	}
	c, id := n.a.newClient(t), rand.Text()
	push := func(s *side) *answer {
		moved := c.at(s.deployment)
		h := moved.headers(t, s.endpoint("/par"))
		pop, err := attestation.SignPoP(attestation.PoP{ClientID: c.id, Audience: s.box.Issuer, ID: id, Challenge: s.attestationChallenge(t), Now: s.clock.Now()}, c.instance)
		if err != nil {
			t.Fatal(err)
		}
		h.Set(attestation.HeaderPoP, pop)
		h.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: s.endpoint("/par"), ID: id}))
		return moved.push(t, c.parForm(), h)
	}
	for i, s := range []*side{n.a, n.b} {
		accepted(t, "a new identifier", push(s))
		if names := marks(); len(names) != 2*(i+1) {
			t.Errorf("%d marks in Redis, want %d: %q", len(names), 2*(i+1), names)
		}
		push(s).want(t, http.StatusUnauthorized, "invalid_client") // where it was used it was
	}
}

// shareABrowser goes through the pages of two tenants of one origin at the same
// time, with one set of cookies.
func (n *neighbours) shareABrowser(t *testing.T) {
	t.Parallel()
	sides, b := []*side{n.a, n.b}, n.a.newBrowser(t)
	card := cardOf(t, "hanako")
	var pages []*page
	step := func(next func(i int, s *side) *page) {
		var after []*page
		for i, s := range sides {
			after = append(after, next(i, s))
		}
		pages = after
	}
	step(func(_ int, s *side) *page { return b.open(t, s.newClient(t).request(t)) })
	step(func(i int, _ *side) *page { return b.submit(t, pages[i], "sign-form", sign(t, pages[i], card)) })
	step(func(i int, _ *side) *page { return b.submit(t, pages[i], "review-form", approve) })
	for i, s := range sides {
		if q := pages[i].url.Query(); q.Get("code") == "" || q.Get("iss") != s.box.Issuer {
			t.Errorf("callback %v of %s", q, s.box.Issuer)
		}
	}
	var ids []string
	step(func(_ int, s *side) *page {
		p := b.post(t, s.box.Verifier+"/start", map[string][]string{"preset": {"adult"}, "flow": {string(verifier.CrossDevice)}})
		ids = append(ids, p.url.Path)
		return p
	})
	for i, s := range sides {
		origin := s.section(config.RoleVerifier).Origin
		if p := b.open(t, origin+ids[i]); p.text("verifier-name") == "" || p.attribute("state", "data-state") != string(verifier.StateWaiting) {
			t.Errorf("%d %s", p.status, p.body)
		}
	}
}

// recordApart has the same person, card and wallet go through everything at both
// tenants, and compares what is kept of it.
func (n *neighbours) recordApart(t *testing.T) {
	key := newKey(t)
	through := func(s *side, instance *ecdsa.PrivateKey) {
		c := s.newClient(t)
		code := c.code(t, cardOf(t, "hanako"))
		c.token(t, c.tokenForm(code), nil)
		c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant") // revokes
		raw := s.issue(t)
		accepted(t, "status list", s.send(t, http.MethodGet, statusOf(t, raw).URI, nil, nil))
		c.credential(t, c.take(t, s.vouch(t, nil)), c.credentialRequest(t, 1), nil).credentials(t)
		s.revoke(t, s.register(t, instance), s.operatorOf(t))().want(t, http.StatusNoContent, "")
		s.present(t, s.receive(t, cardOf(t, "hanako")), queries[credentials.FormatMdoc])
	}
	through(n.a, key)
	before := n.b.records(t)
	for name, table := range before {
		if len(table.rows) > 0 {
			t.Errorf("%s has rows of a tenant that nobody went to: %v", name, table.rows)
		}
	}
	through(n.b, key)
	here, there := n.a.records(t), n.b.records(t)
	for _, name := range []string{
		"evidence", "grants", "grant_limits", "issued_credentials", "status_lists", "status_entries", "status_publications",
		"wallet_instances", "audit_events", "audit_heads",
	} {
		if len(here[name].rows) == 0 || len(here[name].rows) != len(there[name].rows) {
			t.Errorf("%s: %d rows and %d", name, len(here[name].rows), len(there[name].rows))
		}
	}
	// And what the one does next changes nothing of the other.
	through(n.a, newKey(t))
	for name, table := range n.b.records(t) {
		if !slices.Equal(table.rows, there[name].rows) {
			t.Errorf("%s of the neighbour has changed:\n%v\n%v", name, table.rows, there[name].rows)
		}
	}
	for name, table := range n.a.records(t) {
		for column, values := range table.identifiers {
			for _, value := range values {
				if slices.Contains(there[name].identifiers[column], value) {
					t.Errorf("both tenants have %s.%s %s", name, column, value)
					break
				}
			}
		}
	}
}

// kept is what a table has of the tenants of a side.
type kept struct {
	rows []string
	// identifiers are the values of columns that name something of one tenant.
	identifiers map[string][]string
}

// records reads every table but that of the schema's version. A table without a
// tenant fails the test. The heartbeat beats without anybody's doing.
func (s *side) records(t *testing.T) map[string]kept {
	t.Helper()
	db := s.openDatabase(t)
	defer db.Close()
	names, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('schema_version', 'heartbeat')`)
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	tables := map[string]kept{}
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables[name] = kept{}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range tables {
		tables[name] = s.table(t, name)
	}
	return tables
}

// naming are the columns whose values no two tenants have in common, although
// the same person came with the same card. Not among them is the thumbprint of a
// key that a wallet registers, which is the wallet's own.
var naming = []string{"id", "root_id", "grant_id", "list_id", "key_id", "pseudonym", "evidence_pseudonym", "instance_id", "object", "mac", "sealed_handle"}

// table reads the rows of the side's tenants in a table.
func (s *side) table(t *testing.T, name string) kept {
	t.Helper()
	db := s.openDatabase(t)
	defer db.Close()
	k := kept{identifiers: map[string][]string{}}
	var tenants []any
	for role, section := range s.sections {
		tenants = append(tenants, section.Tenant, role+"/"+section.Tenant) // of the trails, whose names have the role
	}
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+name+` WHERE tenant IN ($1, $2, $3, $4, $5, $6) ORDER BY 1, 2, 3`, tenants...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		k.rows = append(k.rows, fmt.Sprint(values...))
		for i, column := range columns {
			if value := fmt.Sprint(values[i]); slices.Contains(naming, column) && value != "" {
				k.identifiers[column] = append(k.identifiers[column], value)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return k
}

// statusApart asks the neighbour for the status of a credential: by its address,
// and with the neighbour's list in the place of the right one, though the same key
// has signed both.
func (n *neighbours) statusApart(t *testing.T) {
	t.Parallel()
	here, there := statusOf(t, n.a.issue(t)), statusOf(t, n.b.issue(t))
	get := func(instead func(uri string) string) *status.Checker {
		return &status.Checker{
			Now: n.a.clock.Now,
			Policy: &trust.Policy{
				Anchors: []trust.Anchor{n.a.box.IssuerAnchors[credentials.FormatSDJWTVC]}, Profile: trust.ProfileStatusSigner,
				Revocation: trust.NotChecked("the authorities of the sandbox publish no lists"), Now: n.a.clock.Now,
			},
			Fetch: func(_ context.Context, uri string, accept ...string) ([]byte, string, error) {
				a := n.a.send(t, http.MethodGet, instead(uri), http.Header{"Accept": {strings.Join(accept, ", ")}}, nil)
				if a.status != http.StatusOK {
					return nil, "", fmt.Errorf("status %d", a.status)
				}
				return a.body, a.header.Get("Content-Type"), nil
			},
		}
	}
	right := func(uri string) string { return uri }
	for name, tt := range map[string]struct {
		ref     credentials.StatusRef
		instead func(uri string) string
		ok      bool
	}{
		"honest":                    {*here, right, true},
		"honest neighbour":          {*there, right, true},
		"list of a at b":            {credentials.StatusRef{URI: n.b.endpoint("/status-lists/" + path.Base(here.URI)), Index: here.Index}, right, false},
		"list of b in place of a's": {*here, func(string) string { return there.URI }, false},
	} {
		result, err := get(tt.instead).Check(t.Context(), tt.ref)
		if ok := err == nil && result.Value.IsValid(); ok != tt.ok || !tt.ok && err == nil {
			t.Errorf("%s: %v, %v", name, result.Value, err)
		}
	}
	if path.Base(here.URI) == path.Base(there.URI) {
		t.Errorf("both have the list %s", path.Base(here.URI))
	}
}
