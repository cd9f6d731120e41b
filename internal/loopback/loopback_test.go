package loopback_test

import (
	"net"
	"sync"
	"testing"

	"github.com/tegata-id/tegata/internal/loopback"
)

func TestAddressesAreFreeAndNeverTheSame(t *testing.T) {
	t.Parallel()
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		done sync.WaitGroup
	)
	for range 4 {
		done.Go(func() {
			for range 30 { // more than one block together
				address, err := loopback.Address()
				if err != nil {
					t.Error(err)
					return
				}
				l, err := net.Listen("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Close()
				mu.Lock()
				if seen[address] {
					t.Errorf("%s was handed out twice", address)
				}
				seen[address] = true
				mu.Unlock()
			}
		})
	}
	done.Wait()
	if len(seen) != 120 {
		t.Errorf("%d addresses", len(seen))
	}
}
