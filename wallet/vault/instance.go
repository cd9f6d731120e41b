package vault

import (
	"context"
	"slices"
	"time"

	"github.com/tegata-id/tegata/wallet/holder"
)

// instance is a holder.Instance.
type instance struct {
	Server      string    `json:"server"`
	ID          string    `json:"id,omitempty"`
	Key         string    `json:"key"`
	Attestation string    `json:"attestation,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
}

var _ holder.InstanceStore = (*Vault)(nil)

func (s *state) withoutInstance(server string) []instance {
	return slices.DeleteFunc(slices.Clone(s.Instances), func(i instance) bool { return i.Server == server })
}

// LoadInstance implements [holder.InstanceStore].
func (v *Vault) LoadInstance(_ context.Context, server string) (*holder.Instance, error) {
	s, err := v.read()
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(s.Instances, func(i instance) bool { return i.Server == server })
	if n < 0 {
		return nil, nil
	}
	i := s.Instances[n]
	key, err := s.signer(i.Key)
	if err != nil {
		return nil, err
	}
	return &holder.Instance{ID: i.ID, Key: key, Attestation: i.Attestation, Expires: i.Expires}, nil
}

// SaveInstance implements [holder.InstanceStore]. The key must be of
// [Vault.NewKey].
func (v *Vault) SaveInstance(_ context.Context, server string, in holder.Instance) error {
	return v.change(func(s *state) error {
		key, err := s.own(in.Key)
		if err != nil {
			return err
		}
		s.Instances = append(s.withoutInstance(server), instance{server, in.ID, key, in.Attestation, in.Expires})
		return nil
	})
}

// DeleteInstance implements [holder.InstanceStore].
func (v *Vault) DeleteInstance(_ context.Context, server string) error {
	return v.change(func(s *state) error {
		s.Instances = s.withoutInstance(server)
		return nil
	})
}
