package app

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/registers"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/source/register"
)

// registers opens the registers that credential types take claims from.
func (a *App) registers(t *tenant, c *config.Issuer, secret []byte) (source.Registers, error) {
	opened := source.Registers{}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		s, where := c.Sources[name], "sources."+name
		var err error
		if s.HTTP != nil {
			opened[name], err = a.register(t, name, s.HTTP, secret)
		} else {
			opened[name], err = config.LoadRegister(where, s.File)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	return opened, nil
}

// register opens a register behind HTTP. Its key for pseudonyms is its own, so
// that two registers can't find out whom both were asked for.
func (a *App) register(t *tenant, name string, c *config.HTTPSource, secret []byte) (*register.Register, error) {
	tenant := t.Endpoint.Tenant
	key, err := issuer.DeriveKey(secret, tenant, "register "+name)
	if err != nil {
		return nil, err
	}
	use := "sources." + name + ".http.key"
	ring, err := a.keyring.LoadRing(use, c.Key, a.opt.Now())
	if err != nil {
		return nil, err
	}
	t.signers = append(t.signers, watchRing(t.Role, tenant, use, ring))
	return registers.Open(c, registers.Options{
		Ring: ring, PseudonymKey: key, Tracer: a.tracing.Tracer(), Now: a.opt.Now,
		Observe: a.observed.issuer.Lookups(tenant, name),
	})
}
