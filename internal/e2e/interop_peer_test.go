package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/holder"
)

const (
	peerVCT     = "urn:example:identity:1"
	peerDoctype = "org.example.identity.1"
)

// nodePeer is a party of other people's libraries that our wallet talks to, with
// certificates of its own.
type nodePeer struct {
	*deployment
	t                              *testing.T
	origin                         string
	issuing, iaca, access          *trusttest.CA
	sdjwt, mdoc, metadata, request *keys.Key
}

// peerKey is a key with its chain, both PEM.
type peerKey struct {
	Key   string `json:"key"`
	Chain string `json:"chain"`
}

// peerWorld is what a Node peer is told.
type peerWorld struct {
	TLS      peerKey           `json:"tls"`
	SDJWT    peerKey           `json:"sdjwt"`
	Mdoc     peerKey           `json:"mdoc"`
	Metadata peerKey           `json:"metadata"`
	Request  peerKey           `json:"request"`
	VCT      string            `json:"vct"`
	Doctype  string            `json:"doctype"`
	Anchors  map[string]string `json:"anchors"`
}

// startPeer starts a program that serves until the test ends.
func startPeer(t *testing.T, program string) *nodePeer {
	t.Helper()
	node := findNode(t)
	p := &nodePeer{deployment: deploy(t, deployOptions{direct: true}), t: t}
	start := p.clock.Now().Add(-48 * time.Hour).Truncate(time.Second)
	p.issuing = tmMust(trusttest.NewCA(trusttest.CAOptions{Name: "A CA", NotBefore: start}))(t)
	p.iaca = tmMust(trusttest.NewCA(trusttest.CAOptions{Name: "An IACA", NotBefore: start, Profile: trusttest.IACA}))(t)
	p.access = tmMust(trusttest.NewCA(trusttest.CAOptions{Name: "An access CA", NotBefore: start}))(t)
	p.sdjwt = tmMust(p.issuing.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	p.mdoc = tmMust(p.iaca.IssueMdocSigner(trusttest.LeafOptions{}))(t)
	p.metadata = tmMust(p.access.IssueVerifierAccess(trusttest.LeafOptions{Name: "An issuer", Edit: func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
	}}))(t)
	p.request = tmMust(p.access.IssueVerifierAccess(trusttest.LeafOptions{Name: "A verifier", DNSNames: []string{"localhost"}}))(t)
	server := tmMust(p.box.TLS.IssueTLS(trusttest.LeafOptions{}))(t)

	input := tmMust(json.Marshal(peerWorld{
		TLS: peerKeyOf(t, server), SDJWT: peerKeyOf(t, p.sdjwt), Mdoc: peerKeyOf(t, p.mdoc), Metadata: peerKeyOf(t, p.metadata), Request: peerKeyOf(t, p.request),
		VCT: peerVCT, Doctype: peerDoctype,
		Anchors: map[string]string{
			"provider": secret(t, p.cfg.Issuer.WalletProviders[0].File),
			"issuing":  anchorPEM(p.box.IssuerAnchors[credentials.FormatSDJWTVC]),
			"iaca":     anchorPEM(p.box.IssuerAnchors[credentials.FormatMdoc]),
		},
	}))(t)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, program)
	var log logBuffer
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, keys.EncodeChainPEM([]*x509.Certificate{p.box.TLSRoot}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Dir, cmd.Env = nodeDir, []string{"PATH=" + os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS=" + root}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &log
	stdout := tmMust(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", program, log.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	origin, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ready {
		t.Fatalf("%s printed %q: %v\n%s", program, line, err, log.String())
	}
	p.origin = origin
	return p
}

func peerKeyOf(t *testing.T, key *keys.Key) peerKey {
	t.Helper()
	der := tmMust(x509.MarshalPKCS8PrivateKey(key.Signer))(t)
	return peerKey{
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		Chain: string(keys.EncodeChainPEM(key.Chain)),
	}
}

// wallet returns a wallet of ours that trusts the peer and may talk to it.
func (p *nodePeer) wallet(t *testing.T) *holder.Wallet {
	t.Helper()
	host := strings.TrimPrefix(p.origin, "https://")
	w := p.newWallet(t, host, strings.Replace(host, "127.0.0.1", "localhost", 1))
	w.IssuerTrust = map[credentials.Format]*trust.Policy{
		credentials.FormatSDJWTVC: p.policy(trust.ProfileSDJWTIssuer, p.issuing),
		credentials.FormatMdoc:    p.policy(trust.ProfileMdocSigner, p.iaca),
	}
	w.VerifierTrust = p.policy(trust.ProfileVerifierAccess, p.access)
	w.Wait = func(context.Context, time.Duration) error { return nil }
	w.BatchSize = 3
	return w
}

func (p *nodePeer) policy(profile trust.Profile, ca *trusttest.CA) *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: profile, Now: p.clock.Now,
		Revocation: trust.NotChecked("the peer publishes no lists"),
	}
}

// tell sends JSON to the peer, or nothing, and reads its answer.
func (p *nodePeer) tell(t *testing.T, path string, message, answer any) {
	t.Helper()
	if message == nil {
		p.send(t, http.MethodGet, p.origin+path, nil, nil).read(t, answer)
		return
	}
	body := tmMust(json.Marshal(message))(t)
	p.send(t, http.MethodPost, p.origin+path, http.Header{"Content-Type": {"application/json"}}, body).read(t, answer)
}

// visitor follows one redirect, as the browser of somebody who agrees to
// everything, and knows a transaction code.
type visitor struct {
	peer   *nodePeer
	txCode string
}

// Authorize implements holder.UserAgent.
func (v visitor) Authorize(_ context.Context, address, _ string) (string, error) {
	location := v.peer.send(v.peer.t, http.MethodGet, address, nil, nil).header.Get("Location")
	if location == "" {
		return "", errors.New("the browser is sent nowhere")
	}
	return location, nil
}

// TxCode implements holder.TxCodeReader.
func (v visitor) TxCode(context.Context, openid4vci.TxCode) (string, error) { return v.txCode, nil }
