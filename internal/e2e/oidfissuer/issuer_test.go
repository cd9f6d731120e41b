package oidfissuer_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// every is the product of the parameters.
func every() (all []variant) {
	truth := []bool{false, true}
	for _, format := range []string{"sd_jwt_vc", "mdoc"} {
		for _, auth := range []string{"client_attestation", "private_key_jwt"} {
			for _, rar := range truth {
				for _, encrypted := range truth {
					for _, preAuthorized := range truth {
						for _, offered := range truth {
							if preAuthorized && !offered {
								continue // such a code comes with an offer
							}
							all = append(all, variant{format, auth, rar, encrypted, preAuthorized, offered, ""})
						}
					}
				}
			}
		}
	}
	return all
}

// noise are parameters that mean nothing and must be ignored.
func noise() object { return object{"x" + rand.Text(): rand.Text(), "y" + rand.Text(): "1"} }

func noisy(form url.Values, _ http.Header) {
	for name, value := range noise() {
		form.Set(name, value.(string))
	}
}

// happy goes all the way, and notifies unless it is told to skip that.
func (c *wallet) happy(t *testing.T, skipNotification bool) *facts {
	t.Helper()
	request := c.credentialRequest(t, c.obtain(t, noisy), c.holder)
	for name, value := range noise() {
		request[name] = value
	}
	credentials, notificationID := c.received(t, c.ask(t, request, false))
	if len(credentials) != 1 {
		t.Fatalf("%d credentials for one proof", len(credentials))
	}
	f := c.check(t, credentials[0], &c.holder.PublicKey)
	if !skipNotification {
		c.notify(t, notificationID, noise())
	}
	return f
}

// TestIssuer runs the modules of the plan oid4vci-1_0-issuer-test-plan.
func TestIssuer(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	each := func(name string, variants []variant, module func(t *testing.T, c *wallet)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range variants {
				t.Run(v.String(), func(t *testing.T) { module(t, w.wallet(t, v)) })
			}
		})
	}
	each("happy-flow", every(), func(t *testing.T, c *wallet) {
		t.Helper()
		c.happy(t, false)
		if c.encrypted {
			credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, c.identifiers(), c.holder), true))
			c.check(t, credentials[0], &c.holder.PublicKey)
		}
	})
	each("happy-flow-skip-notification", haip, func(t *testing.T, c *wallet) { t.Helper(); c.happy(t, true) })
	each("happy-flow-additional-requests", haip, additionalRequests)
	each("happy-flow-multiple-clients", slices.DeleteFunc(every(), func(v variant) bool { return v.encrypted || v.offered }), multipleClients)
	each("batch-issuance", slices.DeleteFunc(every(), func(v variant) bool { return v.preAuthorized || v.offered }), batchIssuance)
	negatives(each)
	t.Run("metadata-test", func(t *testing.T) { t.Parallel(); w.checkMetadata(t) })
	t.Run("metadata-test-signed", func(t *testing.T) { t.Parallel(); w.checkSignedMetadata(t) })
}

// TestIssuerNonces (HAIP-04) is the happy flow where the issuer demands DPoP nonces and
// attestation challenges, as the suite's own issuer does.
func TestIssuerNonces(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *config.Issuer) { c.DPoPNonces, c.AttestationChallenges = true, true })
	for _, v := range every() {
		if !v.encrypted && !v.rar {
			t.Run(v.String(), func(t *testing.T) { w.wallet(t, v).happy(t, false) })
		}
	}
}

