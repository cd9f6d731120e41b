package oidfissuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)

func strings1(v any) (out []string) {
	list, _ := v.([]any)
	for _, entry := range list {
		s, _ := entry.(string)
		out = append(out, s)
	}
	return out
}

// checkMetadata checks the metadata of the issuer and of its authorization
// server.
func (w *world) checkMetadata(t *testing.T) {
	t.Helper()
	if wire.Text(w.issuer, "credential_issuer") != w.identifier {
		t.Errorf("credential_issuer %q", wire.Text(w.issuer, "credential_issuer"))
	}
	known := []string{
		"credential_issuer", "authorization_servers", "credential_endpoint", "nonce_endpoint", "deferred_credential_endpoint", "notification_endpoint",
		"credential_request_encryption", "credential_response_encryption", "batch_credential_issuance", "display", "credential_configurations_supported",
	}
	for name, value := range w.issuer {
		if !slices.Contains(known, name) {
			t.Errorf("unknown member %s", name)
		}
		if strings.HasSuffix(name, "_endpoint") {
			checkURL(t, name, value)
		}
	}
	if wire.Text(w.issuer, "credential_endpoint") == "" || wire.Text(w.issuer, "nonce_endpoint") == "" {
		t.Error("no credential_endpoint or nonce_endpoint")
	}
	locales(t, w.issuer["display"])
	w.checkEncryption(t)
	configurations, _ := w.issuer["credential_configurations_supported"].(object)
	for id, value := range configurations {
		configuration, _ := value.(object)
		checkConfiguration(t, id, configuration)
	}
	if len(configurations) == 0 {
		t.Error("no configurations")
	}
	w.checkServer(t)
}

func checkURL(t *testing.T, name string, value any) {
	t.Helper()
	s, _ := value.(string)
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.User != nil {
		t.Errorf("%s is %v", name, value)
	}
}

