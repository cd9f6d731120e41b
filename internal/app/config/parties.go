package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/verifier"
)

// RelyingParty is a relying party of a verifier: in its section, or in a file of
// its own in the folder for them, named after its identifier: bank.yaml.
type RelyingParty struct {
	ID     string `yaml:"id"`
	NameJA string `yaml:"name_ja"`
	NameEN string `yaml:"name_en"`
	// APIKeys are the SHA-256 of its API keys in hexadecimal. An API key must be
	// random, of 32 bytes or more.
	APIKeys []string `yaml:"api_key_sha256,omitempty"`
	// Certificates are the SHA-256, in hexadecimal, of the certificates by which
	// it authenticates in TLS, whoever issued them. CertificateName is the DNS
	// name that the authorities of mutual_tls.ca_file certify it for. An API key,
	// a certificate or a name is needed, and any of them is enough.
	Certificates    []string `yaml:"certificate_sha256,omitempty"`
	CertificateName string   `yaml:"certificate_dns_name,omitempty"`
	// Flows are same_device and cross_device.
	Flows []string `yaml:"flows"`
	// RedirectURIs are where browsers may come back to, to the letter.
	RedirectURIs []string `yaml:"redirect_uris,omitempty"`
	// Allowed says what it may ask for.
	Allowed []AllowedClaims `yaml:"allowed"`
	// EncryptionKey is a public JWK that results are encrypted to; without it
	// they are in clear.
	EncryptionKey map[string]any `yaml:"encryption_jwk,omitempty"`
	// MaxOpen is how many of its transactions may wait for a wallet at a time,
	// PerMinute how many requests it may make; without limit if left out.
	MaxOpen   int `yaml:"max_open,omitempty"`
	PerMinute int `yaml:"requests_per_minute,omitempty"`
	// Webhook is where it is told that a transaction has ended; without it, it
	// has to ask.
	Webhook *Webhook `yaml:"webhook,omitempty"`

	file string
}

// AllowedClaims is what may be asked of credentials of one type in one format.
type AllowedClaims struct {
	Format string `yaml:"format"`
	// Type is the vct or the doctype.
	Type string `yaml:"type"`
	// Claims are paths of names, and of numbers or null for the elements of
	// arrays. What lies below one may be asked for as well.
	Claims [][]any `yaml:"claims"`
}

