// Package check examines a configuration without running it.
package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/session"
)

// DefaultExpiry is how long before the end of a certificate a warning is given.
const DefaultExpiry = 30 * 24 * time.Hour

// Options say what Run can't read from the configuration.
type Options struct {
	Now func() time.Time
	// Expiry is how long before its end a certificate is warned about;
	// DefaultExpiry if zero.
	Expiry time.Duration
	// Anchors are those of our own signers that others hold and this
	// configuration does not name.
	Anchors []*x509.Certificate
}

// checker collects what is found about one configuration.
type checker struct {
	report.Report
	cfg  *config.Config
	file string
	now  time.Time
	opt  Options
	keys config.Keyring
	// anchors are all trust anchors that could be read.
	anchors []*x509.Certificate
	// held maps fingerprints of keys and secrets to where they are used.
	held map[string]string
}

// Run reports every fault of a configuration that can be known without running
// it. It opens every file with the functions that the process itself uses, and
// changes nothing.
func Run(ctx context.Context, path string, o Options) *report.Report {
	if o.Expiry == 0 {
		o.Expiry = DefaultExpiry
	}
	k := &checker{file: path, now: o.Now(), opt: o, held: map[string]string{}, anchors: o.Anchors}
	defer func() { _ = k.keys.Close() }()
	if !k.decode() {
		return &k.Report
	}
	for _, err := range flatten(k.cfg.Validate()) {
		k.invalid(err)
	}
	if _, err := k.cfg.Log.Logger(io.Discard); err != nil {
		k.invalid(err)
	}
	k.checkAnchors()
	k.checkKeys(ctx)
	k.checkSecrets()
	k.checkStores()
	k.checkListeners()
	k.checkOutbound()
	return &k.Report
}

// decode reads the files. It returns false if there is nothing to go on with.
func (k *checker) decode() bool {
	cfg, err := config.Decode(k.file)
	for _, err := range flatten(err) {
		k.unreadable(err)
	}
	k.cfg = cfg
	return cfg != nil
}

// unreadable adds what is wrong with one of the files.
func (k *checker) unreadable(err error) {
	var (
		of       *config.FileError
		mistakes *yaml.TypeError
		file     = k.file
	)
	if errors.As(err, &of) {
		file, err = of.File, of.Err
	}
	switch {
	case errors.As(err, &mistakes):
		for _, text := range mistakes.Errors {
			k.add(file, file, "correct the line; deploy/tegata.example.yaml has every key", text)
		}
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		k.add("config", file, fixFile(err, file), err.Error())
	default:
		k.add("config", file, "write one YAML document as in deploy/tegata.example.yaml", err.Error())
	}
}

func (k *checker) add(where, file, fix, what string) {
	k.Add(report.Finding{Level: report.Fault, Where: where, File: file, What: what, Fix: fix})
}

// invalid adds an error of Validate, or one whose text is the key, a colon and
// what is wrong with it.
func (k *checker) invalid(err error) {
	var fault *config.Fault
	if errors.As(err, &fault) {
		k.add(fault.Key, fault.File, "correct "+fault.Key+" in "+fault.File, fault.Text)
		return
	}
	where, what, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		where, what = "config", err.Error()
	}
	k.add(where, k.file, "correct "+where+" in "+k.file, what)
}

// failed adds the error of a loader, which begins with where.
func (k *checker) failed(where string, err error, files ...string) {
	for _, err := range flatten(err) {
		file := named(err, files)
		k.add(where, file, fixFile(err, file), strings.TrimPrefix(err.Error(), where+": "))
	}
}

// named returns which of the files an error is about: the one in its text, or
// the first that is set.
func named(err error, files []string) string {
	first := ""
	for i := len(files) - 1; i >= 0; i-- {
		if files[i] == "" {
			continue
		}
		first = files[i]
		if strings.Contains(err.Error(), files[i]) {
			return first
		}
	}
	return first
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !strings.Contains(err.Error(), "\n") || !errors.As(err, &joined) {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, flatten(err)...)
	}
	return all
}

// fixFile says what to do about a file that could not be used.
func fixFile(err error, file string) string {
	switch {
	case file == "":
		return "name the file in the configuration"
	case errors.Is(err, fs.ErrNotExist):
		return "create " + file + ", or correct the path"
	case errors.Is(err, keys.ErrPermissions), errors.Is(err, config.ErrReadable):
		return "chmod 600 " + file
	case errors.Is(err, fs.ErrPermission):
		return "let the account of the service read " + file
	}
	return "replace " + file
}

