package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

const (
	// maxKnownPaths bounds a KnownPaths, and knownPathLifetime how long a path
	// is not looked for again.
	maxKnownPaths     = 256
	knownPathLifetime = 10 * time.Minute
)

// KnownPaths remembers the paths of signers that a [Policy] accepted, so that
// their signatures, which can't change, are not checked for every credential of
// the same signer. It is for policies under which few signers are met often:
// what it holds are certificates, in memory, and those of citizens don't belong
// there.
//
// What is remembered is only that a policy found exactly these certificates to
// be a path under its profile. Validity and revocation are judged on every use,
// as without it, and a path whose anchor has left the policy is forgotten. The
// zero value is empty and ready for concurrent use.
type KnownPaths struct {
	mu    sync.Mutex
	paths map[[sha256.Size]byte]knownPath
}

type knownPath struct {
	certs []*x509.Certificate
	// policy is the one that accepted the path: to others it says nothing.
	policy *Policy
	found  time.Time
}

// find returns the path that the policy found for exactly these certificates,
// if all of it is valid now. Whatever is wrong with it is then found out, and
// said, by looking for a path as if none was known.
func (k *KnownPaths) find(p *Policy, leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) []*x509.Certificate {
	if k == nil || leaf == nil {
		return nil
	}
	k.mu.Lock()
	known, ok := k.paths[presentedHash(leaf, intermediates)]
	k.mu.Unlock()
	if !ok || known.policy != p || now.Before(known.found) || !now.Before(known.found.Add(knownPathLifetime)) {
		return nil
	}
	anchor := known.certs[len(known.certs)-1]
	if !slices.ContainsFunc(p.Anchors, func(a Anchor) bool { return a.Certificate.Equal(anchor) }) {
		return nil
	}
	for _, c := range known.certs {
		if checkValidity(c, now, "") != nil {
			return nil
		}
	}
	return known.certs
}

// keep remembers a path that was found. One that had alternatives, or for which
// not everything presented was needed, might be another one at another time.
func (k *KnownPaths) keep(p *Policy, intermediates []*x509.Certificate, candidates [][]*x509.Certificate, now time.Time) {
	if k == nil || len(candidates) != 1 || len(candidates[0]) != len(intermediates)+2 {
		return
	}
	certs := candidates[0]
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.paths == nil || len(k.paths) >= maxKnownPaths {
		k.paths = map[[sha256.Size]byte]knownPath{}
	}
	k.paths[presentedHash(certs[0], intermediates)] = knownPath{certs: certs, policy: p, found: now}
}

// presentedHash is that of all that was presented, in its order.
func presentedHash(leaf *x509.Certificate, intermediates []*x509.Certificate) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, c := range append([]*x509.Certificate{leaf}, intermediates...) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(c.Raw))))
		h.Write(c.Raw)
	}
	h.Sum(sum[:0])
	return sum
}
