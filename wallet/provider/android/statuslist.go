package android

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/tegata-id/tegata/wallet/provider"
)

const (
	// MaxStatusListSize is the largest status list in bytes.
	MaxStatusListSize = 8 << 20
	// refreshAfter is how long a status list serves before it is read again.
	refreshAfter = time.Hour
	// retryAfter is the least time between two attempts to read it.
	retryAfter = time.Minute
	// staleAfter is how long one serves that can't be read again.
	staleAfter = 24 * time.Hour
)

// StatusList holds the serial numbers of certificates of devices that are no
// longer trusted, in the form that the platform's maker publishes: a JSON object
// with the member entries, an object with a serial number in hexadecimal for the
// name of each member.
type StatusList struct{ revoked map[string]bool }

// ParseStatusList reads a status list. All entries count as revoked, whatever
// their status says: those that are suspended do too.
func ParseStatusList(data []byte) (*StatusList, error) {
	if len(data) > MaxStatusListSize {
		return nil, errors.New("android: the status list is too large")
	}
	// The list has members that are of no use here, and gets new ones.
	var document struct {
		Entries map[string]struct {
			Status string `json:"status"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("android: status list: %w", err)
	}
	if document.Entries == nil {
		return nil, errors.New("android: the status list has no entries")
	}
	l := &StatusList{revoked: make(map[string]bool, len(document.Entries))}
	for name, entry := range document.Entries {
		serial, ok := new(big.Int).SetString(name, 16)
		if !ok || serial.Sign() <= 0 || entry.Status == "" {
			return nil, errors.New("android: an entry of the status list is malformed")
		}
		l.revoked[serial.Text(16)] = true
	}
	return l, nil
}

// Revoked reports whether the certificate with the serial number is on the list.
func (l *StatusList) Revoked(serial *big.Int) bool { return l.revoked[serial.Text(16)] }

// Revocations keeps a status list up to date. It is safe for concurrent use.
type Revocations struct {
	get func(context.Context) ([]byte, error)
	now func() time.Time

	mu    sync.Mutex
	list  *StatusList
	read  time.Time // when list was read
	tried time.Time
	err   error // of the last attempt
}

// NewRevocations returns the revocations that get returns as a status list. It
// is read when it is needed and older than an hour. One that can't be read
// again serves for a day; then nobody is trusted.
func NewRevocations(get func(context.Context) ([]byte, error), now func() time.Time) *Revocations {
	return &Revocations{get: get, now: now}
}

// List returns the list that holds now, or an error that wraps
// [provider.ErrPlatformUnavailable].
func (r *Revocations) List(ctx context.Context) (*StatusList, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Sub(r.read) >= refreshAfter && now.Sub(r.tried) >= retryAfter {
		r.tried = now
		r.err = r.readAgain(ctx, now)
	}
	if r.list == nil || now.Sub(r.read) >= staleAfter {
		return nil, fmt.Errorf("android: no current status list: %w", errors.Join(provider.ErrPlatformUnavailable, r.err))
	}
	return r.list, nil
}

func (r *Revocations) readAgain(ctx context.Context, now time.Time) error {
	data, err := r.get(ctx)
	if err != nil {
		return err
	}
	list, err := ParseStatusList(data)
	if err != nil {
		return err
	}
	r.list, r.read = list, now
	return nil
}
