package rfc5280

import (
	"bytes"
	"encoding/asn1"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/unicode/norm"
)

// validBase reports whether the base of a subtree has the form that its kind
// demands. What this package cannot match may have any.
func validBase(base generalName) bool {
	text := string(base.value)
	switch base.kind {
	case kindDNS:
		// A leading period is of other specifications.
		return !strings.HasPrefix(text, ".") && isASCII(text)
	case kindEmail, kindURI:
		return isASCII(text)
	case kindDirectory:
		_, ok := parseName(base.value)
		return ok
	case kindIP:
		_, _, ok := network(base.value)
		return ok
	}
	return true
}

// within reports whether name lies in the subtree of base, which is of the same
// kind. A wildcard lies in an excluded subtree if it might stand for something
// there, and in a permitted one if it can stand for nothing else. It is an
// error if the name cannot be understood.
func within(name, base generalName, excluded bool) (bool, error) {
	n, b := string(name.value), string(base.value)
	switch name.kind {
	case kindDNS:
		return dnsWithin(n, b, excluded), nil
	case kindEmail:
		return emailWithin(n, b)
	case kindURI:
		return uriWithin(n, b)
	case kindDirectory:
		return directoryWithin(name.value, base.value)
	case kindIP:
		ip, okIP := netip.AddrFromSlice(name.value)
		address, mask, okBase := network(base.value)
		if !okIP || !okBase {
			return false, ErrNames
		}
		raw := ip.AsSlice()
		if len(raw) != len(address) {
			return false, nil
		}
		for i := range raw {
			raw[i] &= mask[i]
		}
		return bytes.Equal(raw, address), nil
	}
	// A kind that is constrained and cannot be compared.
	return false, ErrNames
}

func dnsWithin(name, base string, excluded bool) bool {
	name, base = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(strings.TrimSuffix(base, "."))
	if base == "" || name == base || strings.HasSuffix(name, "."+base) {
		return true
	}
	rest, wildcard := strings.CutPrefix(name, "*.")
	if !wildcard || !excluded {
		return false
	}
	// The wildcard stands for one label.
	_, parent, _ := strings.Cut(base, ".")
	return rest == parent
}

func emailWithin(name, base string) (bool, error) {
	at := strings.LastIndexByte(name, '@')
	if at <= 0 || at == len(name)-1 || !isASCII(name) {
		return false, ErrNames
	}
	local, host := name[:at], name[at+1:]
	if i := strings.LastIndexByte(base, '@'); i >= 0 {
		return local == base[:i] && strings.EqualFold(host, base[i+1:]), nil
	}
	return hostWithin(host, base), nil
}

func uriWithin(name, base string) (bool, error) {
	u, err := url.Parse(name)
	if err != nil || u.Hostname() == "" {
		return false, ErrNames
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return false, ErrNames
	}
	return hostWithin(u.Hostname(), base), nil
}

// hostWithin is for e-mail addresses and URIs: a base with a leading period
// stands for the hosts below it, any other for that host alone.
func hostWithin(host, base string) bool {
	host, base = strings.ToLower(host), strings.ToLower(base)
	if base == "" {
		return true
	}
	if base[0] == '.' {
		return strings.HasSuffix(host, base) && len(host) > len(base)
	}
	return host == base
}

func directoryWithin(name, base []byte) (bool, error) {
	n, okName := parseName(name)
	b, okBase := parseName(base)
	if !okName || !okBase {
		return false, ErrNames
	}
	return len(n) >= len(b) && slices.Equal(n[:len(b)], b), nil
}

// network splits the base of an IP subtree into address and mask. Addresses
// with bits outside of the mask are cleared of them.
func network(raw []byte) (address, mask []byte, ok bool) {
	if len(raw) != 8 && len(raw) != 32 {
		return nil, nil, false
	}
	half := len(raw) / 2
	address, mask = bytes.Clone(raw[:half]), raw[half:]
	for i := range address {
		address[i] &= mask[i]
	}
	return address, mask, true
}

// parseName renders each relative distinguished name of a Name so that those
// that are equal by RFC 5280 section 7.1 are equal as text: types of strings,
// case, forms of Unicode, invisible characters and repeated spaces don't count.
func parseName(der []byte) ([]string, bool) {
	input := cryptobyte.String(der)
	var name cryptobyte.String
	if !input.ReadASN1(&name, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, false
	}
	out := []string{}
	for !name.Empty() {
		var rdn cryptobyte.String
		if !name.ReadASN1(&rdn, cbasn1.SET) || rdn.Empty() {
			return nil, false
		}
		var attributes []string
		for !rdn.Empty() {
			var attribute, value cryptobyte.String
			var oid asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !rdn.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
				!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
				return nil, false
			}
			attributes = append(attributes, oid.String()+"="+strconv.Quote(attributeText(tag, value)))
		}
		slices.Sort(attributes)
		out = append(out, strings.Join(attributes, "+"))
	}
	return out, true
}

// attributeText is the text of a string, or the tag and content of anything
// else.
func attributeText(tag cbasn1.Tag, value []byte) string {
	text := string(value)
	switch tag {
	case cbasn1.PrintableString, cbasn1.UTF8String, cbasn1.IA5String, cbasn1.T61String:
	case cbasn1.Tag(30): // BMPString
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		text = string(utf16.Decode(units))
	default:
		return "#" + string(rune(tag)) + text
	}
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToLower(norm.NFKC.String(text)))
	return "$" + strings.Join(strings.Fields(text), " ")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
