package vault

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/wallet/holder"
)

// Vault is an open vault. It is safe for concurrent use.
type Vault struct {
	now func() time.Time

	mu    sync.Mutex
	file  *sealedFile
	state state
}

var _ holder.Vault = (*Vault)(nil)

// state is the content of the file.
type state struct {
	Credentials []record    `json:"credentials,omitempty"`
	Keys        []storedKey `json:"keys,omitempty"`
	Instances   []instance  `json:"instances,omitempty"`
	Log         []Entry     `json:"log,omitempty"`
	// Imported are credentials of another wallet, which came without keys.
	Imported []Exported `json:"imported,omitempty"`
}

// record is a credential; what the credential itself says is read from Raw.
type record struct {
	ID              string             `json:"id"`
	Batch           string             `json:"batch"`
	Issuer          string             `json:"issuer"`
	ConfigurationID string             `json:"configuration_id"`
	Format          credentials.Format `json:"format"`
	Raw             string             `json:"raw"`
	// Key names the key that the credential is bound to, if it is bound to one.
	Key string `json:"key,omitempty"`
	// Chain holds certificates in DER.
	Chain      [][]byte  `json:"chain,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	Uses       int       `json:"uses,omitempty"`
	// Names, Refresh, Reuse and LastStatus are as in [holder.Held].
	Names      holder.Names            `json:"names,omitzero"`
	Refresh    *holder.Refresh         `json:"refresh,omitempty"`
	Reuse      *openid4vci.ReuseOption `json:"reuse,omitempty"`
	LastStatus *holder.LastStatus      `json:"last_status,omitempty"`
}

// errClosed says that the vault was closed.
var errClosed = errors.New("the vault is closed")

// Open opens the vault in a file, or makes a new one there. The passphrase
// should be long: whoever copies the file can try as many as they like.
// Errors wrap [ErrPassphrase], [ErrFile] or [ErrInUse], or are the file
// system's.
func Open(path string, passphrase []byte, now func() time.Time) (*Vault, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("open vault: no passphrase")
	}
	file, content, err := openFile(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	v := &Vault{now: now, file: file}
	if content == nil {
		err = v.change(func(*state) error { return nil })
	} else {
		err = jose.UnmarshalJSON(content, &v.state)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open vault: %w", err), file.close())
	}
	return v, nil
}

// Close lets another process open the vault. It must not be used any more.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.file == nil {
		return nil
	}
	file := v.file
	v.file, v.state = nil, state{}
	return file.close()
}

// change makes a change and writes it. If either fails, there was none.
func (v *Vault) change(f func(s *state) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.file == nil {
		return errClosed
	}
	next := state{
		Credentials: slices.Clone(v.state.Credentials), Keys: slices.Clone(v.state.Keys),
		Instances: slices.Clone(v.state.Instances), Log: slices.Clone(v.state.Log), Imported: slices.Clone(v.state.Imported),
	}
	if err := f(&next); err != nil {
		return err
	}
	content, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := v.file.write(content); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	v.state = next
	return nil
}

// read returns the state, whose elements nobody changes.
func (v *Vault) read() (state, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.file == nil {
		return state{}, errClosed
	}
	return v.state, nil
}

// Add implements [holder.Vault]. Keys must be those of [Vault.NewKey].
func (v *Vault) Add(_ context.Context, held []*holder.Held) error {
	return v.change(func(s *state) error {
		for _, h := range held {
			r := record{
				ID: h.ID, Batch: h.Batch, Issuer: h.Issuer, ConfigurationID: h.ConfigurationID,
				Format: h.Format, Raw: h.Raw, ReceivedAt: h.ReceivedAt, Uses: h.Uses, Names: h.Names,
				Refresh: clone(h.Refresh), Reuse: clone(h.Reuse), LastStatus: clone(h.LastStatus),
			}
			if h.Key != nil {
				var err error
				if r.Key, err = s.own(h.Key); err != nil {
					return err
				}
			}
			for _, certificate := range h.Chain {
				r.Chain = append(r.Chain, certificate.Raw)
			}
			if _, err := r.held(s); err != nil {
				return err
			}
			s.Credentials = append(s.Credentials, r)
		}
		return nil
	})
}

// List implements [holder.Vault].
func (v *Vault) List(context.Context) ([]*holder.Held, error) {
	s, err := v.read()
	if err != nil {
		return nil, err
	}
	var out []*holder.Held
	for _, r := range s.Credentials {
		h, err := r.held(&s)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// Pick implements [holder.Vault]. The use is on disk before the copy is out.
func (v *Vault) Pick(_ context.Context, batch string, now time.Time) (*holder.Held, error) {
	var picked *holder.Held
	err := v.change(func(s *state) error {
		least := -1
		for n, r := range s.Credentials {
			if r.Batch != batch || least >= 0 && r.Uses >= s.Credentials[least].Uses {
				continue
			}
			h, err := r.held(s)
			if err != nil {
				return err
			}
			if h.ValidAt(now) {
				least, picked = n, h
			}
		}
		if picked == nil {
			return holder.ErrNotHeld
		}
		s.Credentials[least].Uses++
		picked.Uses++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return picked, nil
}

// Amend implements [holder.Vault].
func (v *Vault) Amend(_ context.Context, batch string, change func(*holder.Held)) error {
	return v.change(func(s *state) error {
		for n, r := range s.Credentials {
			if r.Batch != batch {
				continue
			}
			h, err := r.held(s)
			if err != nil {
				return err
			}
			change(h)
			s.Credentials[n].LastStatus, s.Credentials[n].Refresh = h.LastStatus, h.Refresh
		}
		return nil
	})
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Remove implements [holder.Vault]. The keys of the batch go with it.
func (v *Vault) Remove(_ context.Context, batch string) error {
	return v.change(func(s *state) error {
		var keys []string
		s.Credentials = slices.DeleteFunc(s.Credentials, func(r record) bool {
			if r.Batch == batch {
				keys = append(keys, r.Key)
			}
			return r.Batch == batch
		})
		s.Keys = slices.DeleteFunc(s.Keys, func(k storedKey) bool { return slices.Contains(keys, k.ID) })
		return nil
	})
}

// held reads the credential again. It was verified before it came here.
func (r *record) held(s *state) (*holder.Held, error) {
	h := &holder.Held{
		ID: r.ID, Batch: r.Batch, Issuer: r.Issuer, ConfigurationID: r.ConfigurationID,
		Format: r.Format, Raw: r.Raw, ReceivedAt: r.ReceivedAt, Uses: r.Uses, Names: r.Names,
		Refresh: clone(r.Refresh), Reuse: clone(r.Reuse), LastStatus: clone(r.LastStatus),
	}
	switch r.Format {
	case credentials.FormatMdoc:
		document, err := jose.DecodeBase64(r.Raw)
		if err != nil {
			return nil, err
		}
		u, err := mdoc.Parse(document)
		if err != nil {
			return nil, err
		}
		h.Type, h.Claims, h.Status, h.ValidFrom, h.ValidUntil = u.DocType, u.Elements, u.Status, u.ValidFrom, u.ValidUntil
	case credentials.FormatSDJWTVC:
		u, err := sdjwt.Parse(r.Raw)
		if err != nil {
			return nil, err
		}
		h.Type, h.Claims, h.Status, h.ValidFrom, h.ValidUntil = u.Type, u.Claims, u.Status, u.ValidFrom, u.ValidUntil
	default:
		return nil, fmt.Errorf("the vault does not know the format %q", r.Format)
	}
	for _, der := range r.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		h.Chain = append(h.Chain, certificate)
	}
	if r.Key != "" {
		key, err := s.signer(r.Key)
		if err != nil {
			return nil, err
		}
		h.Key = key
	}
	return h, nil
}
