package e2e_test

import (
	"bytes"
	"crypto/rand"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/issuer"
)

// neighbours are two tenants of each role in one process. They share everything
// that tenants can share: origin, session store and its keys, database, signing
// keys, secrets and trust anchors. What remains are their names and paths, and
// the tokens of those who run them. The path of b is what that of a begins with.
type neighbours struct {
	a, b *side
	// redis is the address of the server with the sessions.
	redis string
}

// side is the deployment as the clients of one tenant of each role see it.
type side struct {
	*deployment
	// sections are the tenants by role.
	sections map[string]config.Tenant
	// names are what people are shown.
	names []string
}

// section returns the tenant of a role.
func (s *side) section(role string) config.Tenant { return s.sections[role] }

// neighbourIDs are the identifiers of a and b, which are their paths too.
var neighbourIDs = map[string][2]string{
	config.RoleIssuer:   {"kitami", "kita"},
	config.RoleVerifier: {"minatoku", "minato"},
	config.RoleProvider: {"sakurai", "sakura"},
}

var isolatedRoles = slices.Sorted(maps.Keys(neighbourIDs))

func deployNeighbours(t *testing.T) *neighbours {
	t.Helper()
	n := &neighbours{redis: sessiontest.StartRedis(t)}
	var tokens [2]map[string]string
	names := [2][]string{{"手形村", "Tegata Village"}, {"手形町", "Tegata Town"}}
	d := deploy(t, deployOptions{redis: n.redis, prepare: func(box *sandbox.Sandbox) {
		if err := box.PublishAttestationStatus(); err != nil {
			t.Fatal(err)
		}
		for i := range tokens {
			tokens[i] = map[string]string{}
			for _, role := range isolatedRoles {
				tenant, err := box.AddTenant(role, neighbourIDs[role][i])
				if err != nil {
					t.Fatal(err)
				}
				tokens[i][role] = tenant.Token
				assimilate(t, tenant.File, role, neighbourIDs[role], names[i])
			}
		}
	}})
	sides := [2]*side{}
	for i := range sides {
		sides[i] = d.side(tokens[i], func(role string) string { return neighbourIDs[role][i] }, names[i])
	}
	n.a, n.b = sides[0], sides[1]
	return n
}

// assimilate gives a tenant the secret and the keys of the first of its role,
// and a name of its own.
func assimilate(t *testing.T, file, role string, ids [2]string, names []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]map[string]any
	if err := yaml.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	section := content[role]
	own, first := "/files/"+role+"-"+ids[1]+"/", "/files/"+role+"-"+ids[0]+"/"
	for _, name := range []string{"secret_file", "keys"} {
		text, err := yaml.Marshal(section[name])
		if err != nil {
			t.Fatal(err)
		}
		var shared any
		if err := yaml.Unmarshal(bytes.ReplaceAll(text, []byte(own), []byte(first)), &shared); err != nil {
			t.Fatal(err)
		}
		if shared != nil {
			section[name] = shared
		}
	}
	if role == config.RoleIssuer {
		section["attestation_challenges"] = true // so that there are some to try
		section["jpki"].(map[string]any)["returning_users"] = map[string]any{
			"authentication_anchors": []map[string]string{{"file": authenticationAnchors(t), "jurisdiction": "JP"}},
		}
		section["deferred"] = map[string]string{issuer.IdentityDoctype: config.Approval}
	}
	if role == config.RoleProvider {
		section["wallet_name"] = names[0]
	} else {
		section["name_ja"], section["name_en"] = names[0], names[1]
	}
	if data, err = yaml.Marshal(content); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// side makes the view of the tenants with the given identifiers.
func (d *deployment) side(tokens map[string]string, id func(role string) string, names []string) *side {
	box, cfg := *d.box, *d.cfg
	s := &side{sections: map[string]config.Tenant{}, names: names, deployment: &deployment{
		box: &box, cfg: &cfg, app: d.app, log: d.log, clock: d.clock, persons: d.persons, http: d.http, replicas: d.replicas,
	}}
	for _, tenant := range d.cfg.Tenants() {
		if tenant.Tenant != id(tenant.Role) {
			continue
		}
		s.sections[tenant.Role] = tenant
		switch tenant.Role {
		case config.RoleIssuer:
			cfg.Issuer, box.Issuer, box.AdminToken = tenant.Issuer, tenant.BaseURL(), tokens[tenant.Role]
		case config.RoleVerifier:
			cfg.Verifier, box.Verifier, box.APIToken = tenant.Verifier, tenant.BaseURL(), tokens[tenant.Role]
		case config.RoleProvider:
			cfg.Provider, box.Provider = tenant.Provider, tenant.BaseURL()
		}
	}
	return s
}

