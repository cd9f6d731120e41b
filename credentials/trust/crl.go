package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"iter"
	"math/big"
	"slices"
	"strings"
	"time"
)

// MaxCRLSize is the largest revocation list that is read, in bytes of DER.
const MaxCRLSize = 64 << 20

// maxCRLValidity bars lists that would never have to be renewed, unless
// [CRLChecker.MaxValidity] says otherwise.
const maxCRLValidity = 400 * 24 * time.Hour

var (
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	reasonRemoveFromCRL  = 8
	handledCRLExtensions = []asn1.ObjectIdentifier{oidIssuingDistribution}
	oidDeltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
)

// Revoked is an entry of a revocation list. A certificate on hold is revoked
// like any other.
type Revoked struct {
	// At is the revocation date, which may lie in the future.
	At time.Time
	// ReasonCode is that of RFC 5280 section 5.3.1, 0 if unspecified. It is
	// for the issuer's own decisions: outsiders must never see why a citizen's
	// certificate was revoked.
	ReasonCode int
}

// CRL is a complete revocation list whose signature, issuer, time and
// extensions were found good. It keeps the list as received, which must not be
// changed, and an index of 8 to 16 bytes for every entry.
type CRL struct {
	number                 *big.Int
	thisUpdate, nextUpdate time.Time
	issuerKeyID            []byte
	scope                  scope
	entries                *crlIndex
	digest                 [sha256.Size]byte
}

// ParseCRL reads a revocation list in DER and checks that issuer's key signed
// it, that the issuer may and is within its validity, that now lies between
// thisUpdate (included) and nextUpdate (excluded), and that nothing critical
// is left that is not understood. Delta lists, indirect lists, lists for some
// reasons only, lists without a number or without nextUpdate are refused.
// Errors are [*Error].
//
// Whether the list speaks about a certificate is for [CRL.Covers] to say. To
// re-check certificates of which only issuer key, partition and serial number
// were kept, find the issuer by its subjectKeyIdentifier, call Covers with the
// partition, then [CRL.Revoked].
func ParseCRL(raw []byte, issuer *x509.Certificate, now time.Time) (*CRL, error) {
	return parseCurrentCRL(raw, issuer, now, maxCRLValidity)
}

// parseCurrentCRL is ParseCRL with another limit on the time between thisUpdate
// and nextUpdate.
func parseCurrentCRL(raw []byte, issuer *x509.Certificate, now time.Time, maxValidity time.Duration) (*CRL, error) {
	crl, err := parseCRL(raw, issuer)
	if err != nil {
		return nil, err
	}
	if crl.nextUpdate.Sub(crl.thisUpdate) > maxValidity {
		return nil, fail(ReasonRevocationInvalid, "revocation list says that the next one comes too late")
	}
	if err := checkValidity(issuer, now.Truncate(time.Second), "the issuer of the revocation list"); err != nil {
		return nil, err
	}
	if err := crl.current(now); err != nil {
		return nil, err
	}
	return crl, nil
}

// parseCRL is ParseCRL but for the clock.
func parseCRL(raw []byte, issuer *x509.Certificate) (*CRL, error) {
	if len(raw) > MaxCRLSize {
		return nil, fail(ReasonRevocationInvalid, "revocation list is larger than %d bytes", MaxCRLSize)
	}
	list, tbs, entries, ok := splitCRL(raw)
	if !ok {
		return nil, fail(ReasonRevocationInvalid, "revocation list is malformed")
	}
	if err := checkCRLSignature(list, tbs, issuer); err != nil {
		return nil, err
	}
	crl := &CRL{
		number: list.Number, thisUpdate: list.ThisUpdate, nextUpdate: list.NextUpdate,
		issuerKeyID: issuer.SubjectKeyId, digest: sha256.Sum256(raw),
	}
	if err := crl.readExtensions(list); err != nil {
		return nil, err
	}
	if list.Number == nil || list.Number.Sign() < 0 {
		return nil, fail(ReasonRevocationInvalid, "revocation list has no number")
	}
	if list.NextUpdate.IsZero() || !list.NextUpdate.After(list.ThisUpdate) {
		return nil, fail(ReasonRevocationInvalid, "revocation list does not say when the next one comes")
	}
	var err error
	crl.entries, err = newCRLIndex(entries)
	return crl, err
}

