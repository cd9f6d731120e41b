package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/tegata-id/tegata/wallet/provider/android"
)

// Provider configures a wallet provider.
type Provider struct {
	Endpoint `yaml:",inline"`
	// ClientID is the client identifier that all instances share.
	ClientID   string `yaml:"client_id"`
	WalletName string `yaml:"wallet_name"`
	WalletURL  string `yaml:"wallet_url"`
	// Certification is a URL about the certification of the wallet solution.
	Certification string `yaml:"wallet_certification,omitempty"`
	AdminToken    string `yaml:"admin_token_file"`
	Keys          struct {
		Attestation KeyList `yaml:"attestation"`
		// Status signs status lists. With it attestations can be revoked one
		// by one; without it those of a revoked instance stand until they
		// expire.
		Status KeyList `yaml:"status,omitempty"`
	} `yaml:"keys"`
	// StatusWindow is how often status lists are published.
	StatusWindow Duration `yaml:"status_window,omitempty"`
	// Secret is a file with 32 bytes or more, in hexadecimal.
	Secret string `yaml:"secret_file"`
	// SoftwarePlatform lets any program register as a wallet instance. It is
	// for mode test.
	SoftwarePlatform bool `yaml:"software_platform"`
	// Android accepts the app on Android devices whose hardware vouches for its
	// keys.
	Android *Android `yaml:"android,omitempty"`
}

// AndroidPlatform is the name of the platform for Android devices.
const AndroidPlatform = "android"

// Android configures which Android devices and which app a wallet provider
// accepts.
type Android struct {
	// Roots is a PEM file with the roots of the platform's maker.
	Roots string `yaml:"roots_file"`
	// StatusList is a file with the maker's list of revoked certificates, in
	// JSON, and StatusListURL where it is fetched in place of it. One of the
	// two is needed.
	StatusList    string `yaml:"status_list_file,omitempty"`
	StatusListURL string `yaml:"status_list_url,omitempty"`
	// Package is the app's, and Signers the SHA-256 digests, in hexadecimal, of
	// the certificates that it is signed with.
	Package string   `yaml:"package"`
	Signers []string `yaml:"signers"`
	// Lowest is the lowest level of security that is accepted:
	// trusted_environment, the default, or strong_box.
	Lowest string `yaml:"lowest,omitempty"`
	// MinPatchLevel is the oldest patch level accepted, as YYYYMM.
	MinPatchLevel int `yaml:"min_patch_level,omitempty"`
	// KeyStorage is what key attestations say of keys, by level of security,
	// UserAuthentication what they say of keys that only an authenticated user
	// can use, and Certification a URL about the key storage.
	KeyStorage         map[string][]string `yaml:"key_storage,omitempty"`
	UserAuthentication []string            `yaml:"user_authentication,omitempty"`
	Certification      string              `yaml:"certification,omitempty"`
}

// securityLevels are the words for levels of security.
var securityLevels = map[string]android.SecurityLevel{
	"": android.TrustedEnvironment, "trusted_environment": android.TrustedEnvironment, "strong_box": android.StrongBox,
}

func (a *Android) check(f faults) {
	if (a.StatusList == "") == (a.StatusListURL == "") {
		f.add("android.status_list_file", "either this or status_list_url is needed, because keys of devices leak")
	}
	if u, err := url.Parse(a.StatusListURL); a.StatusListURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
		f.add("android.status_list_url", "must be https: the list is not signed")
	}
	if _, ok := securityLevels[a.Lowest]; !ok {
		f.add("android.lowest", "trusted_environment and strong_box are known")
	}
	for _, name := range slices.Sorted(maps.Keys(a.KeyStorage)) {
		if _, ok := securityLevels[name]; !ok || name == "" {
			f.add("android.key_storage", "trusted_environment and strong_box are known")
		}
	}
}

// LoadAndroid reads what the section names and returns the verifier. The status
// list comes from revocations.
func LoadAndroid(use string, a *Android, revocations *android.Revocations, now func() time.Time) (*android.Verifier, error) {
	roots, err := LoadCertificates(use+".roots_file", a.Roots)
	if err != nil {
		return nil, err
	}
	c := android.Config{
		Roots: roots, Revocations: revocations, Package: a.Package, Lowest: securityLevels[a.Lowest],
		MinPatchLevel: a.MinPatchLevel, UserAuthentication: a.UserAuthentication, Now: now,
		KeyStorage: map[android.SecurityLevel][]string{},
	}
	for name, values := range a.KeyStorage {
		c.KeyStorage[securityLevels[name]] = values
	}
	for _, text := range a.Signers {
		digest, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%s.signers: a digest is not in hexadecimal", use)
		}
		c.Signers = append(c.Signers, digest)
	}
	v, err := android.New(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return v, nil
}