// checkSecrets reads every file with a secret.
func (k *checker) checkSecrets() {
	for _, t := range k.cfg.Tenants() {
		name := t.Name()
		switch {
		case t.Issuer != nil:
			k.secret(name+".admin_token_file", t.Issuer.AdminToken, config.LoadSecret)
			k.secret(name+".secret_file", t.Issuer.Secret, config.LoadHexSecret)
			k.checkRegisters(name, t.Issuer)
		case t.Verifier != nil:
			if t.Verifier.APIToken != "" || !t.Verifier.HasParties() {
				k.secret(name+".api_token_file", t.Verifier.APIToken, config.LoadSecret)
			}
		case t.Provider != nil:
			k.secret(name+".admin_token_file", t.Provider.AdminToken, config.LoadSecret)
			k.secret(name+".secret_file", t.Provider.Secret, config.LoadHexSecret)
			k.checkPlatforms(t)
		}
	}
	if k.cfg.SessionKeys != "" {
		k.secret("session_keys_file", k.cfg.SessionKeys, func(use, path string) ([]byte, error) {
			data, err := config.LoadSecret(use, path)
			if err != nil {
				return nil, err
			}
			if _, err := session.ParseKeys(data); err != nil {
				return nil, fmt.Errorf("%s: %w", use, err)
			}
			return data, nil
		})
	}
	if path := k.cfg.Database.PasswordFile; path != "" {
		k.secret("database.password_file", path, func(use, path string) ([]byte, error) { return config.ReadSecret(use, path, 1) })
	}
	if r := k.cfg.Redis; r != nil && r.PasswordFile != "" {
		k.secret("redis.password_file", r.PasswordFile, func(use, path string) ([]byte, error) { return config.ReadSecret(use, path, 1) })
	}
}

// checkRegisters reads the registers in files.
func (k *checker) checkRegisters(name string, c *config.Issuer) {
	for _, register := range slices.Sorted(maps.Keys(c.Sources)) {
		s, where := c.Sources[register], name+".sources."+register
		if s != nil && s.HTTP != nil {
			k.checkAuthority(where+".http.roots_file", s.HTTP.Roots)
		}
		if s == nil || s.File == "" {
			continue
		}
		if _, err := config.LoadRegister(where, s.File); err != nil {
			k.failed(where, err, s.File)
			continue
		}
		k.OK(where, "can be read, by its owner alone")
	}
}

// checkAuthority reads the authority of a register. Its client key is looked at
// with all other keys.
func (k *checker) checkAuthority(where, path string) {
	certificates, err := config.LoadCertificates(where, path)
	if err != nil {
		k.failed(where, err, path)
		return
	}
	for _, c := range certificates {
		k.validity(where, path, c)
	}
	k.OK(where, "%d roots", len(certificates))
}

func (k *checker) secret(where, path string, load func(use, path string) ([]byte, error)) {
	data, err := load(where, path)
	if err != nil {
		k.failed(where, err, path)
		return
	}
	k.OK(where, "can be read, by its owner alone")
	k.once(where, data, "make a secret for each use")
}

// once warns if a key or a secret has two uses.
func (k *checker) once(where string, value []byte, fix string) {
	if other, ok := k.held[string(value)]; ok {
		k.Warn(where, fix, "is the same as %s: what discloses the one discloses the other", other)
		return
	}
	k.held[string(value)] = where
}

// checkStores looks at what can be known of the stores while they are not used.
func (k *checker) checkStores() {
	if path := k.cfg.Database.Path; path != "" {
		where, dir := "database.path", filepath.Dir(path)
		if info, err := os.Stat(dir); err != nil {
			k.add(where, path, "mkdir -p "+dir+", for the account of the service", "the folder of the database is missing: "+err.Error())
		} else if !info.IsDir() {
			k.add(where, path, "name a file in a folder", dir+" is not a folder")
		} else if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			k.add(where, path, "chmod 600 "+path, "the database can be read by others than its owner")
		} else {
			k.OK(where, "the folder is there")
		}
	}
	if r := k.cfg.Redis; r != nil {
		for _, address := range r.Addresses {
			if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
				k.add("redis.addresses", k.file, "write host:port, for example redis.internal:6379", fmt.Sprintf("%q is not host:port", address))
			}
		}
	}
}
