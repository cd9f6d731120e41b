package vault

import (
	"context"
	"crypto/rand"
	"slices"
	"time"
)

// What an [Entry] tells of.
const (
	ActionReceived  = "received"
	ActionPresented = "presented"
	ActionDeclined  = "declined"
	ActionForgotten = "forgotten"
	ActionRevoked   = "revoked" // by its issuer, as the wallet found out
)

// Entry is a line of the activity log. It holds no values of claims.
type Entry struct {
	// ID is made by [Vault.Record].
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Action is one of the constants.
	Action string `json:"action"`
	// Party is the credential issuer identifier or the client identifier of the
	// verifier, PartyName the name in its certificate, if any.
	Party     string `json:"party,omitempty"`
	PartyName string `json:"party_name,omitempty"`
	// Types are the vct or doctype of what it was about.
	Types []string `json:"types,omitempty"`
	// Claims are the paths of what was shown.
	Claims []string `json:"claims,omitempty"`
	// Purpose is what the verifier is registered for, and Contacts are where the
	// person can have their data deleted, if a registrar said so.
	Purpose  string   `json:"purpose,omitempty"`
	Contacts []string `json:"contacts,omitempty"`
}

// Record adds an entry to the log, with the time and an ID of its own.
func (v *Vault) Record(_ context.Context, e Entry) error {
	e.ID, e.At = rand.Text(), v.now()
	return v.change(func(s *state) error {
		s.Log = append(s.Log, e)
		return nil
	})
}

// Log returns the log, oldest entries first.
func (v *Vault) Log(context.Context) ([]Entry, error) {
	s, err := v.read()
	return slices.Clone(s.Log), err
}

// DeleteLog deletes entries from the log; without IDs, all of them.
func (v *Vault) DeleteLog(_ context.Context, ids ...string) error {
	return v.change(func(s *state) error {
		s.Log = slices.DeleteFunc(s.Log, func(e Entry) bool { return len(ids) == 0 || slices.Contains(ids, e.ID) })
		return nil
	})
}
