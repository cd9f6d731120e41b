package issuer

import (
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// japan is the zone in which people in Japan count days. It has no daylight
// saving time.
var japan = time.FixedZone("JST", 9*60*60)

// errNoBoundary says that no shared end of validity lies between the shortest
// useful life and the limits.
var errNoBoundary = errors.New("no common end of validity lies before the evidence or the signer expires")

// minimumLife is the least that a new credential must live.
const minimumLife = 24 * time.Hour

// validUntil returns the last Monday, 00:00 in Japan, that is at most longest
// after now and not after any of the limits. Everybody's credentials end on
// the same grid: an end derived from a JPKI certificate would tell its
// holder's birthday.
func validUntil(now time.Time, longest time.Duration, limits ...time.Time) (time.Time, error) {
	last := now.Add(longest)
	for _, limit := range limits {
		if limit.Before(last) {
			last = limit
		}
	}
	y, m, d := last.In(japan).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, japan)
	sinceMonday := (int(midnight.Weekday()) + 6) % 7
	end := midnight.AddDate(0, 0, -sinceMonday).UTC()
	if end.Before(now.Add(minimumLife)) {
		return time.Time{}, errNoBoundary
	}
	return end, nil
}

// ends returns when credentials of a configuration end, given when their signer
// ends and, if they rest on one, their certificate. Those that don't fall with
// their evidence end on the hour, 24 hours after the hour in which they were
// signed, or with the signer, which everybody shares. If the certificate ends
// before that, there is no end that tells nothing.
func (i *Issuer) ends(c *Configuration, now, signer time.Time, certificate ...time.Time) (time.Time, error) {
	longest := i.cfg.MaxValidity
	if c.MaxValidity != 0 {
		longest = min(longest, c.MaxValidity)
	}
	if !c.Cascade.None {
		return validUntil(now, longest, append(certificate, signer)...)
	}
	end := now.UTC().Truncate(time.Hour).Add(min(uncascadedLife, longest))
	if signer.Before(end) {
		end = signer.UTC().Truncate(time.Hour)
	}
	if end.Before(now.Add(uncascadedMinimum)) || len(certificate) > 0 && certificate[0].Before(end) {
		return time.Time{}, errNoBoundary
	}
	return end, nil
}

// signedAt returns now rounded down to the hour, so that the credentials of a
// batch, and of different holders, can't be told apart by time. In the first
// hour of a signer it is the signer's own beginning, which tells as little.
func signedAt(now, signerBegins time.Time) time.Time {
	hour := now.UTC().Truncate(time.Hour)
	if hour.Before(signerBegins) {
		return signerBegins.UTC()
	}
	return hour
}

// batchSigner is the key for one batch, with the times of its credentials.
type batchSigner struct {
	key          *keys.Key
	begins, ends time.Time
}

// signer chooses the key that signs now. Its credentials lie within the validity
// of its chain: their end is capped to an earlier boundary that everybody
// shares, and the time of signing is not before the signer's. cert is nil if
// the evidence rests on none.
func (i *Issuer) signer(c *Configuration, cert *evidence.Certificate) (*batchSigner, error) {
	now := i.cfg.Now()
	key, err := i.cfg.Signers[c.Format].Keys.At(now)
	if err != nil {
		return nil, fmt.Errorf("signer of %s: %w", c.ID, err)
	}
	begins, ends := key.Validity()
	s := &batchSigner{key: key, begins: signedAt(now, begins)}
	if s.ends, err = i.ends(c, now, ends); err != nil {
		// The key may sign, but nothing that lives long enough.
		return nil, fmt.Errorf("signer of %s: %w: %w", c.ID, keys.ErrNoSigner, err)
	}
	if cert == nil {
		return s, nil
	}
	if s.ends, err = i.ends(c, now, ends, cert.Ends); err != nil {
		return nil, openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "the evidence for this credential ends too soon")
	}
	return s, nil
}

// within has the credentials of a batch end, at a boundary that everybody shares,
// before the wallet provider may take down the status of an attestation: a revoked
// wallet or key could not be told from others any more. until is zero if the
// provider doesn't say.
func (s *batchSigner) within(i *Issuer, c *Configuration, until time.Time) error {
	if until.IsZero() || !until.Before(s.ends) {
		return nil
	}
	ends, err := i.ends(c, i.cfg.Now(), s.ends, until)
	if err != nil {
		return openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "the status of an attestation is kept up for too short a time")
	}
	s.ends = ends
	return nil
}
