package dcql

import (
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// FilterClaims returns what the relying party may see of a presentation that
// [CredentialQuery.Check] has accepted: the claims that were asked for, or
// those of the first complete claim set. extra names what the holder disclosed
// beyond that, at the highest level that was dropped; it holds names, never
// values. Claims for which [DeniedClaim] holds are dropped wherever they are.
//
// Without a claims member in the query nothing is kept. v is not changed.
func (c *CredentialQuery) FilterClaims(v *credentials.Verified) (kept credentials.Object, extra []credentials.Path) {
	paths, _ := c.presentedClaims(v)
	f := &filter{}
	kept, _ = f.value(v.Claims, paths, nil).(credentials.Object)
	if kept == nil {
		kept = credentials.Object{}
	}
	described := claimsOf(v)
	for _, name := range []string{"iss", "vct"} {
		value, ok := described[name]
		if ok && slices.ContainsFunc(paths, credentials.PathOf(name).Equal) {
			kept[name] = value
		}
	}
	return kept, f.extra
}

type filter struct{ extra []credentials.Path }

// value keeps of v what the paths, which start at v, select. at is the path to
// v. It returns nil if nothing is left.
func (f *filter) value(v credentials.Value, paths []credentials.Path, at credentials.Path) credentials.Value {
	whole := slices.ContainsFunc(paths, func(p credentials.Path) bool { return len(p) == 0 })
	switch v := v.(type) {
	case credentials.Object:
		out := credentials.Object{}
		for _, name := range v.Names() {
			e := credentials.Name(name)
			rest := following(paths, func(p credentials.PathElement) bool { return p == e })
			f.keep(v[name], rest, whole, join(at, e), func(kept credentials.Value) { out[name] = kept })
		}
		if len(out) > 0 || whole {
			return out
		}
		return nil
	case credentials.Array:
		out := credentials.Array{}
		wanted := positions(paths, len(v))
		for i, item := range v {
			rest := following(paths, func(p credentials.PathElement) bool { return p.IsAll() || wanted(p, i) })
			f.keep(item, rest, whole, join(at, credentials.Index(i)), func(kept credentials.Value) { out = append(out, kept) })
		}
		if len(out) > 0 || whole {
			return out
		}
		return nil
	}
	if whole {
		return v
	}
	return nil
}

// keep filters one member or element and hands what is left of it to put.
func (f *filter) keep(v credentials.Value, rest []credentials.Path, whole bool, at credentials.Path, put func(credentials.Value)) {
	if whole {
		rest = []credentials.Path{{}}
	}
	if len(rest) == 0 || DeniedClaim(at) {
		f.extra = append(f.extra, at)
		return
	}
	if kept := f.value(v, rest, at); kept != nil {
		put(kept)
	}
}

// following returns what remains of the paths whose first element is accepted.
func following(paths []credentials.Path, accept func(credentials.PathElement) bool) []credentials.Path {
	var out []credentials.Path
	for _, p := range paths {
		if len(p) > 0 && accept(p[0]) {
			out = append(out, p[1:])
		}
	}
	return out
}

// positions says which element of an array of the given length an index of the
// query means. If the array is long enough, the index is taken as it is. If it
// is shorter than the highest index asked for, the holder has kept elements
// back; those that are there answer the indexes in ascending order.
func positions(paths []credentials.Path, length int) func(credentials.PathElement, int) bool {
	var asked []int
	for _, p := range paths {
		if len(p) == 0 {
			continue
		}
		if i, ok := p[0].Index(); ok && !slices.Contains(asked, i) {
			asked = append(asked, i)
		}
	}
	slices.Sort(asked)
	shifted := len(asked) > 0 && asked[len(asked)-1] >= length
	return func(e credentials.PathElement, position int) bool {
		index, ok := e.Index()
		if ok && shifted {
			return slices.Index(asked, index) == position
		}
		return ok && index == position
	}
}