// hostName is what the names in certificates of relying parties look like.
var hostName = regexp.MustCompile(`^(?i)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// partyID is what identifiers of relying parties look like.
var partyID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// readParties reads the folders of relying parties. A file that can't be read is
// an error, and the others are read all the same.
func (c *Config) readParties() error {
	var failures []error
	for _, t := range c.Tenants() {
		if t.Verifier == nil || t.Verifier.PartiesDir == "" {
			continue
		}
		dir := t.Verifier.PartiesDir
		entries, err := os.ReadDir(dir) // sorted by name
		if err != nil {
			failures = append(failures, &FileError{dir, err})
		}
		for _, entry := range entries {
			name := entry.Name()
			if entry.IsDir() || strings.HasPrefix(name, ".") || filepath.Ext(name) != ".yaml" {
				continue
			}
			p := RelyingParty{file: filepath.Join(dir, name)}
			if err := DecodeFile(p.file, &p); err != nil {
				failures = append(failures, err)
				if !partly(err) {
					continue
				}
			}
			if id := strings.TrimSuffix(name, ".yaml"); p.ID != id {
				failures = append(failures, &FileError{p.file, errors.New("the file must be named after its relying party: " + p.ID + ".yaml")})
				continue
			}
			t.Verifier.inFolder = append(t.Verifier.inFolder, p)
		}
	}
	return errors.Join(failures...)
}

// parties returns the relying parties of the section and of the folder.
func (v *Verifier) parties() []RelyingParty {
	return append(slices.Clone(v.RelyingParties), v.inFolder...)
}

// HasParties reports whether there are relying parties with keys of their own.
func (v *Verifier) HasParties() bool { return len(v.RelyingParties)+len(v.inFolder) > 0 }

// Parties returns what the verifier needs to know of its relying parties.
func (v *Verifier) Parties() ([]verifier.Party, error) {
	var list []error
	parties := v.checkParties(faults{list: &list})
	return parties, errors.Join(list...)
}

// checkParties adds what is wrong with relying parties.
func (v *Verifier) checkParties(f faults) []verifier.Party {
	var out []verifier.Party
	held := map[[2]string]string{} // who has what, by key and value
	for n, c := range v.parties() {
		in := f
		if c.file != "" {
			in.file, in.prefix = c.file, ""
		} else {
			in.prefix += fmt.Sprintf("relying_parties[%d].", n)
		}
		p := c.check(in)
		once := func(key, value, what string) {
			if other, ok := held[[2]string{key, value}]; ok {
				in.add(key, "%s has the same %s", other, what)
			}
			held[[2]string{key, value}] = p.ID
		}
		once("id", p.ID, "identifier")
		for _, sum := range p.Keys {
			once("api_key_sha256", string(sum[:]), "API key")
		}
		for _, sum := range p.Certificates {
			once("certificate_sha256", string(sum[:]), "certificate")
		}
		if p.CertificateName != "" {
			once("certificate_dns_name", strings.ToLower(p.CertificateName), "name")
		}
		if (len(p.Certificates) > 0 || p.CertificateName != "") && v.MutualTLS == nil {
			in.add("certificate_sha256", "the verifier needs mutual_tls to see certificates")
		} else if p.CertificateName != "" && v.MutualTLS.CA == "" {
			in.add("certificate_dns_name", "the verifier needs mutual_tls.ca_file to know who may certify names")
		}
		if p.Webhook != "" && len(v.Keys.Webhook) == 0 {
			in.add("webhook", "keys.webhook of the verifier is needed to sign what is sent")
		}
		out = append(out, p)
	}
	return out
}

func (c *RelyingParty) check(f faults) verifier.Party {
	p := verifier.Party{
		ID: c.ID, NameJA: c.NameJA, NameEN: c.NameEN, RedirectURIs: c.RedirectURIs,
		CertificateName: c.CertificateName, MaxOpen: c.MaxOpen, PerMinute: c.PerMinute,
	}
	if !partyID.MatchString(c.ID) {
		f.add("id", "must be of lower-case letters, digits, dot, hyphen and underscore")
	}
	if c.NameJA == "" || c.NameEN == "" {
		f.add("name_ja", "needed, and name_en")
	}
	c.checkKeys(&p, f)
	if c.CertificateName != "" && !hostName.MatchString(c.CertificateName) {
		f.add("certificate_dns_name", "must be a host name without a wildcard, such as client.bank.example")
	}
	for _, name := range c.Flows {
		if flow := verifier.Flow(name); flow == verifier.SameDevice || flow == verifier.CrossDevice {
			p.Flows = append(p.Flows, flow)
		} else {
			f.add("flows", "one of %s, %s", verifier.SameDevice, verifier.CrossDevice)
		}
	}
	if len(c.Flows) == 0 {
		f.add("flows", "needed: %s, %s or both", verifier.SameDevice, verifier.CrossDevice)
	}
	if slices.Contains(p.Flows, verifier.SameDevice) && len(c.RedirectURIs) == 0 {
		f.add("redirect_uris", "needed with %s", verifier.SameDevice)
	}
	if p.RedirectURIs == nil {
		p.RedirectURIs = []string{} // none, rather than any
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			f.add("redirect_uris", "%q is not an https URL without userinfo and fragment", uri)
		}
	}
	if c.MaxOpen < 0 || c.MaxOpen > verifier.MostOpen {
		f.add("max_open", "must be from 1 to %d", verifier.MostOpen)
	}
	if c.PerMinute < 0 {
		f.add("requests_per_minute", "must be 1 or more")
	}
	if c.EncryptionKey != nil {
		data, err := json.Marshal(c.EncryptionKey)
		if err == nil {
			p.EncryptionKey, err = jose.ParseJWK(data)
		}
		if err == nil {
			_, err = p.EncryptionKey.EncryptionKey()
		}
		if err != nil {
			f.add("encryption_jwk", "is no public key on P-256 for encryption: %s", err)
		}
	}
	if c.Webhook != nil {
		p.Webhook = c.Webhook.URL
		if u, err := url.Parse(p.Webhook); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(p.Webhook) > maxWebhook {
			f.add("webhook.url", "must be an https URL without userinfo and fragment, of at most %d characters", maxWebhook)
		} else if c.Webhook.PrivateNetwork && loopback(u.Hostname()) {
			f.add("webhook.private_network", "loopback is no private network; outbound.allow_loopback is for mode test")
		}
	}
	c.checkAllowed(&p, f)
	return p
}

func (c *RelyingParty) checkKeys(p *verifier.Party, f faults) {
	if len(c.APIKeys) == 0 && len(c.Certificates) == 0 && c.CertificateName == "" {
		f.add("api_key_sha256", "at least one is needed, or certificate_sha256 or certificate_dns_name")
	}
	p.Keys = checkSums("api_key_sha256", c.APIKeys, f)
	p.Certificates = checkSums("certificate_sha256", c.Certificates, f)
}

func checkSums(key string, list []string, f faults) (sums [][sha256.Size]byte) {
	for _, text := range list {
		sum, err := hex.DecodeString(text)
		switch {
		case err != nil || len(sum) != sha256.Size:
			f.add(key, "is not 64 hexadecimal digits")
		case [sha256.Size]byte(sum) == sha256.Sum256(nil), [sha256.Size]byte(sum) == sha256.Sum256([]byte("\n")):
			f.add(key, "is the hash of nothing")
		default:
			sums = append(sums, [sha256.Size]byte(sum))
		}
	}
	return sums
}

func (c *RelyingParty) checkAllowed(p *verifier.Party, f faults) {
	if len(c.Allowed) == 0 {
		f.add("allowed", "at least one format, type and claims are needed")
	}
	seen := map[[2]string]bool{}
	for n, a := range c.Allowed {
		key := fmt.Sprintf("allowed[%d]", n)
		format := credentials.Format(a.Format)
		if format != credentials.FormatSDJWTVC && format != credentials.FormatMdoc {
			f.add(key+".format", "one of %s, %s", credentials.FormatSDJWTVC, credentials.FormatMdoc)
		}
		if name := [2]string{a.Format, a.Type}; a.Type == "" || seen[name] {
			f.add(key+".type", "needed, and each format and type once")
		} else {
			seen[name] = true
		}
		if len(a.Claims) == 0 {
			f.add(key+".claims", "at least one path is needed, such as [name]")
		}
		allowed := verifier.Allowed{Format: format, Type: a.Type}
		for _, elements := range a.Claims {
			var path credentials.Path
			data, err := json.Marshal(elements)
			if err == nil {
				err = json.Unmarshal(data, &path)
			}
			if err != nil {
				f.add(key+".claims", "a path is a list such as [address, region]: %s", err)
				continue
			}
			allowed.Claims = append(allowed.Claims, path)
		}
		p.Allowed = append(p.Allowed, allowed)
	}
}