// TestIssuerKeyAttestation runs modules where attested keys are demanded.
func TestIssuerKeyAttestation(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *config.Issuer) {
		level := config.KeyAttestation{KeyStorage: []string{"iso_18045_high", "iso_18045_moderate"}, UserAuthentication: []string{"iso_18045_moderate"}}
		c.KeyAttestations = map[string]config.KeyAttestation{"urn:tegata:identity:jp:1": level, "id.tegata.identity.jp.1": level}
	})
	for name, module := range map[string]func(*testing.T, *wallet){
		"happy-flow":     func(t *testing.T, c *wallet) { t.Helper(); c.happy(t, false) },
		"batch-issuance": batchIssuance,
		"fail-invalid-key-attestation-signature": func(t *testing.T, c *wallet) {
			t.Helper()
			identifiers := c.obtain(t)
			request := c.credentialRequest(t, identifiers, c.holder)
			request["proofs"] = c.proofs(t, wire.Spoil, c.holder)
			c.ask(t, request, false).refused(t, "invalid_proof")
			credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, identifiers, c.holder), false))
			c.check(t, credentials[0], &c.holder.PublicKey)
		},
		"fail-missing-proof": func(t *testing.T, c *wallet) { // a proof without the attestation that is demanded
			t.Helper()
			request := c.credentialRequest(t, c.obtain(t), c.holder)
			request["proofs"] = object{"jwt": []string{c.keyProof(t, c.holder, c.nonce(t), "", nil)}}
			c.ask(t, request, false).refused(t, "invalid_proof")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range every() {
				for _, v.proofType = range []string{"attestation", "jwt.keyattest"} {
					if !v.rar && !v.offered {
						t.Run(v.String(), func(t *testing.T) { module(t, w.wallet(t, v)) })
					}
				}
			}
		})
	}
}

// TestIssuerEncryptionRequired (I24) runs modules where nothing is taken or given
// in clear.
func TestIssuerEncryptionRequired(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *config.Issuer) { c.EncryptionRequired = true })
	for _, v := range haip {
		t.Run("happy-flow/"+v.String(), func(t *testing.T) {
			c := w.wallet(t, v)
			identifiers := c.obtain(t)
			c.ask(t, c.credentialRequest(t, identifiers, c.holder), false).refused(t, "invalid_encryption_parameters")
			c.encrypted = true
			credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, identifiers, c.holder), false))
			c.check(t, credentials[0], &c.holder.PublicKey)
		})
	}
	t.Run("metadata-test", func(t *testing.T) { w.checkMetadata(t) })
}

// TestIssuerWithPath runs modules against an issuer whose identifier has a path.
func TestIssuerWithPath(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *config.Issuer) { c.Path = "/13103" })
	t.Run("metadata-test", func(t *testing.T) { w.checkMetadata(t) })
	t.Run("metadata-test-signed", func(t *testing.T) { w.checkSignedMetadata(t) })
	for _, v := range every() {
		if !v.encrypted {
			t.Run("happy-flow/"+v.String(), func(t *testing.T) { w.wallet(t, v).happy(t, false) })
		}
	}
	for _, path := range []string{"/.well-known/openid-credential-issuer", "/.well-known/oauth-authorization-server"} {
		for _, wrong := range []string{w.identifier + path, w.box.Issuer + path} {
			if r := w.send(t, http.MethodGet, wrong, nil, nil); r.status != http.StatusNotFound {
				t.Errorf("%s: %d", wrong, r.status)
			}
		}
	}
}

// identifiers are those of a token for authorization_details: the issuer has one
// dataset of each configuration.
func (c *wallet) identifiers() []string {
	if c.rar {
		return []string{c.configuration()}
	}
	return nil
}

func additionalRequests(t *testing.T, c *wallet) {
	t.Helper()
	identifiers := c.obtain(t)
	for name, header := range map[string]http.Header{
		"IPv6 customer":     {"X-Fapi-Customer-Ip-Address": {"2001:db8::1893:25c8:1946"}, "X-Fapi-Interaction-Id": {"c770aef3-6784-41f7-8e0e-ff5f97bddb3a"}},
		"UTF-8 JSON":        {"Accept": {"application/json; charset=UTF-8"}},
		"permissive Accept": {"Accept": {"application/json, application/xml;q=0.5, */*;q=0.8"}},
	} {
		r := c.ask(t, c.credentialRequest(t, identifiers, c.holder), false, header)
		if r.status != http.StatusOK && r.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if id := r.header.Get("X-Fapi-Interaction-Id"); id != "" && id != header.Get("X-Fapi-Interaction-Id") {
			t.Errorf("%s: interaction id %q", name, id)
		}
	}
	c.w.checkTLS(t, c.endpoint("credential"))
}

