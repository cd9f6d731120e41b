package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// ClientAddress returns the address that a request comes from, for rate limits.
// X-Forwarded-For counts only as far as trusted proxies wrote it. It is the
// zero Addr if the address cannot be read. It must not be logged.
func ClientAddress(c echo.Context) netip.Addr {
	addr, _ := netip.ParseAddr(c.RealIP())
	return addr
}

// clientAddress is the router's way to find the address of the client.
func (s *Server) clientAddress(r *http.Request) string {
	addr, ok := remoteAddress(r.RemoteAddr)
	if !ok {
		return ""
	}
	// Every proxy appends whom it was called by: walk from the end for as
	// long as the speaker is trusted.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(s.options.TrustedProxies, addr); i-- {
		previous, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = previous.Unmap().WithZone("")
	}
	return addr.String()
}

// within reports whether one of the networks has the address.
func within(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// remoteAddress reads "host:port" as the net package writes it.
func remoteAddress(hostPort string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// ClientNetwork returns the network of the other end of a connection that counts
// as one client, or the zero Prefix for a trusted proxy and for what can't be read.
func ClientNetwork(hostPort string, trustedProxies []netip.Prefix) netip.Prefix {
	addr, ok := remoteAddress(hostPort)
	if !ok || within(trustedProxies, addr) {
		return netip.Prefix{}
	}
	return networkOf(addr)
}

// networkOf returns the network that counts as one client.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
