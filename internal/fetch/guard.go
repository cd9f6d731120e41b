package fetch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// special4 are the IPv4 networks that are not the public internet (IANA
// IPv4 Special-Purpose Address Registry, multicast and the reserved class).
// The two anycast services within 192.0.0.0/24 are not worth an exception.
var special4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)

// global6 is the IPv6 space that is handed out for the public internet. All else
// is blocked, with it loopback, mapped and translated (64:ff9b::/96) IPv4, unique
// local, link-local, site-local and multicast addresses. special6 are the
// networks within it that tunnel to IPv4 or are for documentation and protocols.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// public reports whether the address belongs to the public internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case addr.Is4():
		return !slices.ContainsFunc(special4, within)
	case addr.Is6():
		return global6.Contains(addr) && !slices.ContainsFunc(special6, within)
	}
	return false
}

// guard decides what a Client may connect to.
type guard struct {
	loopback map[string]bool // host:port as in the URL
	operator map[string]bool
	plain    map[string]bool
	dialer   net.Dialer
}

func newGuard(o Options) (*guard, error) {
	g := &guard{
		loopback: map[string]bool{}, operator: map[string]bool{}, plain: map[string]bool{},
		dialer: net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second},
	}
	for _, list := range []struct {
		entries []string
		set     map[string]bool
	}{{o.AllowLoopback, g.loopback}, {o.AllowedHosts, g.operator}, {o.AllowPlain, g.plain}} {
		for _, entry := range list.entries {
			host, port, err := net.SplitHostPort(entry)
			if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || host == "" || number == 0 {
				return nil, fmt.Errorf("allowed address %q is not host:port", entry)
			}
			list.set[net.JoinHostPort(strings.ToLower(host), port)] = true
		}
	}
	return g, nil
}

// parse reads a URL and checks what can be checked before a connection.
func (g *guard) parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, blocked("not a URL") // the parser's error quotes it
	}
	return u, g.check(u)
}

// Allows reports what the client has against a URL before any name is resolved:
// nil, or an error that wraps [ErrBlocked]. It is for those who examine a
// configuration; requests are checked in any case.
func (c *Client) Allows(rawURL string) error {
	_, err := c.guard.parse(rawURL)
	return err
}

func (g *guard) check(u *url.URL) error {
	switch {
	case u.Scheme == "http" && g.plain[hostPort(u)]:
		if u.User == nil && u.Opaque == "" {
			return nil
		}
		return blocked("the URL has user information or no host")
	case u.Scheme != "https":
		return blocked("the scheme is not https")
	case u.User != nil:
		return blocked("the URL has user information")
	case u.Opaque != "" || u.Hostname() == "":
		return blocked("the URL has no host")
	}
	key := hostPort(u)
	if g.loopback[key] || g.operator[key] {
		return nil
	}
	if port := u.Port(); port != "" && port != "443" {
		return blocked("the port is not 443")
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if !public(addr) {
			return blocked("the address is not public")
		}
		return nil
	}
	return checkName(host)
}

// checkName refuses names that some resolver might read as a number: 127.1,
// 2130706433, 0x7f.1 (WHATWG URL section 3.5, "ends in a number").
func checkName(host string) error {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return blocked("the host has an empty label")
	}
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return blocked("the host is an address in an unusual form")
	}
	for i := range len(host) {
		if ch := host[i]; (ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-' && ch != '.' && ch != '_' {
			return blocked("the host has characters that are not allowed in one")
		}
	}
	return nil
}

// hostPort is the key of the allow-lists and what the transport dials.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// dial connects to target, the host and port of a URL. The check runs on every
// address after the name was resolved and before a packet leaves, so that a name
// that changes its address between two look-ups gains nothing.
func (g *guard) dial(ctx context.Context, network, target string) (net.Conn, error) {
	dialer := g.dialer
	target = strings.ToLower(target)
	dialer.ControlContext = func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if network != "tcp4" && network != "tcp6" {
			return blocked("not TCP")
		}
		resolved, err := netip.ParseAddrPort(address)
		if err != nil {
			return blocked("the address cannot be read")
		}
		return g.admit(target, resolved.Addr().Unmap())
	}
	return dialer.DialContext(ctx, network, target)
}

func (g *guard) admit(target string, addr netip.Addr) error {
	switch {
	case addr.IsMulticast() || addr.IsUnspecified():
		return blocked("the host resolves to an address that is not a host's")
	case g.operator[target], g.plain[target], g.loopback[target] && addr.IsLoopback(), public(addr):
		return nil
	}
	return blocked("the host resolves to an address that is not public")
}