// locales demands one entry for each locale, in canonical form.
func locales(t *testing.T, display any) {
	t.Helper()
	seen := map[string]bool{}
	list, _ := display.([]any)
	for _, entry := range list {
		o, _ := entry.(object)
		locale := wire.Text(o, "locale")
		if seen[locale] || !regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`).MatchString(locale) || wire.Text(o, "name") == "" {
			t.Errorf("display %v", o)
		}
		seen[locale] = true
	}
	if len(list) == 0 {
		t.Error("nothing to display")
	}
}

func (w *world) checkEncryption(t *testing.T) {
	t.Helper()
	request, _ := w.issuer["credential_request_encryption"].(object)
	response, _ := w.issuer["credential_response_encryption"].(object)
	if response == nil {
		return
	}
	set, _ := request["jwks"].(object)
	keys, _ := set["keys"].([]any)
	kids := map[string]bool{}
	for _, entry := range keys {
		key, _ := entry.(object)
		if kid := wire.Text(key, "kid"); kid == "" || kids[kid] || wire.Text(key, "use") != "enc" || wire.Text(key, "alg") != "ECDH-ES" || key["d"] != nil {
			t.Errorf("key %v", key)
		} else {
			kids[kid] = true
		}
	}
	if len(keys) == 0 {
		t.Error("responses are encrypted, and no key for requests")
	}
	for name, o := range map[string]object{"request": request, "response": response} {
		if _, ok := o["encryption_required"].(bool); !ok || !slices.Contains(strings1(o["enc_values_supported"]), "A256GCM") {
			t.Errorf("credential_%s_encryption %v", name, o)
		}
		if zip := strings1(o["zip_values_supported"]); len(zip) > 0 && !slices.Equal(zip, []string{"DEF"}) {
			t.Errorf("zip %v", zip)
		}
	}
	if !slices.Equal(strings1(response["alg_values_supported"]), []string{"ECDH-ES"}) {
		t.Errorf("alg_values_supported %v", response["alg_values_supported"])
	}
}

func checkConfiguration(t *testing.T, id string, o object) {
	t.Helper()
	known := []string{
		"format", "scope", "vct", "doctype", "credential_signing_alg_values_supported", "cryptographic_binding_methods_supported",
		"proof_types_supported", "credential_metadata", "credential_reuse_policy",
	}
	for name := range o {
		if !slices.Contains(known, name) {
			t.Errorf("%s: unknown member %s", id, name)
		}
	}
	if !scopeToken.MatchString(wire.Text(o, "scope")) {
		t.Errorf("%s: scope %q", id, wire.Text(o, "scope"))
	}
	algorithms, _ := o["credential_signing_alg_values_supported"].([]any)
	switch wire.Text(o, "format") {
	case "dc+sd-jwt":
		if wire.Text(o, "vct") == "" || !slices.Contains(algorithms, any("ES256")) {
			t.Errorf("%s: vct %q, algorithms %v", id, wire.Text(o, "vct"), algorithms)
		}
	case "mso_mdoc":
		if wire.Text(o, "doctype") == "" || !slices.Contains(algorithms, any(-7.0)) {
			t.Errorf("%s: doctype %q, algorithms %v", id, wire.Text(o, "doctype"), algorithms)
		}
	default:
		t.Errorf("%s: format %q", id, wire.Text(o, "format"))
	}
	types, _ := o["proof_types_supported"].(object)
	if (len(types) > 0) != (len(strings1(o["cryptographic_binding_methods_supported"])) > 0) {
		t.Errorf("%s: proof types and binding methods", id)
	}
	for name, value := range types {
		proof, _ := value.(object)
		if !slices.Contains(strings1(proof["proof_signing_alg_values_supported"]), "ES256") {
			t.Errorf("%s: proof type %s is %v", id, name, proof)
		}
	}
	shown, _ := o["credential_metadata"].(object)
	locales(t, shown["display"])
	claims, _ := shown["claims"].([]any)
	for _, entry := range claims {
		claim, _ := entry.(object)
		if path, _ := claim["path"].([]any); len(path) == 0 {
			t.Errorf("%s: claim %v", id, claim)
		}
		locales(t, claim["display"])
	}
}

// checkServer is the module metadata-test and the FAPI module
// discovery-end-point-verification.
func (w *world) checkServer(t *testing.T) {
	t.Helper()
	if wire.Text(w.server, "issuer") != w.identifier {
		t.Errorf("issuer %q", wire.Text(w.server, "issuer"))
	}
	for name, value := range w.server {
		if strings.HasSuffix(name, "_endpoint") {
			checkURL(t, name, value)
		}
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint"} {
		if wire.Text(w.server, name) == "" {
			t.Errorf("no %s", name)
		}
	}
	for name, value := range map[string]string{
		"response_types_supported": "code", "code_challenge_methods_supported": "S256", "dpop_signing_alg_values_supported": "ES256",
		"client_attestation_signing_alg_values_supported": "ES256", "client_attestation_pop_signing_alg_values_supported": "ES256",
		"grant_types_supported": "authorization_code", "authorization_details_types_supported": "openid_credential",
		"token_endpoint_auth_signing_alg_values_supported": "ES256",
	} {
		if !slices.Contains(strings1(w.server[name]), value) {
			t.Errorf("%s is %v", name, w.server[name])
		}
	}
	for _, name := range []string{"token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"} {
		if methods := strings1(w.server[name]); !slices.Equal(methods, []string{"attest_jwt_client_auth", "private_key_jwt"}) {
			t.Errorf("%s is %v", name, methods)
		}
	}
	for _, name := range []string{"authorization_response_iss_parameter_supported", "require_pushed_authorization_requests"} {
		if w.server[name] != true {
			t.Errorf("%s is %v", name, w.server[name])
		}
	}
}

// checkSignedMetadata asks for signed metadata.
func (w *world) checkSignedMetadata(t *testing.T) {
	t.Helper()
	r := w.send(t, http.MethodGet, w.wellKnown("/.well-known/openid-credential-issuer"), http.Header{"Accept": {"application/jwt"}}, nil)
	if r.status != http.StatusOK || r.mediaType() != "application/jwt" {
		t.Fatalf("%d %s", r.status, r.mediaType())
	}
	header, claims := readJWT(t, string(r.body))
	chain := x5c(t, header)
	if len(chain) == 0 || wire.Text(header, "typ") != "openidvci-issuer-metadata+jwt" {
		t.Fatalf("header %v", header)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) || wire.VerifyJWS(leaf.PublicKey.(*ecdsa.PublicKey), string(r.body)) != nil {
		t.Error("self-signed, or a bad signature")
	}
	for _, der := range chain {
		if bytes.Equal(der, w.box.VerifierAnchor.Certificate.Raw) {
			t.Error("the chain has the anchor in it")
		}
	}
	if _, ok := claims["iat"].(float64); !ok || wire.Text(claims, "sub") != w.identifier {
		t.Errorf("iat %v, sub %v", claims["iat"], claims["sub"])
	}
	for name, value := range w.issuer {
		if !bytes.Equal(wire.JSON(claims[name]), wire.JSON(value)) {
			t.Errorf("%s differs from the metadata in JSON", name)
		}
	}
}

// checkTLS demands TLS 1.3 where there is a choice, and of TLS 1.2 the cipher
// suites of BCP 195 alone.
func (w *world) checkTLS(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(w.box.TLSRoot)
	dial := func(c *tls.Config) (tls.ConnectionState, error) {
		c.RootCAs, c.ServerName = pool, u.Hostname()
		connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", u.Host, c)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer connection.Close()
		return connection.ConnectionState(), nil
	}
	if state, err := dial(&tls.Config{MinVersion: tls.VersionTLS12}); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("version %x, %v", state.Version, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := dial(&tls.Config{MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("version %x is accepted", version)
		}
	}
	good := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		_, err := dial(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		switch recommended := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "CHACHA20")); {
		case err == nil && !recommended:
			t.Errorf("%s is accepted", suite.Name)
		case err == nil:
			good++
		}
	}
	if good == 0 {
		t.Error("no cipher suite of TLS 1.2 is accepted")
	}
}
