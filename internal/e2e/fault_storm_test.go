package e2e_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// faults are what befalls Redis while everything is being used up.
var faults = map[string]struct {
	redis []string
	do    func(r *sessiontest.RedisServer, old []byte)
	// remembers says that nothing is lost that was there when the snapshot was
	// taken; keeps, that nothing is lost at all.
	remembers, keeps bool
}{
	"killed and started": {
		redis: []string{"--appendonly", "yes", "--appendfsync", "always"}, remembers: true, keeps: true,
		do: func(r *sessiontest.RedisServer, _ []byte) { r.Restart() },
	},
	"killed and started empty": {do: func(r *sessiontest.RedisServer, _ []byte) { r.RollBack(nil) }},
	"flushed":                  {do: func(r *sessiontest.RedisServer, _ []byte) { r.FlushAll() }},
	"rolled back":              {do: func(r *sessiontest.RedisServer, old []byte) { r.RollBack(old) }, remembers: true},
}

// TestAtMostOnceInFaults has two processes use up every kind of object that
// serves once, while Redis fails under them, twice. The faults come when a
// number of answers is out, so that requests are always under way. Whoever is
// told to try again later does.
func TestAtMostOnceInFaults(t *testing.T) {
	t.Parallel()
	for _, driver := range databasetest.Drivers {
		for name := range faults {
			t.Run("R7 "+name+", "+driver, func(t *testing.T) {
				t.Parallel()
				testFaultStorm(t, driver, name)
			})
		}
	}
}

func testFaultStorm(t *testing.T, driver, name string) {
	fault := faults[name]
	redis := sessiontest.NewRedisServer(t, fault.redis...)
	t.Logf("%d objects of each kind, each with %d racers", faultObjects, faultRacers)
	d := deployTwo(t, driver, redis.Addr)
	d.direct(t)
	d.clock.stop()
	s := newFaultStorm(t, d)
	const standing = "SELECT COUNT(*) FROM grants WHERE revoked_at = 0 AND evidence_kind = $1"
	issued := d.query(t, "SELECT COUNT(*) FROM issued_credentials")
	vouched := d.query(t, standing, string(evidence.KindBackOffice))

	// Half of everything is used once. Then all of it is used by everybody.
	var old []byte
	first := s.firstUses()
	s.run(t, first, interruption{len(first) / 2, func() { old = redis.Snapshot() }})
	for _, x := range first {
		if served := x.served.Load(); served != 1 && x.postponed.Load() == 0 {
			t.Errorf("%s: the first use before any fault was granted %d times", x.kind.name, served)
		}
	}
	strike := func() { s.strike(func() { fault.do(redis, old) }) }
	all := s.allUses()
	s.run(t, all, interruption{len(s.objects) / 4, strike}, interruption{len(all) / 2, strike})

	unsure := s.settle(t, fault.remembers, fault.keeps)
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials") - issued; n < s.received() || n > s.most() {
		t.Errorf("%d rows for %d credentials of %d grants and nonces", n, s.received(), s.most())
	}
	if n := d.query(t, standing, string(evidence.KindBackOffice)) - vouched; fault.remembers && n > unsure {
		t.Errorf("%d grants of offered codes stand, want no more than %d", n, unsure)
	}
	// Only those of decisions: they are the ones that used their code once.
	if n := d.query(t, standing, string(evidence.KindJPKISignature)); fault.remembers && n > faultObjects {
		t.Errorf("%d grants stand of %d decisions", n, faultObjects)
	}
	d.works(t)
}

// postponed is the verdict on an answer after which one tries again.
const postponed verdict = -1

// kind is a kind of object.
type kind struct {
	name string
	// fenced objects of before a fault are refused after it, used or not.
	fenced bool
	judge  func(a *answer) verdict
}

// object serves once.
type object struct {
	*kind
	// ask makes a request that uses it up. It may be called at the same time.
	ask func(t *testing.T) *answer

	served, postponed, credentials atomic.Int64
	good                           atomic.Pointer[answer]
}

// told judges an answer, and remembers that somebody was to try later.
func (x *object) told(a *answer) verdict {
	v := x.judge(a)
	if v == postponed {
		x.postponed.Add(1)
	}
	return v
}

// faultStorm is everything there is to be used up.
type faultStorm struct {
	d       *deployment
	c       *oauthClient
	objects []*object
	answers atomic.Int64
	// fault is held while Redis is down.
	fault sync.RWMutex
	mu    sync.Mutex
	moved time.Time // when somebody last let time pass
}

// firstUses returns half of the objects of each kind.
func (s *faultStorm) firstUses() (uses []*object) {
	for i, x := range s.objects {
		if i%2 == 0 {
			uses = append(uses, x)
		}
	}
	return shuffled(uses)
}

// allUses returns every object as often as there are racers.
func (s *faultStorm) allUses() (uses []*object) {
	for range faultRacers {
		uses = append(uses, s.objects...)
	}
	return shuffled(uses)
}

func shuffled(uses []*object) []*object {
	rand.Shuffle(len(uses), func(i, j int) { uses[i], uses[j] = uses[j], uses[i] })
	return uses
}

// interruption is what happens as soon as a number of answers is out.
type interruption struct {
	after int
	do    func()
}

// run uses objects, a few at a time.
func (s *faultStorm) run(t *testing.T, uses []*object, meanwhile ...interruption) {
	t.Helper()
	s.answers.Store(0)
	began, ended := time.Now(), make(chan struct{})
	reached := map[int64]chan struct{}{}
	for _, m := range meanwhile {
		reached[int64(m.after)] = make(chan struct{})
	}
	go func() {
		defer close(ended)
		each(len(uses), func(i int) {
			s.use(t, uses[i])
			if c := reached[s.answers.Add(1)]; c != nil {
				close(c)
			}
		})
	}()
	defer func() { <-ended }()
	for _, m := range meanwhile {
		<-reached[int64(m.after)]
		m.do()
	}
	<-ended
	t.Logf("%d uses of %d objects in %v", len(uses), len(s.objects), time.Since(began).Round(time.Millisecond))
}

// strike has Redis fail and come back.
func (s *faultStorm) strike(fault func()) {
	s.fault.Lock()
	defer s.fault.Unlock()
	fault()
}

// use uses an object once, and again for as long as the answer is to try later.
func (s *faultStorm) use(t *testing.T, x *object) {
	t.Helper()
	a, v := s.insist(t, func() (*answer, verdict) {
		a := x.ask(t)
		return a, x.told(a)
	})
	switch v {
	case redeemed:
		x.served.Add(1)
		x.good.Store(a)
	case turnedAway:
	default:
		t.Errorf("%s: %d %s", x.name, a.status, a.body)
	}
}

// budget is how much time may pass before everything works again: less than
// what a code lives.
const budget = 45 * time.Second

// insist asks until the answer is not to try later.
func (s *faultStorm) insist(t *testing.T, ask func() (*answer, verdict)) (*answer, verdict) {
	t.Helper()
	for {
		a, v := ask()
		if v != postponed {
			return a, v
		}
		if !s.pass() {
			return a, wrong
		}
		time.Sleep(10 * time.Millisecond) // let others ask
	}
}

// pass waits for the end of a fault and lets a second pass, for all together and
// no faster than it takes to see whether that was enough. It returns false when
// too many have passed.
func (s *faultStorm) pass() bool {
	s.fault.RLock()
	defer s.fault.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.moved) > 500*time.Millisecond {
		s.d.clock.advance(time.Second)
		s.moved = time.Now()
	}
	return time.Duration(s.d.clock.ahead.Load()) < budget
}