// traces is what tells that an answer has to do with a side.
func (s *side) traces() []string {
	traces := slices.Clone(s.names)
	for _, tenant := range s.sections {
		traces = append(traces, tenant.Tenant)
	}
	return traces
}

// attempt is one thing of a that is tried at b.
type attempt struct {
	name string
	// prepare makes the thing, and what else the requests need.
	prepare func(t *testing.T, n *neighbours) trial
}

// trial is a thing of a in three requests.
type trial struct {
	// own takes it to a, which accepts it.
	own func() *answer
	// other takes it to b, which refuses it.
	other func() *answer
	// guess takes to b what nobody ever had, in the place of the thing.
	guess func() *answer
	// alive, if set, is accepted by a when everything else is over.
	alive func() *answer
	// times is how often other is done before own, once if zero.
	times int
}

// entry says how a route is kept to its tenant.
type entry struct {
	// public says why there is nothing to try: what the route gives is for
	// everybody and takes no account of what comes with the request.
	public string
	// get asks b for what is public, with what a browser or program of a would
	// send along.
	get      func(t *testing.T, n *neighbours) *answer
	attempts []attempt
}

// TestTenantsAreIsolated takes whatever a tenant gives to the neighbour, for
// every route of the router. There it must be refused, in the words in which
// something is refused that never existed, and it must still do at home.
func TestTenantsAreIsolated(t *testing.T) {
	t.Parallel()
	n := deployNeighbours(t)
	matrix := map[string]map[string]entry{
		config.RoleIssuer: issuerMatrix(), config.RoleVerifier: verifierMatrix(), config.RoleProvider: providerMatrix(),
	}
	maps.Copy(matrix[config.RoleIssuer], signingMatrix())
	maps.Copy(matrix[config.RoleIssuer], deferredMatrix())
	t.Run("one browser", n.shareABrowser)
	t.Run("status", n.statusApart)
	t.Run("paths that lead astray", n.strayPaths)
	for _, role := range isolatedRoles {
		routes := n.routes(t, role)
		for name := range matrix[role] {
			if !slices.Contains(routes, name) {
				t.Errorf("%s: there is no route %s", role, name)
			}
		}
		for _, name := range routes {
			t.Run(role+" "+name, func(t *testing.T) {
				t.Parallel()
				row, ok := matrix[role][name]
				if !ok || (row.public == "") == (len(row.attempts) == 0) {
					t.Fatal("the matrix does not say how the route is kept to its tenant")
				}
				if row.public != "" {
					n.checkPublic(t, role, name, row)
				}
				for _, a := range row.attempts {
					t.Run(a.name, func(t *testing.T) { n.check(t, a.prepare(t, n)) })
				}
			})
		}
	}
}

// strayPaths asks for an offer of a by way of b, whose path is what that of a
// begins with.
func (n *neighbours) strayPaths(t *testing.T) {
	t.Parallel()
	link, err := openid4vci.ParseOfferLink(n.a.vouch(t, map[string]any{"by_reference": true}).Link)
	if err != nil {
		t.Fatal(err)
	}
	section := n.b.section(config.RoleIssuer)
	offer := strings.TrimPrefix(link.URI, section.Origin) // with a slash in front
	accepted(t, "the right address", n.a.send(t, http.MethodGet, section.Origin+offer, nil, nil))
	id := offer[strings.LastIndex(offer, "/")+1:]
	for _, path := range []string{
		section.Path + "/.." + offer, section.Path + "/%2e%2e" + offer, section.Path + "/." + offer, section.Path + offer,
		section.Path + "/" + offer, section.Path + "/offers/..%2f.." + strings.ReplaceAll(offer, "/", "%2f"),
		section.Path + "%2f.." + offer, section.Path + "mi/offers/" + id + "/", section.Path + "/offers/" + id,
		"/.well-known/offers" + section.Path + "/" + id, "//" + strings.TrimPrefix(offer, "/"), strings.ToUpper(offer),
	} {
		if a := n.a.send(t, http.MethodGet, section.Origin+path, nil, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		} else {
			n.nothingOfA(t, a)
		}
	}
}