func multipleClients(t *testing.T, c *wallet) {
	t.Helper()
	first := c.happy(t, true)
	second := c.w.walletNumber(t, c.variant, 1)
	second.redirectURI, second.state = secondReturns, rand.Text()+rand.Text()+rand.Text()+rand.Text()+rand.Text()
	second.state = second.state[:128]
	later := second.happy(t, true)
	if !slices.Equal(first.times, later.times) && time.Now().Minute() > 0 { // an hour may have begun in between
		t.Errorf("the times of two issuances differ: %v and %v", first.times, later.times)
	}
	stolen := *c
	stolen.token = second.token
	if r := stolen.ask(t, stolen.credentialRequest(t, c.identifiers(), c.holder), false); r.status < 400 || r.status > 499 {
		t.Errorf("the token of another client: %d", r.status)
	}
}

func batchIssuance(t *testing.T, c *wallet) {
	t.Helper()
	batch, _ := c.w.issuer["batch_credential_issuance"].(object)
	size, _ := batch["batch_size"].(float64)
	if size < 2 {
		t.Fatalf("batch_size %v", size)
	}
	var keys []*ecdsa.PrivateKey
	for range min(int(size), 20) {
		keys = append(keys, wire.NewKey())
	}
	credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, c.obtain(t), keys...), false))
	if len(credentials) != len(keys) {
		t.Fatalf("%d credentials for %d proofs", len(credentials), len(keys))
	}
	var all []*facts
	for _, credential := range credentials {
		all = append(all, c.check(t, credential, nil))
	}
	unlinkable(t, all)
	for _, key := range keys {
		if !slices.ContainsFunc(all, func(f *facts) bool { return f.key.Equal(&key.PublicKey) }) {
			t.Error("a proof got no credential")
		}
	}
}

// unlinkable (I29) demands that nothing shows that the credentials are of one batch.
func unlinkable(t *testing.T, all []*facts) {
	t.Helper()
	salts, places := map[string]bool{}, map[[2]any]bool{}
	for _, f := range all {
		if f.dataset != all[0].dataset {
			t.Errorf("datasets differ:\n%s\n%s", f.dataset, all[0].dataset)
		}
		for _, salt := range f.salts {
			if salts[salt] {
				t.Error("a salt is used twice")
			}
			salts[salt] = true
		}
		if place := [2]any{f.uri, f.index}; places[place] {
			t.Errorf("status %v is used twice", place)
		} else {
			places[place] = true
		}
		if f.uri != all[0].uri && len(all) > 2 {
			t.Logf("another status list: %s", f.uri) // when one is full
		}
	}
	if len(all) < 3 {
		return
	}
	step, progression := all[1].index-all[0].index, true
	for i := 2; i < len(all); i++ {
		progression = progression && all[i].index-all[i-1].index == step
	}
	if progression {
		t.Errorf("the status indexes are an arithmetic progression of step %v", step)
	}
}

// TestIssuerWithoutProviders is an issuer all of whose wallets have keys: it trusts no
// wallet provider, and promises nothing of theirs.
func TestIssuerWithoutProviders(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *config.Issuer) {
		c.WalletProviders = nil
		c.Wallets = slices.DeleteFunc(c.Wallets, func(w config.Wallet) bool { return !w.HasKeys() })
	})
	if methods := strings1(w.server["token_endpoint_auth_methods_supported"]); !slices.Equal(methods, []string{"private_key_jwt"}) {
		t.Errorf("methods %v", methods)
	}
	for name := range w.server {
		if strings.HasPrefix(name, "client_attestation") {
			t.Errorf("%s is in the metadata", name)
		}
	}
	for _, v := range every() {
		if c := w.wallet(t, v); v.auth == "private_key_jwt" && !v.rar && !v.encrypted {
			c.happy(t, false)
			types, _ := c.configured(t)["proof_types_supported"].(object)
			if _, ok := types["attestation"]; ok || len(types) == 0 {
				t.Errorf("proof types %v", types)
			}
		} else if v.auth != "private_key_jwt" {
			c.push(t).fails(t, "invalid_client")
		}
	}
}
