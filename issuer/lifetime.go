package issuer

import (
	"errors"
	"time"
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

// signedAt returns now rounded down to the hour, so that the credentials of a
// batch, and of different holders, can't be told apart by time.
func signedAt(now time.Time) time.Time { return now.UTC().Truncate(time.Hour) }