// routes returns the routes of a role as "METHOD /path", the same for both.
func (n *neighbours) routes(t *testing.T, role string) []string {
	t.Helper()
	list := func(s *side) (names []string) {
		for _, r := range s.app.Routes(s.sections[role].Tenant + "/" + role) {
			names = append(names, r.Method+" "+r.Path)
		}
		return names
	}
	routes := list(n.a)
	if len(routes) == 0 || !reflect.DeepEqual(routes, list(n.b)) {
		t.Fatalf("%s has %q and %q", role, routes, list(n.b))
	}
	return routes
}

// check runs a trial.
func (n *neighbours) check(t *testing.T, try trial) {
	t.Helper()
	guess := try.guess()
	if guess.status < 400 {
		t.Fatalf("what never existed is accepted: %d %s", guess.status, guess.body)
	}
	for range max(try.times, 1) {
		n.same(t, try.other(), guess)
	}
	accepted(t, "at home", try.own())
	n.same(t, try.other(), guess)
	if try.alive != nil {
		accepted(t, "afterwards", try.alive())
	}
}

func accepted(t *testing.T, where string, a *answer) {
	t.Helper()
	if a.status >= 400 {
		t.Errorf("%s: %d %s", where, a.status, a.body)
	}
}

// requestID is what differs between two answers that say the same.
var requestID = regexp.MustCompile(`urn:tegata:request:[A-Za-z0-9]+`)

// same fails the test unless the two answers of b can't be told apart.
func (n *neighbours) same(t *testing.T, got, want *answer) {
	t.Helper()
	if got.status < 400 {
		t.Errorf("the neighbour accepts it: %d %s", got.status, got.body)
	}
	plain := func(a *answer) (http.Header, string) {
		h := a.header.Clone()
		for _, name := range []string{"Date", "X-Request-Id", "Content-Length", attestation.HeaderChallenge} {
			h.Del(name)
		}
		return h, requestID.ReplaceAllString(string(a.body), "")
	}
	header, body := plain(got)
	wantHeader, wantBody := plain(want)
	if got.status != want.status || body != wantBody || !reflect.DeepEqual(header, wantHeader) {
		t.Errorf("the neighbour tells it from what never existed:\n%d %v %s\n%d %v %s",
			got.status, header, got.body, want.status, wantHeader, want.body)
	}
	n.nothingOfA(t, got)
}

// nothingOfA looks for traces of a in an answer of b.
func (n *neighbours) nothingOfA(t *testing.T, a *answer) {
	t.Helper()
	text := string(a.body)
	for _, values := range a.header {
		text += "\n" + strings.Join(values, "\n")
	}
	for _, trace := range n.a.traces() {
		if strings.Contains(text, trace) {
			t.Errorf("%q is in the answer: %s", trace, text)
		}
	}
}

// checkPublic asks b for what is public and looks for a in it.
func (n *neighbours) checkPublic(t *testing.T, role, name string, row entry) {
	t.Helper()
	if row.get == nil {
		method, path, _ := strings.Cut(name, " ")
		if strings.Contains(path, ":") {
			t.Fatal("the matrix does not say with which parameter")
		}
		row.get = func(t *testing.T, n *neighbours) *answer {
			t.Helper()
			return n.b.send(t, method, n.b.address(role, path), nil, nil)
		}
	}
	a := row.get(t, n)
	accepted(t, row.public, a)
	n.nothingOfA(t, a)
	// And the search finds what is there.
	section := n.b.section(role)
	if strings.HasPrefix(name, "GET /.well-known/") && !bytes.Contains(a.body, []byte(section.BaseURL())) {
		t.Errorf("the document does not name %s: %s", section.BaseURL(), a.body)
	}
}

// address returns the URL of a path as the router tells it.
func (s *side) address(role, path string) string {
	section := s.section(role)
	if strings.HasPrefix(path, "/.well-known/") {
		return section.Origin + path + section.Path
	}
	return section.BaseURL() + path
}

// unknown is a secret that nobody has, as long as those that are given out.
func unknown() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return jose.EncodeBase64(b[:])
}

// bearer are the headers of a request with a token and a body of JSON, if any.
func bearer(token string, body []byte) http.Header {
	h := http.Header{"Authorization": {"Bearer " + token}}
	if body != nil {
		h.Set("Content-Type", typeJSON)
	}
	return h
}
