package fetch

import (
	"context"
	"net"
	"net/netip"
)

// Public exposes the classification of addresses.
func Public(addr netip.Addr) bool { return public(addr) }

// Admit exposes the decision on a resolved address.
func (c *Client) Admit(target string, addr netip.Addr) error { return c.guard.admit(target, addr) }

// Dial exposes the guarded dialler without the checks on URLs in front of it.
func (c *Client) Dial(ctx context.Context, target string) (net.Conn, error) {
	return c.guard.dial(ctx, "tcp", target)
}

// SetResolver replaces the resolver of the system.
func (c *Client) SetResolver(r *net.Resolver) { c.guard.dialer.Resolver = r }
