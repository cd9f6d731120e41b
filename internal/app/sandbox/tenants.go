package sandbox

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/loopback"
)

// Tenant is a tenant in a file of its own.
type Tenant struct {
	// ID is its identifier, and Name that of its section.
	ID, Name string
	// BaseURL is its origin and its path, which is its identifier.
	BaseURL string
	// Token is that of its operator or of its relying party.
	Token string
	// File is its configuration.
	File string
}

// AddTenant writes the file of a further tenant with keys of its own, under a
// path of the origin that all further tenants of its role share. A process that
// runs already must be told to read its configuration again; the first tenant of
// a role must be there before it starts.
func (s *Sandbox) AddTenant(role, id string) (*Tenant, error) {
	dir := filepath.Join(s.Dir, "tenants")
	files := filepath.Join(s.Dir, "files", role+"-"+id)
	for _, folder := range []string{dir, files} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	endpoint, err := s.endpoint(role)
	if err != nil {
		return nil, err
	}
	endpoint.Tenant, endpoint.Path = id, "/"+id
	t := &Tenant{
		ID: id, Name: id + "/" + role, BaseURL: endpoint.BaseURL(), Token: rand.Text() + rand.Text(), File: filepath.Join(dir, id+".yaml"),
	}
	w := &writer{dir: files}
	token := w.file("token", []byte(t.Token))
	var roles config.Roles
	switch role {
	case config.RoleIssuer:
		c := *s.config.Issuer
		c.Endpoint, c.AdminToken, c.Secret = endpoint, token, w.secret("secret")
		s.cas.issuerKeys(w, &c)
		roles.Issuer = &c
	case config.RoleVerifier:
		c := *s.config.Verifier
		c.Endpoint, c.APIToken = endpoint, token
		s.cas.verifierKeys(w, &c)
		roles.Verifier = &c
	default:
		c := *s.config.Provider
		c.Endpoint, c.AdminToken, c.Secret = endpoint, token, w.secret("secret")
		s.cas.providerKeys(w, &c)
		roles.Provider = &c
	}
	w.dir = dir
	w.yaml(id+".yaml", roles)
	if s.config.TenantsDir == "" {
		s.config.TenantsDir = dir
		w.dir = s.Dir
		w.yaml("tegata.yaml", s.config)
	}
	return t, w.err
}

// endpoint returns where the further tenants of a role are.
func (s *Sandbox) endpoint(role string) (config.Endpoint, error) {
	if e, ok := s.origins[role]; ok {
		return e, nil
	}
	address, err := loopback.Address()
	if err != nil {
		return config.Endpoint{}, fmt.Errorf("%s: %w", role, err)
	}
	w := &writer{dir: s.Dir}
	tls := w.key("tls-tenants-"+role, must(w, s.cas.tls.IssueTLS, trusttest.LeafOptions{DNSNames: []string{"localhost", "127.0.0.1"}}))
	if s.origins == nil {
		s.origins = map[string]config.Endpoint{}
	}
	s.origins[role] = config.Endpoint{Listen: address, Origin: "https://" + address, TLS: &tls}
	s.config.Outbound.AllowLoopback = append(s.config.Outbound.AllowLoopback, address)
	w.yaml("tegata.yaml", s.config)
	return s.origins[role], w.err
}
