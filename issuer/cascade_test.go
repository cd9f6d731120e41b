package issuer

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/records"
)

// partitions plays the revocation lists: that of away can't be had, and on that
// of moved is everybody.
type partitions struct {
	mu    sync.Mutex
	asked map[string]int
}

func (p *partitions) Status(_ context.Context, ref trust.CertRef) (trust.CertStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	partition := ref.Partitions[0]
	p.asked[partition]++
	switch partition {
	case "away":
		return trust.CertStatus{}, errors.New("no list")
	case "moved":
		return trust.CertStatus{Revoked: true, Revocation: trust.Revoked{ReasonCode: 3}}, nil
	}
	return trust.CertStatus{}, nil
}

// TestRecheckGetsPastFailures puts more evidence that can't be looked up in
// front than is read at once. What is due behind it must be checked all the same,
// in the same run.
func TestRecheckGetsPastFailures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := database.Open(t.Context(), database.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	lists, err := statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{bytes.Repeat([]byte{1}, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := evidence.NewSealer(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	keyID := []byte("key of the CA")
	asked := &partitions{asked: map[string]int{}}
	store := &records.Records{DB: db, Lists: lists, Now: clock}
	i := &Issuer{sealer: sealer, cfg: Config{
		Tenant: "minato", Records: store, Revocations: asked, RecheckInterval: time.Hour, Now: clock,
		JPKIAnchors: []trust.Anchor{{Certificate: &x509.Certificate{SubjectKeyId: keyID}}},
	}}
	start := func(name, partition string, due time.Time) {
		sealed, err := sealer.Seal("minato", name, jpki.Handle{IssuerKeyID: keyID, Partition: partition, Serial: []byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		err = store.StartGrant(t.Context(), "minato", records.Grant{
			ID: "grant of " + name, EvidenceKind: "jpki-signature", Expires: now.Add(48 * time.Hour), Limits: map[string]int{"c": 1},
			Evidence: &records.Evidence{Pseudonym: name, Kind: "jpki-signature", IssuerKeyID: "ca", SealedHandle: sealed, NextCheck: due},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range recheckBatch + 10 {
		start(fmt.Sprintf("away %d", n), "away", now.Add(-time.Hour))
	}
	start("moved", "moved", now.Add(-time.Minute))
	start("stays", "good", now.Add(-time.Minute))
	start("later", "good", now.Add(time.Minute))
	if _, err := store.AllocateCredentials(t.Context(), "minato", records.Allocation{
		GrantID: "grant of moved", ConfigID: "c", Type: "type", Format: "format", Count: 1, IssuedAt: now, ValidUntil: now.Add(24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}

	revoked, err := i.Recheck(t.Context())
	if revoked != 1 || err == nil {
		t.Errorf("%d credentials revoked, error %v", revoked, err)
	}
	if asked.asked["away"] != recheckBatch+10 || asked.asked["moved"] != 1 || asked.asked["good"] != 1 {
		t.Errorf("asked %v", asked.asked)
	}
	// Nothing is due now; what failed is again before the interval has passed.
	if revoked, err := i.Recheck(t.Context()); revoked != 0 || err != nil {
		t.Errorf("at once again: %d, %v", revoked, err)
	}
	now = now.Add(i.retryInterval())
	if _, err := i.Recheck(t.Context()); err == nil || asked.asked["away"] != 2*(recheckBatch+10) || asked.asked["moved"] != 1 {
		t.Errorf("after a tenth of the interval: asked %v, %v", asked.asked, err)
	}
}
