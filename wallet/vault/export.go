package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// exportVersion is of the format of [Export].
const exportVersion = 1

// maxExport bounds what [Vault.Import] reads.
const maxExport = 64 << 20

// Export is what [Vault.Export] writes, as JSON. It holds everything but keys.
type Export struct {
	Version     int        `json:"version"`
	Credentials []Exported `json:"credentials"`
	Log         []Entry    `json:"log"`
}

// Exported is one credential without its key. Nobody can present it; it says
// what to ask which issuer for again, and what it said.
type Exported struct {
	Issuer          string             `json:"issuer"`
	ConfigurationID string             `json:"configuration_id"`
	Format          credentials.Format `json:"format"`
	Type            string             `json:"type"`
	// Credential is it as it came.
	Credential string    `json:"credential"`
	ReceivedAt time.Time `json:"received_at"`
}

// Export writes credentials and log in clear, one copy of each batch, without
// private keys.
func (v *Vault) Export(_ context.Context, w io.Writer) error {
	s, err := v.read()
	if err != nil {
		return err
	}
	export := Export{Version: exportVersion, Credentials: slices.Clone(s.Imported), Log: s.Log}
	batches := map[string]bool{}
	for _, r := range s.Credentials {
		if batches[r.Batch] {
			continue
		}
		batches[r.Batch] = true
		h, err := r.held(&s)
		if err != nil {
			return err
		}
		export.Credentials = append(export.Credentials, Exported{
			Issuer: r.Issuer, ConfigurationID: r.ConfigurationID, Format: r.Format, Type: h.Type,
			Credential: r.Raw, ReceivedAt: r.ReceivedAt,
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(export)
}

// Import takes over an export. Its credentials can be looked at with
// [Vault.Imported] and never be presented: their keys stayed where they were.
// What is there already is not taken twice.
func (v *Vault) Import(_ context.Context, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxExport+1))
	if err != nil {
		return err
	}
	var export Export
	switch {
	case len(data) > maxExport:
		return errors.New("import: the export is too large")
	case jose.UnmarshalJSON(data, &export) != nil, export.Version != exportVersion:
		return errors.New("import: not an export of this version")
	}
	for n, e := range export.Credentials {
		readable := record{Format: e.Format, Raw: e.Credential}
		if _, err := readable.held(&state{}); err != nil {
			return fmt.Errorf("import: credential %d: %w", n+1, err)
		}
	}
	return v.change(func(s *state) error {
		for _, e := range export.Credentials {
			same := func(other Exported) bool { return other.Credential == e.Credential }
			if !slices.ContainsFunc(s.Imported, same) && !slices.ContainsFunc(s.Credentials, func(r record) bool { return r.Raw == e.Credential }) {
				s.Imported = append(s.Imported, e)
			}
		}
		for _, e := range export.Log {
			if !slices.ContainsFunc(s.Log, func(own Entry) bool { return own.ID == e.ID }) {
				s.Log = append(s.Log, e)
			}
		}
		slices.SortStableFunc(s.Log, func(a, b Entry) int { return a.At.Compare(b.At) })
		return nil
	})
}

// Imported returns what came from other wallets.
func (v *Vault) Imported(context.Context) ([]Exported, error) {
	s, err := v.read()
	return slices.Clone(s.Imported), err
}
