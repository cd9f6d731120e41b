package listen

import (
	"net"
	"net/netip"
	"sync"

	"github.com/tegata-id/tegata/internal/httpd"
)

// limitConnections returns a listener that closes connections beyond the limits
// at once: waiting instead would let whoever holds the others
// shut everybody out.
func (f *Front) limitConnections(inner net.Listener) net.Listener {
	return &limitListener{Listener: inner, front: f, perAddress: map[netip.Prefix]int{}}
}

type limitListener struct {
	net.Listener
	front *Front

	mu         sync.Mutex
	total      int
	perAddress map[netip.Prefix]int
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // http.Server asserts its type to tell passing failures
		}
		prefix := l.prefixOf(conn)
		limit := l.acquire(prefix)
		if limit == "" {
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { l.release(prefix) })}, nil
		}
		if m := l.front.options.Metrics; m != nil {
			m.ConnectionRefused(l.front.options.Name, limit)
		}
		_ = conn.Close() // nothing was written that could be lost
	}
}

// prefixOf returns the network that counts as one client, or the zero Prefix if
// only the total counts.
func (l *limitListener) prefixOf(conn net.Conn) netip.Prefix {
	return httpd.ClientNetwork(conn.RemoteAddr().String(), l.front.options.TrustedProxies)
}

// acquire counts a connection, or returns the name of the limit in its way.
func (l *limitListener) acquire(prefix netip.Prefix) (limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.front.options.MaxConnections {
		return "total"
	}
	if prefix.IsValid() {
		if l.perAddress[prefix] >= l.front.options.MaxPerAddress {
			return "address"
		}
		l.perAddress[prefix]++
	}
	l.total++
	return ""
}

func (l *limitListener) release(prefix netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if !prefix.IsValid() {
		return
	}
	if l.perAddress[prefix]--; l.perAddress[prefix] == 0 {
		delete(l.perAddress, prefix)
	}
}

// limitedConn gives its place back when closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
