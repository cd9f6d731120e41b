package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
)

// succession looks at keys that follow one another.
func (k *checker) succession(t config.Tenant, where string, list config.KeyList) {
	ring, err := k.keys.LoadRing(where, list, k.now)
	if err != nil {
		k.failed(where, err, t.File)
		return
	}
	last := time.Time{}
	for _, entry := range ring.All() {
		if _, ends := entry.Key.Validity(); ends.After(last) {
			last = ends
		}
	}
	if until := ring.Until(k.now); until.Before(last) {
		k.Add(report.Finding{
			Level: report.Warning, Where: where, File: t.File,
			What: "no key may sign from " + until.UTC().Format(time.RFC3339) + " until the next begins",
			Fix:  "have the certificates overlap by the longest validity of what they sign",
		})
	}
	if t.Issuer != nil && (strings.HasSuffix(where, ".keys.sd_jwt") || strings.HasSuffix(where, ".keys.mdoc")) {
		k.overlap(t, where, ring.All())
	}
}

// overlap looks at the certificates of keys that follow one another and sign
// credentials: these end with the chain that signed them.
func (k *checker) overlap(t config.Tenant, where string, entries []keys.Entry) {
	begins := func(e keys.Entry) time.Time {
		at, _ := e.Key.Validity()
		if e.From.After(at) {
			at = e.From
		}
		return at
	}
	slices.SortStableFunc(entries, func(a, b keys.Entry) int { return begins(a).Compare(begins(b)) })
	longest := t.Issuer.Validity()
	for i, next := range entries[1:] {
		_, ends := entries[i].Key.Validity()
		at := begins(next)
		overlap := ends.Sub(at)
		if !at.After(k.now) || overlap < 0 || overlap >= longest {
			continue // done, told of as a gap, or long enough
		}
		k.Add(report.Finding{
			Level: report.Warning, Where: where, File: t.File,
			What: fmt.Sprintf("the key that signs from %s on has a certificate that overlaps with the one before by %s, less than max_validity (%s): what is signed shortly before lives less long",
				at.UTC().Format(time.RFC3339), overlap.Round(time.Minute), longest),
			Fix: "set from so early that the certificate before it is valid for another max_validity",
		})
	}
}
