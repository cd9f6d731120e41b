package trust

import (
	"sync/atomic"
	"time"
)

// HeldCRL is what a [CRLChecker] can tell of a list that it holds. It says
// neither which CA nor which partition the list is of.
type HeldCRL struct {
	// ThisUpdate and NextUpdate are those of the list.
	ThisUpdate, NextUpdate time.Time
	// Used is when a certificate was last looked up in it.
	Used time.Time
}

// crlState is what others may read of a held list while it is renewed.
type crlState struct {
	thisUpdate, nextUpdate, used atomic.Int64 // Unix seconds; 0 if there is none
}

func (s *crlState) renewed(list *CRL) {
	s.nextUpdate.Store(list.nextUpdate.Unix())
	s.thisUpdate.Store(list.thisUpdate.Unix())
}

// Held returns the lists at hand, in no order, without waiting for any that is
// being renewed: for metrics.
func (c *CRLChecker) Held() []HeldCRL {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []HeldCRL
	for _, held := range c.lists {
		s := &held.state
		if s.thisUpdate.Load() == 0 {
			continue
		}
		out = append(out, HeldCRL{
			ThisUpdate: time.Unix(s.thisUpdate.Load(), 0).UTC(), NextUpdate: time.Unix(s.nextUpdate.Load(), 0).UTC(),
			Used: time.Unix(s.used.Load(), 0).UTC(),
		})
	}
	return out
}
