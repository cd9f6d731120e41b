package fetch_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tegata-id/tegata/internal/fetch"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	special := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
		"fec0::1", "ff02::1", "ff0e::1",
	}
	for _, text := range special {
		if fetch.Public(netip.MustParseAddr(text)) {
			t.Errorf("X01 %s counts as public", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
		"198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1", "2400:cb00::1", "2606:4700:4700::1111", "2a00:1450::1"} {
		if !fetch.Public(netip.MustParseAddr(text)) {
			t.Errorf("%s does not count as public", text)
		}
	}
	if fetch.Public(netip.Addr{}) {
		t.Error("the zero address counts as public")
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Options{})
	refused := []string{
		"", "example.com", "//example.com/x", "http://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:text/plain,x",
		"unix:///run/x.sock", "ftp://example.com/", "javascript:x", "https:", "https:///x", "https:example.com", "https://:443/",
		"https://user@example.com/", "https://user:pass@example.com/", "https://example.com@127.0.0.1/", "https://@example.com/",
		"https://example.com:8443/", "https://example.com:80/", "https://example.com:0443x/", "https://example.com:22/",
		"https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data/", "https://0.0.0.0/", "https://[::1]/", "https://[::]/",
		"https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[fc00::1]/", "https://[fe80::1%25eth0]/", "https://[64:ff9b::7f00:1]/",
		"https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/", "https://017700000001/",
		"https://127.0.0.1./", "https://0/", "https://1.2.3.4.5/", "https://example.0x/", "https://exa mple.com/", "https://example.com%00.evil.example/",
		"https://①②⑦.⓪.⓪.①/", "https://example。com/", "https://./", "https://example.com\r\nX: y/", "https://example.com/" + strings.Repeat("x", 9000),
	}
	for _, raw := range refused {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := client.Get(ctx, raw)
		cancel()
		if !errors.Is(err, fetch.ErrBlocked) {
			t.Errorf("X01 %q: %v", raw, err)
		}
	}
}

func TestAllowLists(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Options{AllowLoopback: []string{"Localhost:8443", "[::1]:8443"}, AllowedHosts: []string{"crl.internal:8080"}})
	tests := []struct {
		target, addr string
		want         bool
	}{
		{"localhost:8443", "127.0.0.1", true},
		{"localhost:8443", "::1", true},
		{"[::1]:8443", "::1", true},
		{"localhost:8443", "10.0.0.1", false},
		{"localhost:8443", "169.254.169.254", false},
		{"localhost:8443", "1.1.1.1", true},
		{"localhost:443", "127.0.0.1", false},
		{"localhost.:8443", "127.0.0.1", false},
		{"crl.internal:8080", "10.0.0.1", true},
		{"crl.internal:8080", "127.0.0.1", true},
		{"crl.internal:8080", "0.0.0.0", false},
		{"crl.internal:8080", "224.0.0.1", false},
		{"crl.internal:443", "10.0.0.1", false},
		{"other.example:443", "10.0.0.1", false},
		{"other.example:443", "1.1.1.1", true},
	}
	for _, tt := range tests {
		err := client.Admit(tt.target, netip.MustParseAddr(tt.addr))
		if (err == nil) != tt.want || err != nil && !errors.Is(err, fetch.ErrBlocked) {
			t.Errorf("X03 %s at %s: %v", tt.target, tt.addr, err)
		}
	}
	for _, bad := range []string{"localhost", "localhost:", ":443", "localhost:0", "localhost:99999", "localhost:https", "https://localhost:443"} {
		if _, err := fetch.New(fetch.Options{Now: time.Now, AllowLoopback: []string{bad}}); err == nil {
			t.Errorf("allow-list entry %q accepted", bad)
		}
	}
}

// TestTheDialledAddressCounts resolves names through a server of its own that
// answers with a loopback address, as one that rebinds its name does.
func TestTheDialledAddressCounts(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	connected := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connected <- struct{}{}
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	target := "rebind.example:" + port
	resolver := serveDNS(t, [4]byte{127, 0, 0, 1})

	strict := newClient(t, fetch.Options{})
	strict.SetResolver(resolver)
	for _, refused := range []string{target, listener.Addr().String(), "[::ffff:127.0.0.1]:" + port} {
		if _, err := strict.Dial(t.Context(), refused); !errors.Is(err, fetch.ErrBlocked) {
			t.Errorf("X01 dial %s: %v", refused, err)
		}
	}
	select {
	case <-connected:
		t.Error("X01 a connection was made")
	case <-time.After(50 * time.Millisecond):
	}

	lenient := newClient(t, fetch.Options{AllowLoopback: []string{target}})
	lenient.SetResolver(resolver)
	conn, err := lenient.Dial(t.Context(), target)
	if err != nil {
		t.Fatalf("honest: %v", err)
	}
	_ = conn.Close()
	<-connected
}

// serveDNS starts a DNS server that gives every name the address.
func serveDNS(t *testing.T, address [4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
				continue
			}
			question := query.Questions[0]
			answer := dnsmessage.Message{
				Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
				Questions: query.Questions,
			}
			if question.Type == dnsmessage.TypeA {
				answer.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   &dnsmessage.AResource{A: address},
				}}
			}
			if packed, err := answer.Pack(); err == nil {
				_, _ = server.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
