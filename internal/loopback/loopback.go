// Package loopback hands out addresses on this machine for servers that must be
// told where to listen before they start, as tests and the demonstration need.
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports lie below those that systems give to outgoing connections, of which
// any could come by between looking for a free port and listening on it.
const (
	firstPort = 15000
	blockSize = 50 // ports
	blocks    = 340
)

var reserved struct {
	mu sync.Mutex
	// held marks the blocks of this process: the first port of each is
	// listened on for as long as the process lives, so that no other process
	// takes a port of the block.
	held []net.Listener
	// next is the port to hand out next, end the end of the block.
	next, end int
}

// Address returns host:port on loopback where nobody listens. No process that
// asks this package is given the same one, and none twice.
func Address() (string, error) {
	r := &reserved
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.next == r.end {
			if err := holdBlock(); err != nil {
				return "", err
			}
		}
		address := hostPort(r.next)
		r.next++
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
}

// holdBlock takes the first free block from a random one on.
func holdBlock() error {
	r := &reserved
	start := rand.IntN(blocks)
	for i := range blocks {
		first := firstPort + (start+i)%blocks*blockSize
		l, err := net.Listen("tcp", hostPort(first))
		if err != nil {
			continue
		}
		r.held = append(r.held, l)
		r.next, r.end = first+1, first+blockSize
		return nil
	}
	return errors.New("no ports are free on loopback")
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
