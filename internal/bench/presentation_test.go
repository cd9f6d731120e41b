//go:build linux

package bench_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
)

// shown is a row of the table of presentations.
type shown struct {
	name, configuration, query string
	format                     credentials.Format
}

var presentations = []shown{
	{"SD-JWT VC with KB-JWT", "identity_sd_jwt", `{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[{"path":["name"]},{"path":["birthdate"]},{"path":["address"]}]}]}`, credentials.FormatSDJWTVC},
	{"mdoc DeviceResponse", "identity_mdoc", `{"credentials":[{"id":"a","format":"mso_mdoc","meta":{"doctype_value":"id.tegata.identity.jp.1"},"claims":[{"path":["id.tegata.identity.jp.1","name"]},{"path":["org.iso.23220.1","birth_date"]},{"path":["id.tegata.identity.jp.1","address"]}]}]}`, credentials.FormatMdoc},
}

// Status lists are fetched from the issuer, whose TLS only the server itself
// can end: there is no proxy that the server could ask.
var presentationSetups = []setup{
	{name: "embedded stores, TLS 1.3 to the server", tls: true},
	{name: "Redis and PostgreSQL, TLS 1.3 to the server", tls: true, redis: true, postgres: true},
}

// disclosed is how many claims the queries ask for.
const disclosed = 3

// needOfPresentation is what an answer needs: the agreement and the opening of
// the response; the signatures of issuer and holder and, of the chain, those of
// the certificates below the anchor; the digests of what is disclosed, of the
// presentation and of the encryption key; the transaction looked up under two
// keyed names and opened, with what leads to it.
func needOfPresentation(certificates int) need {
	return need{agreements: 1, verifies: 2 + certificates, digests: disclosed + 2, macs: 2, opens: 3}
}

// known leaves out the certificates of a signer whose path the server has found
// before, and does not look for again.
func (n need) known(certificates int) need {
	n.verifies -= certificates
	return n
}

// cold adds what a status list needs that was not fetched yet: its signature
// and that of its signer's certificate.
func (n need) cold() need {
	n.verifies += 2
	return n
}

// held is a credential with its key.
type held struct {
	key *ecdsa.PrivateKey
	raw string
}

// hold has the first test person get a batch of credentials.
func (v *server) hold(t testing.TB, configuration string) []held {
	t.Helper()
	all := make([]held, batchSize)
	holders := make([]*ecdsa.PrivateKey, batchSize)
	for i := range all {
		all[i].key = newKey(t)
		holders[i] = all[i].key
	}
	_, body := v.send(t, v.http, v.authorize(t, configuration).askFor(t, holders))
	var response openid4vci.CredentialResponse
	if err := json.Unmarshal(body, &response); err != nil || len(response.Credentials) != batchSize {
		t.Fatalf("%d credentials: %v", len(response.Credentials), err)
	}
	for i, c := range response.Credentials {
		all[i].raw = c.Credential
	}
	return all
}

