package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// The queries of the bank, one for each format.
const (
	querySDJWT = `{"credentials":[{"id":"person","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},
		"claims":[{"path":["name"]},{"path":["age_equal_or_over","18"],"values":[true]}]}]}`
	queryMdoc = `{"credentials":[{"id":"person","format":"mso_mdoc","meta":{"doctype_value":"id.tegata.identity.jp.1"},
		"claims":[{"path":["id.tegata.identity.jp.1","name"]},{"path":["org.iso.23220.1","age_over_18"],"values":[true]}]}]}`
)

// issue lets the operator offer and the citizen's wallet accept.
func (d *demonstration) issue(ctx context.Context) error {
	start := time.Now()
	made, err := d.offer(ctx, `{"credential_configuration_ids":["identity_sd_jwt","identity_mdoc"]}`)
	if err != nil {
		return err
	}
	d.report.step("operator", "issuer", "makes an offer for both formats and shows it to the citizen", time.Since(start))
	held, err := d.wallet.AcceptOffer(ctx, made.Link, d.citizen)
	if err != nil {
		return err
	}
	counts := map[credentials.Format]int{}
	for _, h := range held {
		counts[h.Format]++
	}
	if counts[credentials.FormatSDJWTVC] != batchSize || counts[credentials.FormatMdoc] != batchSize {
		return fmt.Errorf("%w: the wallet holds %v", errUnexpected, counts)
	}
	lines := []string{
		fmt.Sprintf("%d × SD-JWT VC urn:tegata:identity:jp:1 and %d × mdoc id.tegata.identity.jp.1, each with a key of its own",
			counts[credentials.FormatSDJWTVC], counts[credentials.FormatMdoc]),
		"valid until " + held[0].ValidUntil.UTC().Format(time.RFC3339) + ", as everybody's",
	}
	for _, seen := range d.citizen.reviewed {
		lines = append(lines, "reviewed: "+seen)
	}
	d.report.result("The wallet holds", lines, nil)
	return nil
}

// offer is what the operator gets of the issuer.
type offer struct {
	Link   string `json:"link"`
	TxCode string `json:"tx_code"`
}

func (d *demonstration) offer(ctx context.Context, body string) (*offer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.box.Issuer+"/admin/offers", bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+d.box.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("the issuer answers %d to the operator", response.StatusCode)
	}
	var made offer
	return &made, json.NewDecoder(response.Body).Decode(&made)
}

// presentBoth answers the bank from the SD-JWT VC and then from the mdoc.
func (d *demonstration) presentBoth(ctx context.Context) error {
	for _, query := range []string{querySDJWT, queryMdoc} {
		result, err := d.present(ctx, d.wallet, query)
		if err != nil {
			return err
		}
		if result.State != verifier.StateVerified {
			return fmt.Errorf("%w: the transaction is %s", errUnexpected, result.State)
		}
	}
	return nil
}

// renew replaces every batch in the wallet by new copies.
func (d *demonstration) renew(ctx context.Context) error {
	held, err := d.wallet.Vault.List(ctx)
	if err != nil {
		return err
	}
	var lines []string
	for _, batch := range holder.Batches(held) {
		renewed, err := d.wallet.Renew(ctx, batch.Batch)
		if err != nil {
			return err
		}
		if len(renewed) != batch.Copies {
			return fmt.Errorf("%w: %d copies in place of %d", errUnexpected, len(renewed), batch.Copies)
		}
		lines = append(lines, fmt.Sprintf("%d new copies of %s, none of them shown yet", len(renewed), batch.Type))
	}
	d.report.result("The wallet holds", lines, nil)
	return nil
}

// present runs one transaction and prints what the relying party gets.
func (d *demonstration) present(ctx context.Context, wallet *holder.Wallet, query string) (*verifier.Result, error) {
	start := time.Now()
	t, err := d.relyingParty.ask(ctx, query)
	if err != nil {
		return nil, err
	}
	d.report.step("bank", "verifier", "asks by DCQL and shows the link to the citizen", time.Since(start))
	outcome, presentErr := wallet.Present(ctx, t.Link, d.consent)
	if presentErr != nil {
		d.report.step("verifier", "wallet", "does not accept the presentation", 0)
	}
	start = time.Now()
	result, raw, err := d.relyingParty.fetch(ctx, t.ID, outcome.RedirectURI)
	if err != nil {
		return nil, errors.Join(presentErr, err)
	}
	d.report.step("bank", "verifier", "fetches the result: "+string(result.State), time.Since(start))
	d.report.result("The bank gets", describe(result), raw)
	return result, nil
}

// consent agrees, and says what the citizen is shown.
func (d *demonstration) consent(_ context.Context, ask holder.Ask) holder.Decision {
	who := "an unnamed verifier"
	if entity, ok := ask.LegalEntity(); ok {
		who = entity.Name + " (" + entity.OrganizationIdentifier + ")"
	}
	var paths []string
	for _, item := range ask.Items {
		for _, p := range item.Paths {
			paths = append(paths, p.String())
		}
	}
	d.report.step("wallet", "citizen", fmt.Sprintf("%s asks for %v; the citizen agrees", who, paths), 0)
	return holder.Decision{Allow: true}
}

// revoke ends the certificate, waits for the issuer to notice, and shows that
// the credential is refused.
func (d *demonstration) revoke(ctx context.Context) error {
	const affiliationChanged = 3
	start := time.Now()
	if err := d.jpki.Revoke(d.card.SignatureCertificate(), affiliationChanged); err != nil {
		return err
	}
	d.report.step("test JPKI", "", "revokes the signature certificate, as at every change of address", time.Since(start))
	start = time.Now()
	if err := d.waitForStatus(ctx); err != nil {
		return err
	}
	d.report.step("issuer", "", "finds the certificate on the CRL and publishes the credentials as INVALID", time.Since(start))
	for _, query := range []string{querySDJWT, queryMdoc} {
		result, err := d.present(ctx, d.wallet, query)
		if err != nil {
			return err
		}
		if result.State != verifier.StateRefused || result.Refusal == nil || result.Refusal.Reason != verifier.ReasonRevoked {
			return fmt.Errorf("%w: the transaction is %s", errUnexpected, result.State)
		}
	}
	return nil
}

// waitForStatus polls the status lists as any verifier could, until they say
// that every credential in the wallet is invalid.
func (d *demonstration) waitForStatus(ctx context.Context) error {
	held, err := d.wallet.Vault.List(ctx)
	if err != nil {
		return err
	}
	checker := &status.Checker{
		Now: time.Now,
		Policy: &trust.Policy{
			Anchors: []trust.Anchor{d.box.IssuerAnchors[credentials.FormatSDJWTVC]}, Profile: trust.ProfileStatusSigner,
			Revocation: trust.NotChecked("the authorities of the demonstration publish no lists"), Now: time.Now,
		},
		Fetch: func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
			response, err := d.wallet.HTTP.Get(ctx, uri, accept...)
			if err != nil {
				return nil, "", err
			}
			return response.Body, response.ContentType, nil
		},
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		valid := slices.ContainsFunc(held, func(h *holder.Held) bool {
			result, checkErr := checker.Check(ctx, *h.Status)
			err = errors.Join(err, checkErr)
			return result.Value.IsValid()
		})
		if err != nil {
			return err
		}
		if !valid {
			// The verifier relies on the list it has for one more window.
			return holder.Sleep(ctx, 2*pace)
		}
		if err := holder.Sleep(ctx, pace/4); err != nil {
			return fmt.Errorf("the issuer did not publish the revocation within %v", patience)
		}
	}
}
