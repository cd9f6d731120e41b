// Package demo shows the main job of Tegata on one machine: a JPKI certificate
// becomes a wallet credential, the credential is presented and verified, and a
// revoked card makes it refused. It runs the same processes as tegata serve, on
// a sandbox of throwaway authorities, over https on loopback.
package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/telemetry"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// Options say how the demonstration runs.
type Options struct {
	// Keep leaves everything running until the context ends.
	Keep bool
	// JSON prints the steps for machines.
	JSON bool
}

// The pace of the demonstration: what takes minutes or hours elsewhere takes a
// second here.
const (
	pace      = time.Second
	batchSize = 3
	patience  = 30 * time.Second
)

// demonstration is everything that takes part.
type demonstration struct {
	report *report
	box    *sandbox.Sandbox
	jpki   *jpkitest.JPKI
	card   *jpkitest.Card
	crls   *crlServer

	// wallet is the citizen's, secondWallet that of somebody without a card.
	wallet       *holder.Wallet
	secondWallet *holder.Wallet
	citizen      *browser
	relyingParty *relyingParty
	client       *http.Client

	// ended receives the end of each server.
	ended chan error
}

// Run runs the demonstration and prints to w. The first step that fails ends
// it with an error that says what failed and why.
func Run(ctx context.Context, w io.Writer, o Options) (err error) {
	dir, err := os.MkdirTemp("", "tegata-demo-")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	d := &demonstration{report: &report{w: w, json: o.JSON, start: time.Now()}, ended: make(chan error, 2)}
	running := 0
	defer func() {
		stop()
		for range running {
			err = errors.Join(err, <-d.ended)
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	logs, err := os.OpenFile(filepath.Join(dir, "tegata.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()

	for _, part := range []struct {
		chapter string
		run     func(context.Context) error
	}{
		{"A test JPKI, a card, and authorities for one day", func(ctx context.Context) error { return d.makeAuthorities(dir) }},
		{"Issuer, verifier and wallet provider, each on its own origin", func(ctx context.Context) error {
			started, err := d.start(ctx, logs)
			running += started
			return err
		}},
		{"The citizen takes a credential offer", d.issue},
		{"A bank asks for the name and whether the person is 18 or over", d.presentBoth},
		{"The wallet renews what it has shown, without the citizen", d.renew},
		{"The town hall vouches for somebody without a card, by an offer and a code to type", d.vouch},
		{"The citizen moves house: the certificate is revoked", d.revoke},
	} {
		d.report.chapter(part.chapter)
		if err := part.run(ctx); err != nil {
			err = fmt.Errorf("%s: %w", part.chapter, err)
			d.report.failed("failed", err)
			return err
		}
	}
	d.report.summary([]string{
		"A JPKI signature certificate became credentials in two formats, bound to the wallet's keys.",
		"The verifier accepted both formats and said why they can be trusted.",
		"The wallet got new copies by a refresh token, which alone opens what the issuer has sealed.",
		"Somebody without a card got a credential on the issuer's word, with a transaction code.",
		"After the certificate was revoked, the verifier refused the credential.",
	})
	if o.Keep {
		d.report.result("Everything keeps running. Open:", []string{
			d.box.Verifier + "/  the verifier's page",
			d.box.Issuer + "/.well-known/openid-credential-issuer  the issuer's metadata",
			"The browser will warn: the TLS root of the day is " + filepath.Join(dir, "tls-root.pem"),
			"The configuration is " + d.box.ConfigFile + ", the log " + logs.Name(),
			"A wallet of your own: tegata wallet list --config " + d.box.WalletFile,
			"Stop with Ctrl-C.",
		}, nil)
		<-ctx.Done()
	}
	return nil
}

// makeAuthorities makes the test JPKI with the citizen's card, and the sandbox.
func (d *demonstration) makeAuthorities(dir string) (err error) {
	start := time.Now()
	if d.jpki, err = jpkitest.New(jpkitest.Options{Now: time.Now}); err != nil {
		return err
	}
	d.report.step("test JPKI", "", "CAs for digital signature and user authentication, with revocation lists", time.Since(start))

	start = time.Now()
	person, ok := jpkitest.PersonByKey("hanako")
	if !ok {
		return errors.New("the test citizen is missing")
	}
	if d.card, err = d.jpki.NewCard(person, jpkitest.CardOptions{}); err != nil {
		return err
	}
	d.report.step("test JPKI", "citizen", "a card for "+person.Name+", "+person.Address, time.Since(start))

	start = time.Now()
	if d.crls, err = newCRLServer(); err != nil {
		return err
	}
	d.box, err = sandbox.New(dir, sandbox.Options{
		Now: time.Now(), BatchSize: batchSize, StatusWindow: pace,
		SignatureAnchors: d.jpki.Anchors(jpki.Signature),
		JPKI: config.JPKI{
			CRLURL: d.crls.url(), CRLRefresh: config.Duration(pace), RecheckInterval: config.Duration(pace),
		},
	})
	if err != nil {
		return err
	}
	if err := d.box.PublishAttestationStatus(); err != nil {
		return err
	}
	if err := d.box.OfferCompanies(); err != nil {
		return err
	}
	d.report.step("sandbox", "", "issuing CA, IACA, P-256 signers that name a legal entity, access CA, wallet provider CA, TLS CA", time.Since(start))
	return nil
}

// start runs the test JPKI's server and the three roles. It returns how many
// ends to wait for.
func (d *demonstration) start(ctx context.Context, logs io.Writer) (started int, err error) {
	start := time.Now()
	go func() { d.ended <- d.crls.serve(ctx, d.jpki, d.box.TLS) }()
	started++
	cfg, err := config.Load(d.box.ConfigFile)
	if err != nil {
		return started, err
	}
	log, err := telemetry.NewLogger(logs, nil, telemetry.LogText)
	if err != nil {
		return started, err
	}
	process, err := app.New(ctx, cfg, app.Options{Log: log, Now: time.Now, TestJPKI: d.jpki})
	if err != nil {
		return started, err
	}
	go func() { d.ended <- process.Run(ctx) }()
	started++
	d.report.step("test JPKI", "", "publishes revocation lists at "+d.crls.url(), 0)
	for _, role := range []struct{ name, url string }{
		{"issuer", d.box.Issuer}, {"verifier", d.box.Verifier}, {"wallet provider", d.box.Provider},
	} {
		d.report.step(role.name, "", role.url, time.Since(start))
	}
	return started, d.meetParties(cfg)
}

// meetParties makes the wallet, the citizen's browser and the relying party.
func (d *demonstration) meetParties(cfg *config.Config) (err error) {
	pool := x509.NewCertPool()
	pool.AddCert(d.box.TLSRoot)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	d.client = &http.Client{Transport: transport, Timeout: patience}
	d.relyingParty = &relyingParty{client: d.client, api: d.box.Verifier + "/api/transactions", token: d.box.APIToken}
	if d.citizen, err = newBrowser(transport, d.card, d.report); err != nil {
		return err
	}
	web, err := fetch.New(fetch.Options{
		Purpose: "the wallet", ExtraRoots: []*x509.Certificate{d.box.TLSRoot},
		AllowLoopback: cfg.Outbound.AllowLoopback, Now: time.Now,
	})
	if err != nil {
		return err
	}
	onStep := func(s holder.Step) {
		// What the citizen is asked is told in full where it is asked.
		if s.To != holder.PartyPerson {
			d.report.step(s.From, s.To, s.Name+", "+s.Detail, s.Duration)
		}
	}
	policy := func(profile trust.Profile, anchor trust.Anchor) *trust.Policy {
		return &trust.Policy{
			Anchors: []trust.Anchor{anchor}, Profile: profile, Now: time.Now,
			Revocation: trust.NotChecked("the authorities of the demonstration publish no lists"),
		}
	}
	newWallet := func() *holder.Wallet {
		return &holder.Wallet{
			HTTP: web, Vault: &holder.Memory{}, BatchSize: batchSize, Now: time.Now, OnStep: onStep,
			RedirectURI: "https://wallet.example/callback",
			Attester: &holder.Provider{
				HTTP: web, URL: d.box.Provider, Platform: provider.SoftwarePlatform, OnStep: onStep, Now: time.Now,
			},
			IssuerTrust: map[credentials.Format]*trust.Policy{
				credentials.FormatSDJWTVC: policy(trust.ProfileSDJWTIssuer, d.box.IssuerAnchors[credentials.FormatSDJWTVC]),
				credentials.FormatMdoc:    policy(trust.ProfileMdocSigner, d.box.IssuerAnchors[credentials.FormatMdoc]),
			},
			VerifierTrust: policy(trust.ProfileVerifierAccess, d.box.VerifierAnchor),
			MetadataTrust: policy(trust.ProfileVerifierAccess, d.box.VerifierAnchor),
		}
	}
	d.wallet, d.secondWallet = newWallet(), newWallet()
	return nil
}
