package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tegata-id/tegata/issuer/evidence"
)

// Register knows more of people than evidence says: a file, or a system of the
// issuer's behind HTTP.
type Register interface {
	// Claims returns what is known under the given names of the person whom
	// evidence e and the four attributes in p describe. Names of which nothing
	// is known are left out. The register matches by the pseudonym of the
	// certificate where there is one and it knows it, else by the attributes, and
	// never guesses. Errors wrap [ErrNoRecord], [ErrAmbiguous] or
	// [ErrUnavailable] and hold nothing of the person.
	Claims(ctx context.Context, e *evidence.Evidence, p *Person, names []string) (Claims, error)
}

// Delayed is a [Register] that needs time before what it says of a person may be
// issued, for instance because somebody looks at each case. What it says, it says
// at once: the person agrees to it.
type Delayed interface {
	Register
	// Ready reports whether what was said of the person may be issued now. It is
	// asked at the issuance and, if that is deferred, whenever the wallet comes
	// again. Errors are those of Claims; all but [ErrUnavailable] are final.
	Ready(ctx context.Context, e *evidence.Evidence, p *Person) (bool, error)
}

// Errors of a [Register].
var (
	// ErrNoRecord says that a register does not know the person.
	ErrNoRecord = errors.New("the register has no record of the person")
	// ErrAmbiguous says that a register can't tell which of several records is
	// the person's, or that what it knows contradicts the evidence.
	ErrAmbiguous = errors.New("the register can't tell whose record it is")
	// ErrUnavailable says that a register can't be asked now.
	ErrUnavailable = errors.New("the register is unavailable")
)

// Registers are registers by the names that credential types use for them.
type Registers map[string]Register

// Ready reports whether all of the registers that are wanted are ready for the
// person.
func (r Registers) Ready(ctx context.Context, e *evidence.Evidence, p *Person, wanted map[string][]string) (bool, error) {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		register, ok := r[name].(Delayed)
		if !ok {
			continue
		}
		if ready, err := register.Ready(ctx, e, p); err != nil || !ready {
			return false, err
		}
	}
	return true, nil
}

// Complete asks registers for claims, by the name of the register, and returns
// the person with them. Nothing else that a register says is kept. A register
// without a record adds nothing; every other error of a register is returned.
func (r Registers) Complete(ctx context.Context, e *evidence.Evidence, p *Person, wanted map[string][]string) (*Person, error) {
	completed := *p
	completed.Claims = nil
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		register, ok := r[name]
		if !ok {
			return nil, fmt.Errorf("register %s: %w", name, ErrUnavailable)
		}
		claims, err := register.Claims(ctx, e, p, wanted[name])
		switch {
		case errors.Is(err, ErrNoRecord):
			continue
		case err != nil:
			return nil, fmt.Errorf("register %s: %w", name, err)
		}
		kept := Claims{}
		for _, claim := range wanted[name] {
			if v, ok := claims[claim]; ok {
				kept[claim] = v
			}
		}
		if completed.Claims == nil {
			completed.Claims = map[string]Claims{}
		}
		completed.Claims[name] = kept
	}
	return &completed, nil
}
