package e2e_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/holder"
)

// peerOffer is what the Node issuer is to offer.
type peerOffer struct {
	// Variant is the issuer: type of proof, encryption and timing.
	Variant       string `json:"variant"`
	Configuration string `json:"configuration"`
	Grant         string `json:"grant"`
	ByReference   bool   `json:"byReference"`
	TxCode        string `json:"txCode,omitempty"`
	// Fault is what is wrong with the credentials.
	Fault string `json:"fault,omitempty"`
}

// peerLog is what the Node issuer saw of an offer.
type peerLog struct {
	Events   []string `json:"events"`
	Requests []string `json:"requests"`
}

// peerOffers returns every combination that the Node issuer has.
func peerOffers() (all []peerOffer) {
	for _, proof := range []string{"jwt", "jwt-attested", "attestation"} {
		for _, encryption := range []string{"plain", "encrypted"} {
			for _, timing := range []string{"immediate", "deferred"} {
				for _, configuration := range []string{"sd_jwt", "mdoc"} {
					for _, grant := range []string{openid4vci.GrantAuthorizationCode, openid4vci.GrantPreAuthorized} {
						o := peerOffer{Variant: proof + "/" + encryption + "/" + timing, Configuration: configuration, Grant: grant}
						o.ByReference = len(all)%3 == 0 // meets every other choice
						if grant == openid4vci.GrantPreAuthorized && timing == "immediate" {
							o.TxCode = "493536"
						}
						all = append(all, o)
					}
				}
			}
		}
	}
	return all
}

// take has a wallet take an offer and returns what the issuer saw.
func (p *nodePeer) take(t *testing.T, w *holder.Wallet, o peerOffer, txCode string) ([]*holder.Held, peerLog, error) {
	t.Helper()
	var offer struct{ ID, Link string }
	p.tell(t, "/offers", o, &offer)
	held, err := w.AcceptOffer(t.Context(), offer.Link, visitor{p, txCode})
	var seen peerLog
	p.tell(t, "/offers/"+offer.ID, nil, &seen)
	return held, seen, err
}

// TestNodeIssuer has the wallet engine receive credentials from an issuer and an
// authorization server of other people's libraries, in every combination that
// they have: format, grant, type of proof, in clear or encrypted, at once or
// later; batches of three, PAR, DPoP nonces, attestation challenges and
// notifications in each.
func TestNodeIssuer(t *testing.T) {
	t.Parallel()
	p := startPeer(t, "issuer.mjs")
	offers := peerOffers()
	if len(offers) != 48 {
		t.Errorf("%d combinations, and there are 48", len(offers))
	}
	t.Run("combinations", func(t *testing.T) {
		for _, o := range offers {
			t.Run(o.Variant+"/"+o.Configuration+"/"+o.Grant[strings.LastIndex(o.Grant, ":")+1:], func(t *testing.T) {
				t.Parallel()
				p.received(t, o)
			})
		}
	})
	t.Run("signed metadata and refresh", p.testRenewed)
	t.Run("what is wrong", p.testWrong)
}

