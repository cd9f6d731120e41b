package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// JPKI says how JPKI certificates are checked. At least one way to look up
// revocation is needed.
type JPKI struct {
	// SignatureAnchors are the CAs of signature certificates.
	SignatureAnchors []Anchor `yaml:"signature_anchors"`
	// SmartphonePolicies are the certificate policies of signature
	// certificates on smartphones, which are accepted beside those of cards.
	SmartphonePolicies []string `yaml:"smartphone_policies,omitempty"`
	// CRLURL is where the operator gets revocation lists from: an https URL to
	// which "/", the hexadecimal key identifier of the CA, "/" and the
	// percent-encoded name of the partition are added.
	CRLURL string `yaml:"crl_url"`
	// CRLFolder is a folder with the revocation lists, in place of CRLURL: the
	// same names below it, with ".crl" at their ends.
	CRLFolder string `yaml:"crl_folder"`
	// CRLRefresh is how long a list serves before a newer one is asked for.
	CRLRefresh Duration `yaml:"crl_refresh"`
	// OCSPURL is the OCSP responder for all anchors, by https, or by http where
	// nobody listens: requests name serial numbers. It is asked before the
	// platform operator and revocation lists. A responder whose certificate
	// lacks id-pkix-ocsp-nocheck needs revocation lists beside it.
	OCSPURL string `yaml:"ocsp_url"`
	// OCSPNonce says whether responses have to return the nonce: required,
	// which is the default, optional or none.
	OCSPNonce string `yaml:"ocsp_nonce"`
	// OCSPHash is the hash that requests name certificates with: sha256, which
	// is the default, or sha1.
	OCSPHash string `yaml:"ocsp_hash"`
	// OperatorURL is where a platform operator answers questions about single
	// certificates in JSON, by https. It is asked before revocation lists.
	OperatorURL string `yaml:"operator_url"`
	// OperatorToken is a file with the bearer token for the operator.
	OperatorToken string `yaml:"operator_token_file"`
	// StatusRefresh is how long an answer by OCSP or of the operator serves
	// before it is asked for again.
	StatusRefresh Duration `yaml:"status_refresh"`
	// OnUnavailable is use_fresh, which is the default: while nothing newer can
	// be had, what is at hand serves until it ends; or hard_fail: nothing is
	// issued from the moment that something newer was due.
	OnUnavailable string `yaml:"on_unavailable"`
	// RecheckInterval is how often the certificates that live credentials rest on
	// are looked up, and the wallets that got them.
	RecheckInterval Duration `yaml:"recheck_interval"`
	// Throwaway makes a test JPKI inside the process, with test persons and
	// their cards on the login page, in place of anchors and CRLs. It is for
	// mode test, and what was issued under it is forgotten with the process.
	Throwaway bool `yaml:"throwaway"`
	// OtherDevice lets people sign on another device than that of their browser,
	// by a typed code or by pasting the signature. Such evidence is recorded as
	// of lower assurance, because people can be talked into signing for others.
	OtherDevice bool `yaml:"other_device"`
	// Returning, if set, lets people link their authentication certificate and
	// come back with it.
	Returning *ReturningUsers `yaml:"returning_users,omitempty"`
	// SignerURL is what links to the signer app begin with; tegata-sign:// if
	// left out. Better is an https URL that the app has claimed on the phone.
	SignerURL string `yaml:"signer_url"`
}

// Values of the fields of [JPKI].
const (
	NonceRequired = "required"
	NonceOptional = "optional"
	NonceNone     = "none"
	HashSHA256    = "sha256"
	HashSHA1      = "sha1"
	UseFresh      = "use_fresh"
	HardFail      = "hard_fail"
)

// ReturningUsers says how authentication certificates of JPKI are checked. Where
// signature certificates are looked up, they are too, except by OCSP.
type ReturningUsers struct {
	// AuthenticationAnchors are the CAs of authentication certificates; those of
	// the throwaway JPKI are left out.
	AuthenticationAnchors []Anchor `yaml:"authentication_anchors,omitempty"`
	// SmartphonePolicies are the policies of authentication certificates on
	// smartphones, which are accepted beside those of cards.
	SmartphonePolicies []string `yaml:"smartphone_policies,omitempty"`
	// OCSPURL is the OCSP responder for these anchors, as in [JPKI].
	OCSPURL string `yaml:"ocsp_url,omitempty"`
}

// Authentication returns how authentication certificates are looked up, as if
// they were those of j.
func (j *JPKI) Authentication() *JPKI {
	a := *j
	a.SignatureAnchors, a.OCSPURL = nil, ""
	if r := j.Returning; r != nil {
		a.SignatureAnchors, a.SmartphonePolicies, a.OCSPURL = r.AuthenticationAnchors, r.SmartphonePolicies, r.OCSPURL
	}
	return &a
}

// OpenID names an OpenID provider that proves who people are, in the shape of
// the Digital Agency's authentication app. The issuer authenticates to it with
// the keys under keys.openid.
type OpenID struct {
	// Issuer is the provider's issuer identifier, which ends with a realm, such
	// as https://auth-and-sign.go.jp/api/realms/main. Its endpoints are below
	// it.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// ACRValues are what the provider is asked for; the ID token must say one.
	ACRValues []string `yaml:"acr_values"`
}

// LooksUp reports whether a way to look up revocation is named.
func (j *JPKI) LooksUp() bool {
	return j.CRLURL != "" || j.CRLFolder != "" || j.OCSPURL != "" || j.OperatorURL != ""
}

