package doctor

import (
	"context"
	"time"

	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
)

// provider looks at a wallet provider.
func (d *doctor) provider(ctx context.Context, origin string) {
	where := origin + "/challenges"
	a, err := d.client.post(ctx, where, "application/json", nil, nil)
	switch {
	case err != nil:
		d.Fault(where, "let the proxy forward the path to the service", "no answer: %s", short(err))
	case a.status == 503:
		d.Fault(where, "look at /readyz of the admin listener, which names the store that is away", "the answer is 503: a store is away")
	case a.status == 404 || a.status == 405 || a.status >= 500:
		d.Fault(where, "let the proxy forward POST requests of the path to the service", "wallets get no challenge: the answer is %d", a.status)
	case a.status < 300 && !a.noStore():
		d.Fault(where, "let the proxy pass Cache-Control on", "challenges come without Cache-Control: no-store")
	default:
		d.OK(where, "wallets get challenges")
	}
}

// statusList fetches a list and verifies it as a verifier does.
func (d *doctor) statusList(ctx context.Context, uri string) {
	if err := status.CheckURI(uri); err != nil {
		d.Fault(uri, "give an https URL", "%s", err)
		return
	}
	a, ok := d.get(ctx, uri, status.MediaType, "let the proxy forward /status-lists/ to the issuer; it serves the lists that it published")
	if !ok {
		return
	}
	if len(d.target.IssuerAnchors) == 0 {
		d.Warn(uri, "give the issuer's anchors with --issuer-anchors", "the status list was not verified, for want of an anchor")
		return
	}
	now := d.opt.Now()
	token, err := status.Verify(ctx, string(a.body), uri, &trust.Policy{
		Anchors: d.target.IssuerAnchors, Profile: trust.ProfileStatusSigner, Now: d.opt.Now,
		Revocation: trust.NotChecked("what is looked at is the list"),
	}, now)
	if err != nil {
		d.Fault(uri, "look at the clock, at issuer.keys.status and at the issuer's log: lists are published in windows", "verifiers refuse the status list: %s", err)
		return
	}
	leaf := token.Chain.Certificates[0]
	if leaf.NotAfter.Sub(now) < d.opt.Expiry {
		d.Warn(uri, "renew the certificate of issuer.keys.status", "the signer of the status list expires soon, at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	d.OK(uri, "the status list verifies; it was issued at %s", token.IssuedAt.UTC().Format(time.RFC3339))
}
