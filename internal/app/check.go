package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/session"
)

// DefaultExpiry is how long before the end of a certificate a warning is given.
const DefaultExpiry = 30 * 24 * time.Hour

// CheckOptions say what Check can't read from the configuration.
type CheckOptions struct {
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
	cfg  *Config
	file string
	now  time.Time
	opt  CheckOptions
	keys keyring
	// anchors are all trust anchors that could be read.
	anchors []*x509.Certificate
	// held maps fingerprints of keys and secrets to where they are used.
	held map[string]string
}

// Check reports every fault of a configuration that can be known without
// running it. It opens every file with the functions that [New] uses, and
// changes nothing.
func Check(ctx context.Context, path string, o CheckOptions) *report.Report {
	if o.Expiry == 0 {
		o.Expiry = DefaultExpiry
	}
	k := &checker{file: path, now: o.Now(), opt: o, held: map[string]string{}, anchors: o.Anchors}
	defer func() { _ = k.keys.close() }()
	if !k.decode() {
		return &k.Report
	}
	for _, err := range flatten(k.cfg.validate()) {
		k.invalid(err)
	}
	k.cfg.resolve(filepath.Dir(path))
	if _, err := newLogger(k.cfg.Log, io.Discard); err != nil {
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

// decode reads the file. It returns false if there is nothing to go on with.
func (k *checker) decode() bool {
	cfg, err := decodeConfig(k.file)
	var mistakes *yaml.TypeError
	switch {
	case err == nil:
	case errors.As(err, &mistakes):
		for _, text := range mistakes.Errors {
			k.add(k.file, k.file, "correct the line; deploy/tegata.example.yaml has every key", text)
		}
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		k.add("config", k.file, fixFile(err, k.file), err.Error())
		return false
	default:
		k.add("config", k.file, "write one YAML document as in deploy/tegata.example.yaml", err.Error())
		return false
	}
	k.cfg = cfg
	return true
}

func (k *checker) add(where, file, fix, what string) {
	k.Add(report.Finding{Level: report.Fault, Where: where, File: file, What: what, Fix: fix})
}

// invalid adds an error of validate, whose text is the key, a colon and what is
// wrong with it.
func (k *checker) invalid(err error) {
	where, what, ok := strings.Cut(strings.TrimSpace(err.Error()), ": ")
	if !ok {
		where, what = "config", strings.TrimSpace(err.Error())
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
	case errors.Is(err, keys.ErrPermissions), errors.Is(err, errReadable):
		return "chmod 600 " + file
	case errors.Is(err, fs.ErrPermission):
		return "let the account of the service read " + file
	}
	return "replace " + file
}

// checkSecrets reads every file with a secret.
func (k *checker) checkSecrets() {
	if i := k.cfg.Issuer; i != nil {
		k.secret("issuer.admin_token_file", i.AdminToken, loadSecret)
		k.secret("issuer.secret_file", i.Secret, loadHexSecret)
	}
	if v := k.cfg.Verifier; v != nil {
		k.secret("verifier.api_token_file", v.APIToken, loadSecret)
	}
	if p := k.cfg.Provider; p != nil {
		k.secret("wallet_provider.admin_token_file", p.AdminToken, loadSecret)
		k.secret("wallet_provider.secret_file", p.Secret, loadHexSecret)
	}
	if d := k.cfg.Database; d.PasswordFile != "" {
		k.secret("database.password_file", d.PasswordFile, func(use, path string) ([]byte, error) { return readSecret(use, path, 1) })
	}
	if k.cfg.SessionKeys != "" {
		k.secret("session_keys_file", k.cfg.SessionKeys, func(use, path string) ([]byte, error) {
			data, err := loadSecret(use, path)
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
		k.secret("database.password_file", path, func(use, path string) ([]byte, error) { return readSecret(use, path, 1) })
	}
	if r := k.cfg.Redis; r != nil && r.PasswordFile != "" {
		k.secret("redis.password_file", r.PasswordFile, func(use, path string) ([]byte, error) { return readSecret(use, path, 1) })
	}
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
