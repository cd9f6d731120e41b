package holder

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// check verifies everything that came in one response and matches it with the
// keys, in whatever order it came. The copies must differ in key and status
// and in nothing else. One that is bad spoils all.
func (i *issuance) check(ctx context.Context, want wanted, issued []openid4vci.IssuedCredential, signers []crypto.Signer) ([]*Held, error) {
	if len(issued) > max(1, len(signers)) {
		return nil, errors.New("more credentials than keys")
	}
	open := map[string]crypto.Signer{}
	for _, signer := range signers {
		thumbprint, err := jose.ThumbprintOf(signer.Public())
		if err != nil {
			return nil, err
		}
		open[thumbprint] = signer
	}
	batch := rand.Text()
	first := ""
	statuses := map[credentials.StatusRef]bool{}
	var out []*Held
	for _, c := range issued {
		v, err := i.verify(ctx, want.configuration.Format, c.Credential)
		if err != nil {
			return nil, err
		}
		if v.Type != want.configuration.Type() {
			return nil, errors.New("it is of another type than the configuration says")
		}
		key, err := claimKey(v.HolderKey, open, len(signers) > 0)
		if err != nil {
			return nil, err
		}
		if v.Status != nil {
			if statuses[*v.Status] {
				return nil, errors.New("two copies share an entry in a status list")
			}
			statuses[*v.Status] = true
		}
		same, err := content(v)
		if err != nil {
			return nil, err
		}
		if first == "" {
			first = same
		} else if same != first {
			return nil, errors.New("copies differ in claims or validity")
		}
		out = append(out, &Held{
			ID: rand.Text(), Batch: batch, Issuer: i.issuer.CredentialIssuer, ConfigurationID: want.id,
			Format: v.Format, Type: v.Type, Raw: c.Credential, Key: key, Claims: v.Claims, Chain: v.Chain,
			Status: v.Status, ReceivedAt: i.w.Now(), ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil,
			Refresh: i.refresh(), Reuse: reuse(want.configuration),
		})
	}
	return out, i.name(ctx, want, out)
}

// claimKey returns the wallet's key that a credential is bound to, each only
// once.
func claimKey(bound crypto.PublicKey, open map[string]crypto.Signer, needed bool) (crypto.Signer, error) {
	if bound == nil && !needed {
		return nil, nil
	}
	if bound == nil {
		return nil, errors.New("it is bound to no key")
	}
	thumbprint, err := jose.ThumbprintOf(bound)
	if err != nil {
		return nil, fmt.Errorf("the key it is bound to: %w", err)
	}
	key, ok := open[thumbprint]
	if !ok {
		return nil, errors.New("it is bound to a key that is not the wallet's, or to the same as another copy")
	}
	delete(open, thumbprint)
	return key, nil
}

// verify checks chain, signature and validity as the format has them.
func (i *issuance) verify(ctx context.Context, format credentials.Format, raw string) (*credentials.Verified, error) {
	policy := i.w.IssuerTrust[format]
	if format == credentials.FormatMdoc {
		document, err := jose.DecodeBase64(raw)
		if err != nil {
			return nil, err
		}
		return mdoc.VerifyIssued(ctx, document, policy, i.w.Now())
	}
	// A credential that never ends is for relying parties to refuse.
	verifier := sdjwt.Verifier{Trust: policy, Now: i.w.Now, AllowUnlimited: true}
	return verifier.VerifyIssued(ctx, raw)
}

// content is what must be equal in all copies.
func content(v *credentials.Verified) (string, error) {
	claims, err := json.Marshal(v.Claims.JSON())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d %s", v.Issuer, v.ValidFrom.Unix(), v.ValidUntil.Unix(), claims), nil
}
