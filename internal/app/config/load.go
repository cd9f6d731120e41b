package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads and validates a configuration file and those of its tenants.
// Unknown keys, more than one document in a file and values that contradict each
// other are errors; all of the latter are reported at once.
func Load(path string) (*Config, error) {
	c, err := Decode(path)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	return c, nil
}

// Decode reads the configuration file and those of its tenants, and makes the
// paths in them absolute or relative to the working directory. Where the error
// holds a [*FileError], it also returns what could be read beside that.
func Decode(path string) (*Config, error) {
	c := &Config{file: path}
	err := DecodeFile(path, c)
	if err != nil && !partly(err) {
		return nil, err
	}
	c.resolve(filepath.Dir(path))
	return c, errors.Join(err, c.readTenants(), c.readParties())
}

// FileError is a file that is not as it should be: in Err, a [*yaml.TypeError]
// lists unknown keys and values of the wrong kind.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the file.
func (e *FileError) Unwrap() error { return e.Err }

// partly tells whether a file could be read beside the error.
func partly(err error) bool {
	var mistakes *yaml.TypeError
	return errors.As(err, &mistakes)
}

// DecodeFile reads one YAML document strictly: unknown keys are errors. Errors are
// [*FileError].
func DecodeFile(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return &FileError{path, err}
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		return &FileError{path, err}
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return &FileError{path, errors.New("more than one YAML document")}
	}
	return nil
}

// Fault is a value that is missing, impossible, or contradicts another.
type Fault struct {
	// File is the file it is in, Key what it is called there.
	File, Key string
	Text      string
}

func (f *Fault) Error() string { return "  " + f.Key + ": " + f.Text }

// faults collects what is wrong with one file or one tenant.
type faults struct {
	file, prefix string
	list         *[]error
}

// add adds a fault. Keys are those of the file, without a tenant's prefix.
func (f faults) add(key, format string, args ...any) {
	*f.list = append(*f.list, &Fault{File: f.file, Key: f.prefix + key, Text: fmt.Sprintf(format, args...)})
}

// Validate returns every fault that can be seen without opening a file that the
// configuration names, those of credential types excepted, as joined [*Fault].
func (c *Config) Validate() error {
	var list []error
	f := faults{file: c.file, list: &list}
	tenants := c.Tenants()
	if c.Mode != ModeProduction && c.Mode != ModeTest {
		f.add("mode", "must be production or test")
	}
	if len(tenants) == 0 && c.TenantsDir == "" {
		f.add("config", "one of issuer, verifier, wallet_provider and tenants_dir is needed")
	}
	if c.Redis != nil && len(c.Redis.Addresses) == 0 {
		f.add("redis.addresses", "at least one is needed")
	}
	if c.Redis != nil && c.SessionKeys == "" {
		f.add("session_keys_file", "needed with redis")
	}
	c.Database.check(c.NeedsDatabase(), c.Mode, f)
	if c.Mode == ModeProduction && len(c.Outbound.AllowLoopback) > 0 {
		f.add("outbound.allow_loopback", "not in mode production")
	}
	if c.Telemetry != nil {
		c.Telemetry.check(f)
	}
	for _, t := range tenants {
		t.check(c.Mode, faults{file: t.File, prefix: t.prefix, list: &list})
	}
	c.RateLimit.check(f)
	if _, err := c.Proxies(); err != nil {
		f.add("trusted_proxies", "must be networks such as 10.0.0.0/8: %s", err)
	}
	c.checkTogether(&list)
	c.checkMutualTLS(&list)
	return errors.Join(list...)
}

func (t *Telemetry) check(f faults) {
	u, err := url.Parse(t.OTLPEndpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		f.add("telemetry.otlp_endpoint", "must be an https URL, or http on loopback, without credentials")
	}
	if !(t.SampleRatio > 0 && t.SampleRatio <= 1) {
		f.add("telemetry.sample_ratio", "must be above 0 and at most 1")
	}
}

func loopback(host string) bool {
	return strings.HasPrefix(host, "127.") || host == "localhost" || host == "::1"
}

// resolve makes the paths of the file relative to its folder.
func (c *Config) resolve(dir string) {
	Relative(dir, &c.Database.Path, &c.Database.PasswordFile, &c.SessionKeys, &c.Outbound.Roots, &c.TenantsDir)
	if c.Redis != nil {
		Relative(dir, &c.Redis.PasswordFile)
	}
	c.Roles.resolve(dir)
}

func (r *Roles) resolve(dir string) {
	for _, t := range r.tenants("", "") {
		for _, path := range t.paths() {
			Relative(dir, path)
		}
	}
}

// Relative makes paths relative to a folder unless they are absolute or empty.
func Relative(dir string, paths ...*string) {
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
