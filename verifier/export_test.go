package verifier

import "time"

// SetPace sets how streams of events run.
func (v *Verifier) SetPace(poll, heartbeat, longest time.Duration) {
	v.pace = pace{poll, heartbeat, longest}
}

// MaxPartyStreams is how many streams a relying party may have open.
const MaxPartyStreams = maxPartyStreams

// MaxPageStreams is how many streams a page may have open.
const MaxPageStreams = maxPageStreams