func checkCRLSignature(list *x509.RevocationList, tbs []byte, issuer *x509.Certificate) error {
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return fail(ReasonRevocationMismatch, "revocation list is of another issuer")
	}
	if !issuer.BasicConstraintsValid || !issuer.IsCA || issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return fail(ReasonRevocationInvalid, "issuer may not sign revocation lists")
	}
	switch list.SignatureAlgorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
	default:
		return fail(ReasonRevocationInvalid, "revocation list is signed with a weak algorithm")
	}
	if len(list.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId) {
		return fail(ReasonRevocationMismatch, "revocation list names another key of the issuer")
	}
	if err := issuer.CheckSignature(list.SignatureAlgorithm, tbs, list.Signature); err != nil {
		return fail(ReasonRevocationInvalid, "revocation list is not signed with the issuer's key")
	}
	return nil
}

func (c *CRL) readExtensions(list *x509.RevocationList) error {
	for i, e := range list.Extensions {
		for _, other := range list.Extensions[:i] {
			if e.Id.Equal(other.Id) {
				return fail(ReasonRevocationInvalid, "revocation list repeats an extension")
			}
		}
		switch {
		case e.Id.Equal(oidDeltaIndicator):
			return fail(ReasonRevocationInvalid, "revocation list is a delta")
		case e.Id.Equal(oidIssuingDistribution):
			var err error
			if c.scope, err = parseScope(e.Value); err != nil {
				return &Error{Reason: ReasonRevocationInvalid, Detail: "issuing distribution point", Err: err}
			}
			if c.scope.indirect || c.scope.someReasons || c.scope.onlyAttrs || (c.scope.onlyUsers && c.scope.onlyCAs) {
				return fail(ReasonRevocationInvalid, "revocation list is indirect or for some reasons or attribute certificates only")
			}
		case e.Critical && !slices.ContainsFunc(handledCRLExtensions, e.Id.Equal):
			return fail(ReasonRevocationInvalid, "revocation list has critical extension %s, which is not understood", e.Id)
		}
	}
	return nil
}

// current returns nil if the list is the one for now.
func (c *CRL) current(now time.Time) error {
	if now.Before(c.thisUpdate) {
		return fail(ReasonRevocationInvalid, "revocation list is from the future")
	}
	if !now.Before(c.nextUpdate) {
		return fail(ReasonRevocationStale, "a newer revocation list is due")
	}
	return nil
}

// Covers returns nil if certificates of the given partition (see [Partitions])
// would be on this list if they were revoked. ca says whether they are CA
// certificates.
//
// A list that names no partition covers the whole CA. That is not believed for
// partitions known by directory name: a URI says where the list came from, a
// directory name does not, so such lists have to say whose they are.
func (c *CRL) Covers(partition string, ca bool) error {
	if ca && c.scope.onlyUsers || !ca && c.scope.onlyCAs {
		return fail(ReasonRevocationMismatch, "revocation list is for another kind of certificate")
	}
	switch {
	case len(c.scope.names) > 0 && !slices.Contains(c.scope.names, partition):
		return fail(ReasonRevocationMismatch, "revocation list is of another partition")
	case len(c.scope.names) == 0 && strings.HasPrefix(partition, "dn:"):
		return fail(ReasonRevocationMismatch, "revocation list does not say which partition it covers")
	}
	return nil
}

// Revoked returns the entry for a serial number of a covered certificate.
func (c *CRL) Revoked(serial *big.Int) (Revoked, bool) {
	return c.entries.find(serial)
}

// Count returns the number of entries.
func (c *CRL) Count() int { return c.entries.count }

// Entries yields the entries in the order of the list, beginning with the one
// at the given position, together with their positions. They are read off the
// list as it goes. Those whose serial number is not positive are left out.
func (c *CRL) Entries(from int) iter.Seq2[int, CRLEntry] { return c.entries.from(from) }

// All yields every revoked serial number, as [CRL.Entries] does.
func (c *CRL) All() iter.Seq2[*big.Int, Revoked] {
	return func(yield func(*big.Int, Revoked) bool) {
		for _, e := range c.Entries(0) {
			if !yield(e.SerialNumber(), e.Revoked) {
				return
			}
		}
	}
}

// Digest returns the SHA-256 of the list as received.
func (c *CRL) Digest() [sha256.Size]byte { return c.digest }

// IssuerKeyID returns the subjectKeyIdentifier of the issuer.
func (c *CRL) IssuerKeyID() []byte { return bytes.Clone(c.issuerKeyID) }

// Partitions returns the names of the partition that the list covers, which
// are alternatives for one another; empty for the whole CA.
func (c *CRL) Partitions() []string { return slices.Clone(c.scope.names) }

// Number returns the number of the list, which grows from list to list.
func (c *CRL) Number() *big.Int { return new(big.Int).Set(c.number) }

// ThisUpdate returns when the list was issued.
func (c *CRL) ThisUpdate() time.Time { return c.thisUpdate }

// NextUpdate returns by when the next list is issued. At that moment this one
// stops being good.
func (c *CRL) NextUpdate() time.Time { return c.nextUpdate }