func (j *JPKI) check(mode Mode, f faults) {
	if _, err := jpki.SignatureProfile(mode.JPKI(), j.SmartphonePolicies...); err != nil {
		f.add("jpki.smartphone_policies", "%s", strings.TrimPrefix(err.Error(), "jpki: "))
	}
	checkPolicies("jpki.smartphone_policies", j.SmartphonePolicies, f)
	if u, err := url.Parse(j.SignerURL); j.SignerURL != "" && (err != nil || !appScheme.MatchString(u.Scheme) || u.Fragment != "") {
		f.add("jpki.signer_url", "must be an https URL or begin with the scheme of an app, such as tegata-sign://")
	}
	switch {
	case j.Throwaway && mode == ModeProduction:
		f.add("jpki.throwaway", "not in mode production")
	case j.Throwaway && (len(j.SignatureAnchors) > 0 || j.LooksUp()):
		f.add("jpki.throwaway", "not together with signature_anchors, crl_url, crl_folder, ocsp_url and operator_url")
	case j.Throwaway:
	case len(j.SignatureAnchors) == 0:
		f.add("jpki.signature_anchors", "at least one is needed")
	case !j.LooksUp():
		f.add("jpki", "crl_url, crl_folder, ocsp_url or operator_url is needed, because nothing is issued on a certificate that may be revoked")
	}
	if j.CRLURL != "" && j.CRLFolder != "" {
		f.add("jpki.crl_folder", "not together with crl_url")
	}
	if j.CRLURL != "" && !strings.HasPrefix(j.CRLURL, "https://") {
		f.add("jpki.crl_url", "an https URL is needed, because it names municipalities")
	}
	if j.OCSPURL != "" && !strings.HasPrefix(j.OCSPURL, "https://") && !strings.HasPrefix(j.OCSPURL, "http://") {
		f.add("jpki.ocsp_url", "an https or http URL is needed")
	}
	if j.OperatorURL != "" && !strings.HasPrefix(j.OperatorURL, "https://") {
		f.add("jpki.operator_url", "an https URL is needed, because nothing else shows that the answers are the operator's")
	}
	if (j.OperatorURL != "") != (j.OperatorToken != "") {
		f.add("jpki.operator_token_file", "needed with operator_url and only there")
	}
	for _, choice := range []struct {
		field, value string
		values       []string
	}{
		{"ocsp_nonce", j.OCSPNonce, []string{NonceRequired, NonceOptional, NonceNone}},
		{"ocsp_hash", j.OCSPHash, []string{HashSHA256, HashSHA1}},
		{"on_unavailable", j.OnUnavailable, []string{UseFresh, HardFail}},
	} {
		if choice.value != "" && !slices.Contains(choice.values, choice.value) {
			f.add("jpki."+choice.field, "one of %s", strings.Join(choice.values, ", "))
		}
	}
}

// checkPolicies reports what is no certificate policy.
func checkPolicies(field string, policies []string, f faults) {
	for _, policy := range policies {
		if !dottedPolicy.MatchString(policy) {
			f.add(field, "%q is not an object identifier such as 1.2.392.200149.8.5.1.1.40", policy)
		}
	}
}

// dottedPolicy is what certificate policies look like.
var dottedPolicy = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]{0,9}))+$`)

func (i *Issuer) checkReturning(mode Mode, f faults) {
	r := i.JPKI.Returning
	if r == nil {
		return
	}
	const field = "jpki.returning_users"
	if i.Lifetimes.RefreshToken == 0 {
		f.add(field, "lifetimes.refresh_token is needed, because wallets come back with a refresh token")
	}
	if _, err := jpki.AuthenticationProfile(mode.JPKI(), r.SmartphonePolicies...); err != nil {
		f.add(field+".smartphone_policies", "%s", strings.TrimPrefix(err.Error(), "jpki: "))
	}
	checkPolicies(field+".smartphone_policies", r.SmartphonePolicies, f)
	switch {
	case i.JPKI.Throwaway && (len(r.AuthenticationAnchors) > 0 || r.OCSPURL != ""):
		f.add(field, "neither authentication_anchors nor ocsp_url together with throwaway")
	case i.JPKI.Throwaway:
	case len(r.AuthenticationAnchors) == 0:
		f.add(field+".authentication_anchors", "at least one is needed")
	case !i.JPKI.Authentication().LooksUp():
		f.add(field+".ocsp_url", "is needed without crl_url, crl_folder and operator_url: nobody comes back with a certificate that may be revoked")
	}
	if r.OCSPURL != "" && !strings.HasPrefix(r.OCSPURL, "https://") && !strings.HasPrefix(r.OCSPURL, "http://") {
		f.add(field+".ocsp_url", "an https or http URL is needed")
	}
}

func (i *Issuer) checkOpenID(f faults) {
	if i.OpenID == nil {
		return
	}
	if u, err := url.Parse(i.OpenID.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		f.add("openid.issuer", "must be an https URL without a query")
	}
	if i.OpenID.ClientID == "" {
		f.add("openid.client_id", "is needed; the provider gives it out")
	}
	if len(i.Keys.OpenID) == 0 {
		f.add("keys.openid", "a key is needed to authenticate to the OpenID provider")
	}
}

// appScheme is https or the scheme of an app, which has a hyphen or a dot in it
// so that it is none that a browser knows.
var appScheme = regexp.MustCompile(`^(https|[a-z][a-z0-9+]*[.-][a-z0-9+.-]+)$`)