// answer begins a transaction and prepares the response to it. It also returns
// where the result is.
func (v *server) answer(t testing.TB, p shown, h held) (*http.Request, string) {
	t.Helper()
	r := request(t, http.MethodPost, v.box.Verifier+"/api/transactions", []byte(`{"flow":"cross_device","dcql_query":`+p.query+`}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+v.box.APIToken)
	_, body := v.send(t, v.http, r)
	var started struct{ ID, Link string }
	if err := json.Unmarshal(body, &started); err != nil {
		t.Fatal(err)
	}
	link, err := openid4vp.ParseRequestLink(started.Link)
	if err != nil {
		t.Fatal(err)
	}
	_, object := v.send(t, v.http, request(t, http.MethodGet, link.RequestURI, nil))
	asked, err := openid4vp.ParseRequest(t.Context(), string(object), openid4vp.ParseOptions{ClientID: link.ClientID, Now: time.Now, Trust: &trust.Policy{
		Anchors: []trust.Anchor{v.box.VerifierAnchor}, Profile: trust.ProfileVerifierAccess, Now: time.Now,
		Revocation: trust.NotChecked("the authorities of the sandbox publish no lists"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	encryption, err := asked.Parameters.ClientMetadata.Encryption()
	if err != nil {
		t.Fatal(err)
	}
	token := present(t, p, h, asked, asked.Binding(encryption))
	jwe, err := encryption.Encrypt(&openid4vp.ResponseParams{VPToken: map[string][]string{"a": {token}}, State: asked.Parameters.State})
	if err != nil {
		t.Fatal(err)
	}
	post := request(t, http.MethodPost, asked.Parameters.ResponseURI, []byte(url.Values{"response": {jwe}}.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return post, v.box.Verifier + "/api/transactions/" + started.ID
}

func present(t testing.TB, p shown, h held, asked *openid4vp.Request, b credentials.Binding) string {
	t.Helper()
	var paths []credentials.Path
	for _, c := range asked.Query.Credentials[0].Claims {
		paths = append(paths, c.Path)
	}
	if p.format == credentials.FormatSDJWTVC {
		token, err := sdjwt.Present(h.raw, paths, &b, h.key, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	response, err := mdoc.Present(decode(t, h.raw), paths, b, h.key)
	if err != nil {
		t.Fatal(err)
	}
	return jose.EncodeBase64(response)
}

// verified fails the test unless a transaction has ended well, and returns how
// many certificates the result names below the anchor.
func (v *server) verified(t testing.TB, address string) int {
	t.Helper()
	r := request(t, http.MethodGet, address, nil)
	r.Header.Set("Authorization", "Bearer "+v.box.APIToken)
	_, body := v.send(t, v.http, r)
	var result struct {
		State       string
		Credentials []struct {
			Issuer struct{ Chain []json.RawMessage }
			Status struct{ Value string }
		}
	}
	if err := json.Unmarshal(body, &result); err != nil || result.State != "verified" || len(result.Credentials) != 1 || result.Credentials[0].Status.Value != "valid" {
		t.Fatalf("result %s: %v", body, err)
	}
	return len(result.Credentials[0].Issuer.Chain) - 1
}

// present measures the answers to so many transactions; the results are fetched
// when the clock no longer counts.
func (v *server) present(t testing.TB, p shown, credentials []held, answers int) (used time.Duration, certificates int) {
	t.Helper()
	requests, results := make([]*http.Request, answers), make([]string, answers)
	for i := range requests {
		requests[i], results[i] = v.answer(t, p, credentials[i%len(credentials)])
	}
	before := v.cpu(t)
	v.sendAll(t, requests)
	used = (v.cpu(t) - before) / time.Duration(answers)
	for _, address := range results {
		certificates = v.verified(t, address)
	}
	return used, certificates
}

// warm measures with the caches filled by a first round that does not count. It
// returns the figures twice: as multiples of all that an answer needs, and of
// what it needs if the signer is known.
func (v *server) warm(t testing.TB, p shown, all []held, s scale) (f, known *figures) {
	t.Helper()
	f, known = &figures{}, &figures{}
	b := newBare(t)
	for round := -1; round < s.rounds; round++ {
		used, certificates := v.present(t, p, all, s.answers)
		f.need = needOfPresentation(certificates)
		known.need = f.need.known(certificates)
		for _, f := range []*figures{f, known} {
			bare := b.cost(t, f.need, s.answers)
			if round >= 0 {
				f.server, f.bare = append(f.server, used), append(f.bare, bare)
			}
		}
	}
	return f, known
}

// cold measures the first answer of a process: no connection, list or memory is
// ready for it, and the process serves the status list to itself.
func (v *server) cold(t testing.TB, binary string, p shown, all []held, s scale) *figures {
	t.Helper()
	f, b := &figures{}, newBare(t)
	for range s.rounds {
		v.stop(t)
		v.http.CloseIdleConnections()
		v.run(t, binary)
		v.wait(t)
		used, certificates := v.present(t, p, all, 1)
		f.need = needOfPresentation(certificates).cold()
		b.cost(t, f.need, 100)
		f.server, f.bare = append(f.server, used), append(f.bare, b.cost(t, f.need, 100))
	}
	return f
}

// stop ends the process, so that another can take its place.
func (v *server) stop(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(v.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-v.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not end")
	}
}

// BenchmarkPresentation prints the processor time of the server for each
// verified presentation by direct_post.jwt, as BenchmarkIssuance does for
// issued credentials. With TEGATA_BENCH_PROFILE a folder gets a CPU profile for
// each row with warm caches.
func BenchmarkPresentation(b *testing.B) {
	binary := build(b)
	for range b.N {
		for _, s := range presentationSetups {
			presentation(b, binary, s, scale{rounds: 9, answers: 240}, os.Getenv("TEGATA_BENCH_PROFILE"))
		}
	}
}

func presentation(t testing.TB, binary string, s setup, size scale, profiles string) {
	t.Helper()
	v := start(t, binary, s)
	fmt.Printf("\n%s; %d connections that are kept open; %d rounds\n", s.name, wallets, size.rounds)
	fmt.Printf("%-42s %9s %9s   %-17s\n", "per verified presentation", "server", "bare", "times (min, median, max)")
	var needs []string
	for _, p := range presentations {
		all := v.hold(t, p.configuration)
		row := func(name string, f *figures) {
			f.print(name, 1)
			needs = append(needs, fmt.Sprintf("%s, bare: %s", strings.TrimSpace(name), f.need))
		}
		warm, known := v.warm(t, p, all, size)
		row(p.name+", warm", warm)
		row("  bare without the known signer's path", known)
		if profiles != "" {
			file := fmt.Sprintf("%s/presentation-%s.pprof", profiles, strings.TrimPrefix(p.configuration, "identity_"))
			v.profile(t, file, "10", func() { v.present(t, p, all, size.answers) })
		}
		row(p.name+", first of a process", v.cold(t, binary, p, all, size))
	}
	for _, line := range needs {
		fmt.Println(line)
	}
}

// TestPresentation holds that the benchmark works, not what it measures.
func TestPresentation(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	presentation(t, build(t), presentationSetups[0], scale{rounds: 1, answers: 2}, "")
}
