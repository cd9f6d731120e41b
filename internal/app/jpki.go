package app

import (
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// jpkiCheck is how an issuer checks JPKI certificates.
type jpkiCheck struct {
	anchors []trust.Anchor
	status  *revocationStatus
	policy  *trust.Policy
	// cards is nil except in mode test.
	cards oauth.TestCards
}

func (a *App) evidence(t *tenant, c *config.JPKI) (*jpkiCheck, error) {
	profile, err := jpki.SignatureProfile(a.cfg.Mode.JPKI(), c.SmartphonePolicies...)
	if err != nil {
		return nil, err
	}
	check := &jpkiCheck{}
	testJPKI := a.opt.TestJPKI
	if c.Throwaway {
		if testJPKI, err = a.throwaway(t); err != nil {
			return nil, err
		}
	}
	if testJPKI != nil && a.cfg.Mode == config.ModeTest {
		check.cards = newTestCards(testJPKI)
	}
	check.policy, check.status, err = a.jpkiPolicy(t, c, jpki.Signature, "signature_anchors", profile)
	if err != nil {
		return nil, err
	}
	check.anchors = check.policy.Anchors
	return check, nil
}

// authenticator checks authentication certificates; it is nil where nobody comes
// back with one.
func (a *App) authenticator(t *tenant, c *config.JPKI, pseudonymKey []byte) (oauth.Authenticator, error) {
	if c.Returning == nil {
		return nil, nil
	}
	profile, err := jpki.AuthenticationProfile(a.cfg.Mode.JPKI(), c.Returning.SmartphonePolicies...)
	if err != nil {
		return nil, err
	}
	policy, _, err := a.jpkiPolicy(t, c.Authentication(), jpki.Authentication, "returning_users.authentication_anchors", profile)
	if err != nil {
		return nil, err
	}
	return &evidence.Authentication{Policy: policy, PseudonymKey: pseudonymKey}, nil
}

// jpkiPolicy returns what checks certificates of a family, and what looks them
// up.
func (a *App) jpkiPolicy(t *tenant, c *config.JPKI, family jpki.Family, where string, profile trust.Profile) (*trust.Policy, *revocationStatus, error) {
	var anchors []trust.Anchor
	if c.Throwaway {
		testJPKI, err := a.throwaway(t)
		if err != nil {
			return nil, nil, err
		}
		anchors = testJPKI.Anchors(family)
	} else {
		var err error
		if anchors, err = config.LoadAnchors(where, c.SignatureAnchors); err != nil {
			return nil, nil, err
		}
	}
	if err := config.CheckJPKIAnchors(a.cfg.Mode.JPKI(), family, anchors); err != nil {
		return nil, nil, err
	}
	status, err := a.revocationStatus(t, c, anchors)
	if err != nil {
		return nil, nil, err
	}
	policy := &trust.Policy{Anchors: anchors, Profile: profile, Revocation: trust.CheckedBy(status.StatusChecker), Now: a.opt.Now}
	return policy, status, policy.Validate()
}
