package e2e_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/verifier/client"
	"github.com/tegata-id/tegata/wallet/holder"
)

// partners are relying parties that authenticate by certificate, and their
// authority.
type partners struct {
	ca, other *trusttest.CA
	// pinned is known by its hash, and named by the authority and its name.
	pinned, named *keys.Key
}

const (
	pinnedName = "client.carrier.example"
	namedName  = "client.bank.example"
)

func newPartners(t *testing.T) *partners {
	t.Helper()
	ca := func() *trusttest.CA {
		ca, err := trusttest.NewCA(trusttest.CAOptions{Name: "Partners", NotBefore: time.Now().Add(-48 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	p := &partners{ca: ca(), other: ca()}
	p.pinned, p.named = partnerOf(t, p.other, trusttest.LeafOptions{}, pinnedName), partnerOf(t, p.ca, trusttest.LeafOptions{}, namedName)
	return p
}

// partnerOf issues a client certificate.
func partnerOf(t *testing.T, ca *trusttest.CA, o trusttest.LeafOptions, names ...string) *keys.Key {
	t.Helper()
	o.DNSNames, o.Name = names, names[0]
	if o.Edit == nil {
		o.Edit = func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	}
	key, err := ca.IssueTLS(o)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// register writes the relying parties: carrier, by hash and by API key, with a
// certificate that has ended beside the one that serves; bank, by name.
func (p *partners) register(t *testing.T, box *sandbox.Sandbox, mutualTLS map[string]any, ended *keys.Key) {
	t.Helper()
	file := filepath.Join(box.Dir, "partners.pem")
	if err := os.WriteFile(file, keys.EncodeChainPEM([]*x509.Certificate{p.ca.Certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	mutualTLS["ca_file"] = file
	setVerifier(t, box.ConfigFile, "mutual_tls", mutualTLS)
	hash := func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	party := func(id string, more map[string]any) map[string]any {
		party := map[string]any{
			"id": id, "name_ja": id, "name_en": id, "flows": []string{"cross_device"},
			"allowed": []any{map[string]any{"format": "dc+sd-jwt", "type": "urn:tegata:identity:jp:1", "claims": []any{[]string{"age_equal_or_over"}}}},
		}
		for key, value := range more {
			party[key] = value
		}
		return party
	}
	setVerifier(t, box.ConfigFile, "relying_parties", []any{
		party("carrier", map[string]any{
			"api_key_sha256":     []string{hash([]byte(apiKeyOf("carrier")))},
			"certificate_sha256": []string{hash(p.pinned.Leaf().Raw), hash(ended.Leaf().Raw)},
		}),
		party("bank", map[string]any{"certificate_dns_name": namedName}),
	})
}

// TestNegMutualTLS has relying parties authenticate by certificate, to this
// process in TLS and to a proxy that hands the certificates on.
func TestNegMutualTLS(t *testing.T) {
	t.Parallel()
	p := newPartners(t)
	ended := trusttest.LeafOptions{Lifetime: 24 * time.Hour}
	endedPinned := partnerOf(t, p.other, ended, pinnedName)
	server := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	carrier, bank := apiKeyOf("carrier"), "bank"
	cases := map[string]struct {
		certificate *keys.Key
		key         string
		want        string // the relying party, or nobody
	}{
		"pinned":                             {p.pinned, "", "carrier"},
		"named":                              {p.named, "", bank},
		"key alone":                          {nil, carrier, "carrier"},
		"both":                               {p.pinned, carrier, "carrier"},
		"neither":                            {nil, "", ""},
		"another certificate":                {partnerOf(t, p.ca, trusttest.LeafOptions{}, "client.shop.example"), "", ""},
		"pinned, another of the same name":   {partnerOf(t, p.other, trusttest.LeafOptions{}, pinnedName), "", ""},
		"pinned, ended":                      {endedPinned, "", ""},
		"named, ended":                       {partnerOf(t, p.ca, ended, namedName), "", ""},
		"named, by another authority":        {partnerOf(t, p.other, trusttest.LeafOptions{}, namedName), "", ""},
		"named, for servers":                 {partnerOf(t, p.ca, trusttest.LeafOptions{Edit: server}, namedName), "", ""},
		"named, with another name first":     {partnerOf(t, p.ca, trusttest.LeafOptions{}, "www.bank.example", namedName), "", bank},
		"named by the common name alone":     {partnerOf(t, p.ca, trusttest.LeafOptions{Name: namedName}, "client.shop.example"), "", ""},
		"named by a wildcard":                {partnerOf(t, p.ca, trusttest.LeafOptions{}, "*.bank.example"), "", ""},
		"key of one, certificate of another": {p.named, carrier, ""},
		"unknown key with a certificate":     {p.pinned, apiKeyOf("nobody"), ""},
		"key with an unknown certificate":    {partnerOf(t, p.ca, trusttest.LeafOptions{}, "client.shop.example"), carrier, ""},
		"the one without limits, and a certificate of another": {p.named, "token", ""},
	}
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		var origin string
		d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
			address, err := loopback.Address()
			if err != nil {
				t.Fatal(err)
			}
			origin = "https://" + address
			p.register(t, box, map[string]any{"listen": address, "origin": origin}, endedPinned)
		}})
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				wantParty(t, d.party(t, origin, tc.certificate, tc.key, nil), tc.want)
			})
		}
		// Nobody is asked where people's browsers come, and headers say nothing.
		wantParty(t, d.party(t, d.box.Verifier, p.pinned, "", nil), "")
		wantParty(t, d.party(t, d.box.Verifier, nil, "", clientCert(p.pinned)), "")
		wantParty(t, d.party(t, origin, nil, "", clientCert(p.pinned)), "")
		for address, want := range map[string]bool{d.cfg.Verifier.Listen: false, strings.TrimPrefix(origin, "https://"): true} {
			if asked := d.asksForCertificate(t, address); asked != want {
				t.Errorf("at %s clients are asked for certificates: %v", address, asked)
			}
		}
		t.Run("client", func(t *testing.T) { d.answerOver(t, origin, p.pinned) })
	})
	t.Run("proxy", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
			p.register(t, box, map[string]any{"by_proxy": true}, endedPinned)
			file := read(t, box)
			file.set("trusted_proxies", []string{"127.0.0.1/32"})
			file.write(t, box)
		}})
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				wantParty(t, d.party(t, d.box.Verifier, nil, tc.key, clientCert(tc.certificate)), tc.want)
			})
		}
		// From any other address it is refused, with an API key too.
		other := func(key string, header http.Header) string {
			return d.partyBy(t, d.over(t, nil, net.IPv4(127, 0, 0, 2)), d.box.Verifier, key, header)
		}
		wantParty(t, other("", clientCert(p.pinned)), "")
		wantParty(t, other(carrier, clientCert(p.pinned)), "")
		wantParty(t, other(carrier, nil), "carrier")
	})
}

