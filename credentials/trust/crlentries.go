package trust

import (
	"bytes"
	"crypto/x509"
	"hash/maphash"
	"iter"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Revocation lists grow to a million entries and more. The standard library
// makes an object of several hundred bytes of each, before anybody knows who
// signed the list. So the entries are cut out before it reads the rest, and are
// read where they stand, once the signature is known to be good.

// splitCRL takes the entries out of a CertificateList. It returns the list
// without them, which the standard library can read, the TBSCertList as
// received, which is what is signed, and the content of revokedCertificates.
func splitCRL(raw []byte) (header *x509.RevocationList, tbs, entries []byte, ok bool) {
	input := cryptobyte.String(raw)
	var outer, element, list cryptobyte.String
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Element(&element, cbasn1.SEQUENCE) {
		return nil, nil, nil, false
	}
	tbs = element
	if !element.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil, nil, nil, false
	}
	var version, algorithm, issuer cryptobyte.String
	before := list
	if !list.SkipOptionalASN1(cbasn1.INTEGER) || !list.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!list.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !skipTime(&list) || (isTime(list) && !skipTime(&list)) {
		return nil, nil, nil, false
	}
	version = before[:len(before)-len(list)] // everything up to the entries
	if list.PeekASN1Tag(cbasn1.SEQUENCE) {
		var content cryptobyte.String
		if !list.ReadASN1(&content, cbasn1.SEQUENCE) {
			return nil, nil, nil, false
		}
		entries = content
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(version)
			b.AddBytes(list)
		})
		b.AddBytes(outer)
	})
	short, err := b.Bytes()
	if err != nil {
		return nil, nil, nil, false
	}
	header, err = x509.ParseRevocationList(short)
	return header, tbs, entries, err == nil
}

func isTime(s cryptobyte.String) bool {
	return s.PeekASN1Tag(cbasn1.UTCTime) || s.PeekASN1Tag(cbasn1.GeneralizedTime)
}

func skipTime(s *cryptobyte.String) bool {
	return isTime(*s) && (s.SkipOptionalASN1(cbasn1.UTCTime) && s.SkipOptionalASN1(cbasn1.GeneralizedTime))
}

// CRLEntry is an entry of a revocation list.
type CRLEntry struct {
	// Serial is the serial number, which is positive: big-endian without
	// leading zeros. It belongs to the bytes of the list.
	Serial []byte
	Revoked
}

// SerialNumber returns Serial as a number.
func (e CRLEntry) SerialNumber() *big.Int { return new(big.Int).SetBytes(e.Serial) }

// readCRLEntry takes the next entry off the list. Its serial number is empty if
// it is not positive: such certificates are refused anyway.
func readCRLEntry(s *cryptobyte.String) (CRLEntry, error) {
	var e CRLEntry
	var entry, serial cryptobyte.String
	if !s.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1(&serial, cbasn1.INTEGER) || !minimal(serial) ||
		!readCRLTime(&entry, &e.At) {
		return e, errCRLEntry
	}
	if serial[0]&0x80 == 0 {
		e.Serial = bytes.TrimLeft(serial, "\x00")
	}
	if entry.Empty() {
		return e, nil
	}
	var extensions cryptobyte.String
	if !entry.ReadASN1(&extensions, cbasn1.SEQUENCE) || !entry.Empty() {
		return e, errCRLEntry
	}
	return e, e.readExtensions(extensions)
}

// oidReasonCode is 2.5.29.21 as it stands in DER.
const oidReasonCode = "\x55\x1d\x15"

var errCRLEntry = fail(ReasonRevocationInvalid, "an entry of the revocation list is malformed")

func (e *CRLEntry) readExtensions(list cryptobyte.String) error {
	for !list.Empty() {
		var extension, value cryptobyte.String
		var oid cryptobyte.String
		var critical bool
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
			(extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical)) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return errCRLEntry
		}
		switch {
		case string(oid) == oidReasonCode:
			if !value.ReadASN1Enum(&e.ReasonCode) || !value.Empty() {
				return errCRLEntry
			}
			if e.ReasonCode == reasonRemoveFromCRL {
				return fail(ReasonRevocationInvalid, "a complete revocation list removes an entry")
			}
		case critical:
			// The only one that is commonly critical, certificateIssuer,
			// belongs to indirect lists.
			return fail(ReasonRevocationInvalid, "an entry of the revocation list has a critical extension that is not understood")
		}
	}
	return nil
}

