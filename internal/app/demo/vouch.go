package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/verifier"
)

// vouched is the operator's request for an offer to somebody whom the town hall
// has identified at the counter.
const vouched = `{"credential_configuration_ids":["identity_sd_jwt"],"grant":"pre-authorized_code","by_reference":true,
	"person":{"name":"鈴木　みどり","address":"東京都清瀬市松山一丁目１番地","birth_date":"1951-02-11","sex":2},"tx_code":{"length":6}}`

// vouch issues to a second wallet on the operator's word, and has the bank
// accept it.
func (d *demonstration) vouch(ctx context.Context) error {
	start := time.Now()
	made, err := d.offer(ctx, vouched)
	if err != nil {
		return err
	}
	link, err := url.Parse(made.Link)
	if err != nil || !link.Query().Has("credential_offer_uri") || made.TxCode == "" {
		return fmt.Errorf("%w: the offer is not by reference, or has no transaction code", errUnexpected)
	}
	d.report.step("operator", "issuer", "states name, address, birth date and sex; gets a link for a QR code and a transaction code", time.Since(start))
	d.report.step("operator", "citizen", "prints the QR code, and sends the transaction code by text message", 0)
	held, err := d.secondWallet.AcceptOffer(ctx, made.Link, typist{code: made.TxCode, report: d.report})
	if err != nil {
		return err
	}
	if len(held) != batchSize {
		return fmt.Errorf("%w: the wallet holds %d", errUnexpected, len(held))
	}
	d.report.result("The second wallet holds", []string{
		fmt.Sprintf("%d × SD-JWT VC %s, on the evidence of the back office and no JPKI certificate", len(held), held[0].Type),
	}, nil)
	result, err := d.present(ctx, d.secondWallet, querySDJWT)
	if err != nil {
		return err
	}
	if result.State != verifier.StateVerified {
		return fmt.Errorf("%w: the transaction is %s", errUnexpected, result.State)
	}
	return nil
}

// typist plays a citizen who types what came by text message.
type typist struct {
	code   string
	report *report
}

// Authorize implements holder.UserAgent.
func (typist) Authorize(context.Context, string, string) (string, error) {
	return "", errors.New("there is no card to log in with")
}

// TxCode implements holder.TxCodeReader.
func (p typist) TxCode(_ context.Context, d openid4vci.TxCode) (string, error) {
	p.report.step("citizen", "wallet", fmt.Sprintf("types the transaction code of %d digits", d.Length), 0)
	return p.code, nil
}
