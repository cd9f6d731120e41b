package oidfissuer_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
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
							all = append(all, variant{format, auth, rar, encrypted, preAuthorized, offered})
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
		keys = append(keys, newKey(t))
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

// unlinkable demands that nothing shows that the credentials are of one batch.
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