// over returns a client that shows the certificate, if any, and comes from the
// address.
func (d *deployment) over(t *testing.T, certificate *keys.Key, from net.IP) *http.Client {
	t.Helper()
	transport := d.transport(t)
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext
	if certificate != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate.TLSCertificate()}
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// party returns who the verifier takes a client for, "" if it is refused.
func (d *deployment) party(t *testing.T, origin string, certificate *keys.Key, key string, header http.Header) string {
	t.Helper()
	return d.partyBy(t, d.over(t, certificate, net.IPv4(127, 0, 0, 1)), origin, key, header)
}

func (d *deployment) partyBy(t *testing.T, client *http.Client, origin, key string, header http.Header) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/api/registration", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if key == "token" {
		key = d.box.APIToken
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct{ ID, Reason string }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK && (response.StatusCode != http.StatusUnauthorized || body.Reason != "unauthorized") {
		t.Fatalf("%d %s", response.StatusCode, body.Reason)
	}
	return body.ID
}

// asksForCertificate reports whether a server asks its clients for certificates.
func (d *deployment) asksForCertificate(t *testing.T, address string) (asked bool) {
	t.Helper()
	config := d.transport(t).TLSClientConfig
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		return &tls.Certificate{}, nil
	}
	connection, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}
	return asked
}

// answerOver does what a relying party does, by its certificate alone.
func (d *deployment) answerOver(t *testing.T, origin string, certificate *keys.Key) {
	t.Helper()
	party := &client.Client{HTTP: d.over(t, certificate, net.IPv4(127, 0, 0, 1)), BaseURL: origin}
	transaction, err := party.Create(t.Context(), client.Request{Flow: client.CrossDevice, DCQL: json.RawMessage(
		`{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[{"path":["age_equal_or_over","20"]}]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	agree := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }
	if _, err := d.receive(t, cardOf(t, "hanako")).Present(t.Context(), transaction.Link, agree); err != nil {
		t.Fatal(err)
	}
	if state, err := party.Wait(t.Context(), transaction.ID); err != nil || state != client.Verified {
		t.Fatalf("%s %v", state, err)
	}
	if result, err := party.Result(t.Context(), transaction.ID, ""); err != nil || result.State != client.Verified {
		t.Fatalf("%+v %v", result, err)
	}
}

// clientCert is what a proxy says of a client (RFC 9440).
func clientCert(key *keys.Key) http.Header {
	if key == nil {
		return nil
	}
	return http.Header{"Client-Cert": {":" + base64.StdEncoding.EncodeToString(key.Leaf().Raw) + ":"}}
}

func wantParty(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}
