package sandbox

import (
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
)

// PublishAttestationStatus has the wallet provider put its attestations on status
// lists. Providers that are added later have the same key for them.
func (s *Sandbox) PublishAttestationStatus() error {
	w := &writer{dir: s.Dir}
	c := s.config.Provider
	c.Keys.Status = w.key("provider-status", must(w, s.cas.provider.IssueStatusSigner, trusttest.LeafOptions{}))
	c.StatusWindow = s.config.Issuer.StatusWindow
	w.yaml("tegata.yaml", s.config)
	return w.err
}

// companies is a register in which the person of the demonstration represents a
// company.
const companies = `persons:
  - name: 山田　花子
    address: 東京都清瀬市中里五丁目８４２番地
    birth_date: 1985-04-01
    sex: 2
    claims:
      corporate_number: "1700150099901"
      organization_name: 手形商事株式会社
      registered_office: 東京都千代田区大手町一丁目１番１号
      authority: 代表取締役
      registered_as_of: 2026-11-20
`

// OfferCompanies has the issuer offer the credential of a company's representative
// beside the flagship, to the one person whom its register knows.
func (s *Sandbox) OfferCompanies() error {
	w := &writer{dir: s.Dir}
	c := s.config.Issuer
	c.Sources = map[string]*config.Source{"companies": {File: w.file("companies.yaml", []byte(companies))}}
	c.Credentials = []string{"identity_sd_jwt", "identity_mdoc", "company_representative_sd_jwt", "company_representative_mdoc"}
	w.yaml("tegata.yaml", s.config)
	return w.err
}

// ReplaceStatusKeys puts new keys in the place of those that sign status lists, as
// when they were lost.
func (s *Sandbox) ReplaceStatusKeys() error {
	w := &writer{dir: s.Dir}
	s.config.Issuer.Keys.Status = w.key("status-replaced", must(w, s.cas.issuing.IssueStatusSigner, trusttest.LeafOptions{}))
	if len(s.config.Provider.Keys.Status) > 0 {
		s.config.Provider.Keys.Status = w.key("provider-status-replaced", must(w, s.cas.provider.IssueStatusSigner, trusttest.LeafOptions{}))
	}
	w.yaml("tegata.yaml", s.config)
	return w.err
}

// Succeed gives each use of the first three tenants a key that follows the
// present ones at the given time, and is published until then. A process that
// runs already must be told to read its configuration again.
func (s *Sandbox) Succeed(from time.Time) error {
	dir := filepath.Join(s.Dir, "next-"+from.UTC().Format("20060102T150405"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w := &writer{dir: dir}
	var i config.Issuer
	var v config.Verifier
	var p config.Provider
	s.cas.issuerKeys(w, &i)
	s.cas.verifierKeys(w, &v)
	s.cas.providerKeys(w, &p)
	present := &s.config.Issuer.Keys
	for _, use := range []struct {
		list *config.KeyList
		next config.KeyList
	}{
		{&present.SDJWT, i.Keys.SDJWT}, {&present.Mdoc, i.Keys.Mdoc}, {&present.Status, i.Keys.Status},
		{&s.config.Verifier.Keys.Request, v.Keys.Request}, {&s.config.Provider.Keys.Attestation, p.Keys.Attestation},
	} {
		for _, key := range use.next {
			key.From = from.UTC().Truncate(time.Second)
			*use.list = append(*use.list, key)
		}
	}
	w.dir = s.Dir
	w.yaml("tegata.yaml", s.config)
	return w.err
}

// Push gives the verifier a relying party with a webhook on loopback, and a key
// to sign what is sent there.
func (s *Sandbox) Push(p config.RelyingParty) error {
	address, err := url.Parse(p.Webhook.URL)
	if err != nil {
		return err
	}
	w := &writer{dir: s.Dir}
	s.config.Outbound.AllowLoopback = append(s.config.Outbound.AllowLoopback, address.Host)
	s.config.Verifier.Keys.Webhook = w.key("webhook", must(w, s.cas.access.IssueVerifierAccess, trusttest.LeafOptions{}))
	s.config.Verifier.RelyingParties = append(s.config.Verifier.RelyingParties, p)
	w.yaml("tegata.yaml", s.config)
	return w.err
}
