// Package registers is for those who run the registers that issuers ask: a
// register with made-up people to compare with, and an examination of a register
// against the contract.
package registers

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
)

// Names of the files that a simulated register leaves for its clients.
const (
	FileAuthority   = "register-ca.pem"
	FileCertificate = "register-client.chain.pem"
	FileKey         = "register-client.key.pem"
	FilePerson      = "person.json"
)

// clientLifetime is that of the client certificate.
const clientLifetime = 30 * 24 * time.Hour

// Simulation is a register of the test persons with authorities of its own.
type Simulation struct {
	// URL is its address.
	URL string

	listener net.Listener
	server   *http.Server
}

// Simulate opens a register on a loopback address and leaves in the folder what
// a client needs. Run serves it.
func Simulate(dir, address string, log *slog.Logger, now func() time.Time) (*Simulation, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("the address must be host:port on this machine, for example 127.0.0.1:8450")
	}
	people, err := registertest.People()
	if err != nil {
		return nil, err
	}
	ca, err := registertest.NewCA(now())
	if err != nil {
		return nil, err
	}
	key, err := ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		return nil, err
	}
	if err := writeClient(dir, ca, people[0]); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &Simulation{
		URL: "https://" + listener.Addr().String(), listener: listener,
		server: &http.Server{
			Handler: registertest.New(people, now), TLSConfig: registertest.TLSConfig(ca, key, now),
			ReadTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelInfo),
		},
	}, nil
}

// writeClient leaves the authority, a client's key and a person that the register
// knows.
func writeClient(dir string, ca *trusttest.CA, known registertest.Record) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	client, err := registertest.IssueClient(ca, clientLifetime)
	if err != nil {
		return err
	}
	key, err := keys.EncodeKeyPEM(client.Signer)
	if err != nil {
		return err
	}
	person, err := json.MarshalIndent(Person{Name: known.Name, Address: known.Address, BirthDate: known.BirthDate, Sex: known.Sex}, "", "  ")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		FileAuthority: keys.EncodeChainPEM([]*x509.Certificate{ca.Certificate}), FileCertificate: keys.EncodeChainPEM(client.Chain),
		FileKey: key, FilePerson: append(person, '\n'),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Describe writes where the register is and what an issuer's configuration says
// of it.
func (s *Simulation) Describe(w io.Writer, dir string) error {
	_, err := fmt.Fprintf(w, `The simulated register is at %s. tegata source check takes somebody from %s. In the section of an issuer:

  sources:
    residents:   # the name that credential types take claims from
      http:
        url: %s
        roots_file: %s
        key: {key_file: %s, chain_file: %s}
`, s.URL, filepath.Join(dir, FilePerson), s.URL, filepath.Join(dir, FileAuthority), filepath.Join(dir, FileKey), filepath.Join(dir, FileCertificate))
	return err
}

// Run serves until ctx ends.
func (s *Simulation) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	if err := s.server.ServeTLS(s.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