// readCRLTime reads a time in the forms of RFC 5280 section 5.1.2.6. It does so
// by hand since there are a million of them.
func readCRLTime(s *cryptobyte.String, out *time.Time) bool {
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&content, &tag) {
		return false
	}
	var digits [14]byte // YYYYMMDDHHMMSS
	switch {
	case tag == cbasn1.UTCTime && len(content) == 13:
		copy(digits[:], "20")
		if content[0] >= '5' {
			copy(digits[:], "19")
		}
		copy(digits[2:], content)
	case tag == cbasn1.GeneralizedTime && len(content) == 15:
		copy(digits[:], content)
	default:
		return false
	}
	var n [7]int // century, year, month, day, hour, minute, second
	for i := range n {
		high, low := digits[2*i]-'0', digits[2*i+1]-'0'
		if high > 9 || low > 9 {
			return false
		}
		n[i] = 10*int(high) + int(low)
	}
	*out = time.Date(100*n[0]+n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], 0, time.UTC)
	// Date accepts the 31st of April and moves it into May.
	return content[len(content)-1] == 'Z' && out.Month() == time.Month(n[2]) && out.Day() == n[3] &&
		out.Hour() == n[4] && out.Minute() == n[5] && out.Second() == n[6]
}

// minimal reports whether the content of an INTEGER is in its shortest form.
func minimal(content []byte) bool {
	if len(content) < 2 {
		return len(content) == 1
	}
	return (content[0] != 0 || content[1]&0x80 != 0) && (content[0] != 0xff || content[1]&0x80 == 0)
}

// crlIndex finds entries by serial number: a hash table of where they begin,
// plus one. It takes 8 to 16 bytes an entry, and the entries stay as received.
type crlIndex struct {
	entries []byte
	seed    maphash.Seed
	table   []uint32
	count   int // of entries
}

// newCRLIndex reads every entry. Those without a serial number that counts are
// left out.
func newCRLIndex(entries []byte) (*crlIndex, error) {
	x := &crlIndex{entries: entries, seed: maphash.MakeSeed()}
	for s := cryptobyte.String(entries); !s.Empty(); x.count++ {
		if !s.SkipASN1(cbasn1.SEQUENCE) {
			return nil, errCRLEntry
		}
	}
	size := 1
	for size < 2*x.count {
		size *= 2
	}
	x.table = make([]uint32, size)
	for s := cryptobyte.String(entries); !s.Empty(); {
		at := len(entries) - len(s)
		e, err := readCRLEntry(&s)
		if err != nil {
			return nil, err
		}
		if len(e.Serial) == 0 {
			continue
		}
		// The first one of a serial number counts.
		if i := x.slot(e.Serial); x.table[i] == 0 {
			x.table[i] = uint32(at + 1) //nolint:gosec // a list has less than 4 GiB
		}
	}
	return x, nil
}

// slot returns where the serial number is in the table, or would be.
func (x *crlIndex) slot(serial []byte) int {
	for i := int(maphash.Bytes(x.seed, serial) & uint64(len(x.table)-1)); ; i = (i + 1) & (len(x.table) - 1) {
		if x.table[i] == 0 {
			return i
		}
		var entry, other cryptobyte.String
		s := cryptobyte.String(x.entries[x.table[i]-1:])
		if s.ReadASN1(&entry, cbasn1.SEQUENCE) && entry.ReadASN1(&other, cbasn1.INTEGER) && bytes.Equal(bytes.TrimLeft(other, "\x00"), serial) {
			return i
		}
	}
}

// find returns the entry of a serial number.
func (x *crlIndex) find(serial *big.Int) (Revoked, bool) {
	if serial.Sign() <= 0 {
		return Revoked{}, false
	}
	at := x.table[x.slot(serial.Bytes())]
	if at == 0 {
		return Revoked{}, false
	}
	s := cryptobyte.String(x.entries[at-1:])
	e, err := readCRLEntry(&s)
	return e.Revoked, err == nil // it was read before without an error
}

// from yields the entries in the order of the list.
func (x *crlIndex) from(first int) iter.Seq2[int, CRLEntry] {
	return func(yield func(int, CRLEntry) bool) {
		s := cryptobyte.String(x.entries)
		for position := 0; !s.Empty(); position++ {
			if position < first {
				if !s.SkipASN1(cbasn1.SEQUENCE) {
					return // was read before without an error
				}
				continue
			}
			e, err := readCRLEntry(&s)
			if err != nil || (len(e.Serial) > 0 && !yield(position, e)) {
				return
			}
		}
	}
}