// received takes an offer that must succeed.
func (p *nodePeer) received(t *testing.T, o peerOffer) {
	t.Helper()
	w := p.wallet(t)
	held, seen, err := p.take(t, w, o, o.TxCode)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 3 {
		t.Fatalf("%d credentials", len(held))
	}
	for _, h := range held {
		path := credentials.PathOf("name")
		if o.Configuration == "mdoc" {
			path = credentials.PathOf(peerDoctype, "name")
		}
		if name, ok := path.Select(h.Claims); !ok || name[0] != credentials.Text("山田　花子") || h.Key == nil {
			t.Errorf("claims %v", h.Claims.JSON())
		}
	}
	proof := strings.Split(o.Variant, "/")[0]
	want := peerLog{Events: []string{openid4vci.EventAccepted}, Requests: []string{strings.TrimSuffix(proof, "-attested") + " 3"}}
	if strings.HasSuffix(o.Variant, "deferred") {
		want.Requests = append(want.Requests, "deferred", "deferred")
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

// testRenewed reads metadata that the library signed, and gets credentials again
// with its refresh token.
func (p *nodePeer) testRenewed(t *testing.T) {
	w := p.wallet(t)
	w.MetadataTrust = p.policy(trust.ProfileVerifierAccess, p.access)
	held, _, err := p.take(t, w, peerOffer{Variant: "jwt/encrypted/immediate", Configuration: "sd_jwt", Grant: openid4vci.GrantAuthorizationCode}, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Renew(t.Context(), held[0].Batch)
	if err != nil || len(again) != 3 || again[0].Raw == held[0].Raw {
		t.Errorf("%d credentials again: %v", len(again), err)
	}
	w.MetadataTrust = p.policy(trust.ProfileVerifierAccess, p.issuing)
	if _, _, err := p.take(t, w, peerOffer{Variant: "jwt/plain/immediate", Configuration: "sd_jwt", Grant: openid4vci.GrantAuthorizationCode}, ""); err == nil {
		t.Error("metadata signed by somebody who is not trusted were taken")
	}
}

// testWrong has one end or the other refuse. The honest twins are the
// combinations.
func (p *nodePeer) testWrong(t *testing.T) {
	for _, configuration := range []string{"sd_jwt", "mdoc"} {
		for _, fault := range []string{"changed", "another holder key"} {
			t.Run(fmt.Sprintf("the issuer sends %s %s", configuration, fault), func(t *testing.T) {
				t.Parallel()
				w := p.wallet(t)
				held, seen, err := p.take(t, w, peerOffer{
					Variant: "jwt/plain/immediate", Configuration: configuration, Grant: openid4vci.GrantAuthorizationCode, Fault: fault,
				}, "")
				kept, listErr := w.Vault.List(t.Context())
				if err == nil || len(held) != 0 || len(kept) != 0 || listErr != nil {
					t.Errorf("%d credentials: %v", len(kept), err)
				}
				if !slices.Equal(seen.Events, []string{openid4vci.EventFailure}) {
					t.Errorf("the issuer was told %v", seen.Events)
				}
			})
		}
	}
	t.Run("the wallet sends another transaction code", func(t *testing.T) {
		t.Parallel()
		_, seen, err := p.take(t, p.wallet(t), peerOffer{
			Variant: "jwt/plain/immediate", Configuration: "sd_jwt", Grant: openid4vci.GrantPreAuthorized, TxCode: "493536",
		}, "493537")
		if openid4vci.CodeOf(err) != openid4vci.CodeInvalidGrant || len(seen.Requests) != 0 {
			t.Errorf("%v %v", err, seen)
		}
	})
	t.Run("the wallet is of a provider that the issuer does not know", func(t *testing.T) {
		t.Parallel()
		w := p.wallet(t)
		w.Attester = selfMade{tmMust(p.issuing.IssueWalletProvider(trusttest.LeafOptions{}))(t), newKey(t), p.clock.Now}
		_, seen, err := p.take(t, w, peerOffer{Variant: "jwt/plain/immediate", Configuration: "sd_jwt", Grant: openid4vci.GrantAuthorizationCode}, "")
		if openid4vci.CodeOf(err) != "invalid_client" || len(seen.Requests) != 0 {
			t.Errorf("%v %v", err, seen)
		}
	})
}

// selfMade attests a wallet by a provider that nobody knows.
type selfMade struct {
	key      *keys.Key
	instance crypto.Signer
	now      func() time.Time
}

// ClientAttestation implements holder.Attester.
func (s selfMade) ClientAttestation(context.Context, string) (string, crypto.Signer, error) {
	a, err := attestation.SignClientAttestation(attestation.ClientAttestation{
		Issuer: "https://provider.example", ClientID: "https://wallet.example", InstanceKey: s.instance.Public(), IssuedAt: s.now(), ExpiresAt: s.now().Add(time.Hour),
	}, s.key)
	return a, s.instance, err
}

// KeyAttestation implements holder.Attester.
func (s selfMade) KeyAttestation(context.Context, string, []crypto.PublicKey, string) (string, error) {
	return "", errors.New("not used")
}
