package holder_test

import (
	"context"
	"crypto"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/wallet/holder"
)

func TestAcceptOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var steps []string
	w.wallet.OnStep = func(s holder.Step) { steps = append(steps, s.From+" > "+s.To+": "+s.Name) }
	held := w.hold("sd", "doc")
	if len(held) != 6 || len(w.vault()) != 6 {
		t.Fatalf("%d credentials, %d in the vault, want 6", len(held), len(w.vault()))
	}
	seen := map[string]bool{}
	for _, h := range w.vault() {
		thumbprint, err := jose.ThumbprintOf(h.Key.Public())
		if err != nil || seen[thumbprint] {
			t.Errorf("key of %s: %v or not its own", h.ConfigurationID, err)
		}
		seen[thumbprint] = true
		if h.Issuer != w.base || len(h.Chain) != 2 || h.Status == nil || h.ValidUntil.IsZero() {
			t.Errorf("held %+v", h)
		}
	}
	if got := w.par; got.Get("scope") != "sd doc" || got.Get("issuer_state") != "the-offer" || got.Get("code_challenge_method") != "S256" {
		t.Errorf("pushed request %v", got)
	}
	if diff := cmp.Diff([]string{"n-sd credential_accepted", "n-doc credential_accepted"}, w.events); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"wallet > issuer: issuer metadata",
		"wallet > authorization server: authorization server metadata",
		"wallet > authorization server: pushed authorization request",
		"browser > authorization server: authorization",
		"wallet > authorization server: token",
		"wallet > issuer: nonce", "wallet > issuer: credential",
		"wallet > issuer: nonce", "wallet > issuer: credential",
		"wallet > issuer: notification", "wallet > issuer: notification",
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
}

// TestAcceptOfferTolerates has what honest issuers do differently.
func TestAcceptOfferTolerates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*world)
		link    func(*world) string
		want    int
	}{
		"offer by reference, without grants": {
			link: func(w *world) string {
				return "openid-credential-offer://?credential_offer_uri=" + url.QueryEscape(w.base+"/offer")
			}, want: 3,
		},
		"DPoP nonces":            {prepare: func(w *world) { w.badDPoP = 1 }, want: 3},
		"one stale c_nonce":      {prepare: func(w *world) { w.badNonces = 1 }, want: 3},
		"credential identifiers": {prepare: func(w *world) { w.details = true }, want: 3},
		"no batches": {
			prepare: func(w *world) { w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.Batch = nil } }, want: 1,
		},
		"a wallet that wants more than the issuer gives": {
			prepare: func(w *world) {
				w.wallet.BatchSize = 100
				w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.Batch.Size = 4 }
			}, want: 4,
		},
		"fewer credentials than keys": {
			prepare: func(w *world) {
				w.respond = func(r *openid4vci.CredentialResponse) { r.Credentials = r.Credentials[:2] }
			}, want: 2,
		},
		"encrypted both ways": {prepare: func(w *world) { w.encrypt() }, want: 3},
		"proofs of type attestation": {
			prepare: func(w *world) {
				w.editIssuer = func(m *openid4vci.IssuerMetadata) {
					m.Configurations["sd"].ProofTypes = map[string]openid4vci.ProofType{
						openid4vci.ProofTypeAttestation: {SigningAlgorithms: []string{"ES256"}},
					}
				}
				w.proofs = func(p *openid4vci.Proofs) bool { return len(p.Attestation) == 1 && p.JWT == nil }
			}, want: 3,
		},
		"one proof of type jwt for all attested keys": {
			prepare: func(w *world) {
				w.editIssuer = func(m *openid4vci.IssuerMetadata) {
					m.Configurations["sd"].ProofTypes = map[string]openid4vci.ProofType{
						openid4vci.ProofTypeJWT: {
							SigningAlgorithms: []string{"ES256"}, KeyAttestations: &openid4vci.KeyAttestationsRequired{},
						},
						openid4vci.ProofTypeAttestation: {SigningAlgorithms: []string{"ES384"}},
					}
				}
				w.proofs = func(p *openid4vci.Proofs) bool { return len(p.JWT) == 1 && p.Attestation == nil }
			}, want: 3,
		},
		"proofs of type jwt alone": {
			prepare: func(w *world) { w.proofs = func(p *openid4vci.Proofs) bool { return len(p.JWT) == 3 } }, want: 3,
		},
		"deferred": {prepare: func(w *world) {
			w.deferrals = 2
			w.wallet.Wait = func(_ context.Context, d time.Duration) error {
				if d != 5*time.Second {
					w.t.Errorf("waited %v", d)
				}
				return nil
			}
		}, want: 3},
		"pre-authorized, with transaction code": {link: preAuthorized, want: 3},
		"no notification wanted":                {prepare: func(w *world) { w.respond = func(r *openid4vci.CredentialResponse) { r.NotificationID = "" } }, want: 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			link := w.offer("sd")
			if tt.link != nil {
				link = tt.link(w)
			}
			held, err := w.wallet.AcceptOffer(t.Context(), link, w)
			if err != nil || len(held) != tt.want {
				t.Errorf("%d credentials, want %d, %v", len(held), tt.want, err)
			}
		})
	}
}

// preAuthorized is an offer without an authorization code grant.
func preAuthorized(w *world) string {
	o := openid4vci.CredentialOffer{
		CredentialIssuer: w.base, ConfigurationIDs: []string{"sd"},
		Grants: &openid4vci.Grants{PreAuthorizedCode: &openid4vci.PreAuthorizedCodeGrant{Code: "pre", TxCode: &openid4vci.TxCode{}}},
	}
	link, err := openid4vci.OfferLink{Offer: &o}.String(openid4vci.SchemeOffer)
	if err != nil {
		w.t.Fatal(err)
	}
	return link
}

// TxCode plays the person who reads a transaction code from a letter.
func (w *world) TxCode(context.Context, openid4vci.TxCode) (string, error) { return "493536", nil }

// negative is an issuance that must end with nothing in the vault.
type negative struct {
	// spoil makes the fault; the honest twin is the same world without it.
	spoil func(*world)
	ids   []string
	want  error
	// code, if not empty, is the error code in the error.
	code string
	// untouched are endpoints that must not have been called.
	untouched []string
	events    []string
}

func TestNeg(t *testing.T) {
	t.Parallel()
	strange, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	afterCallback := []string{"/token", "/nonce", "/credential"}
	failure := []string{"n-sd credential_failure"}
	tests := map[string]negative{
		"VCI-AZ-09 iss of another server": {
			spoil: func(w *world) {
				w.callback = func(q url.Values) string { q.Set("iss", "https://other.test.invalid"); return "" }
			}, want: holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 no iss": {
			spoil: func(w *world) { w.callback = func(q url.Values) string { q.Del("iss"); return "" } },
			want:  holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 another state": {
			spoil: func(w *world) { w.callback = func(q url.Values) string { q.Set("state", "x"); return "" } },
			want:  holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 no state": {
			spoil: func(w *world) { w.callback = func(q url.Values) string { q.Del("state"); return "" } },
			want:  holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 code twice": {
			spoil: func(w *world) { w.callback = func(q url.Values) string { q.Add("code", "x"); return "" } },
			want:  holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 callback at another address": {
			spoil: func(w *world) { w.callback = func(url.Values) string { return "https://other.test.invalid/callback" } },
			want:  holder.ErrCallback, untouched: afterCallback,
		},
		"VCI-AZ-09 error response": {
			spoil: func(w *world) {
				w.callback = func(q url.Values) string { q.Del("code"); q.Set("error", "access_denied"); return "" }
			}, code: openid4vci.CodeAccessDenied, untouched: afterCallback,
		},
		"VCI-MD-06 metadata of another issuer": {
			spoil: func(w *world) {
				w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.CredentialIssuer = w.base + "/" }
			}, untouched: append([]string{"/par", openid4vci.WellKnownAuthorizationServer}, afterCallback...),
		},
		"HAIP-06 metadata of another authorization server": {
			spoil: func(w *world) {
				w.editServer = func(m *openid4vci.AuthorizationServerMetadata) { m.Issuer = w.base + "/" }
			}, untouched: append([]string{"/par"}, afterCallback...),
		},
		"HAIP-03 no PKCE": {
			spoil: func(w *world) {
				w.editServer = func(m *openid4vci.AuthorizationServerMetadata) { m.CodeChallengeMethodsSupported = nil }
			}, untouched: append([]string{"/par"}, afterCallback...),
		},
		"VCI-OFF-03 unknown configuration": {
			spoil: func(*world) {}, ids: []string{"sd", "unknown"}, code: openid4vci.CodeUnknownCredentialConfiguration,
			untouched: append([]string{"/par"}, afterCallback...),
		},
		"VCI-CR-21 stale c_nonce twice": {
			spoil: func(w *world) { w.badNonces = 2 }, code: openid4vci.CodeInvalidNonce,
		},
		"HAIP-04 DPoP nonce twice": {
			spoil: func(w *world) { w.badDPoP = 2 }, code: openid4vci.CodeUseDPoPNonce, untouched: []string{"/nonce", "/credential"},
		},
		"HAIP-04 DPoP nonce twice at the issuer": {
			spoil: func(w *world) { w.badDPoP, w.dpopAt = 2, "/credential" }, code: openid4vci.CodeUseDPoPNonce,
		},
		"FAPI-06 token that is not bound": {
			spoil: func(w *world) { w.tokenType = "Bearer" }, untouched: []string{"/nonce", "/credential"},
		},
		"VCI-CR-12 two credentials for one key": {
			spoil: func(w *world) {
				var first crypto.PublicKey
				w.draft = func(n int, d *credentials.Draft) {
					if n == 0 {
						first = d.HolderKey
					}
					d.HolderKey = first
				}
			}, want: holder.ErrCredential, events: failure,
		},
		"EU-W-03 bound to another key": {
			spoil: func(w *world) {
				w.draft = func(n int, d *credentials.Draft) {
					if n == 1 {
						d.HolderKey = strange.Public()
					}
				}
			}, want: holder.ErrCredential, events: failure,
		},
		"EU-W-03 mdoc bound to another key": {
			spoil: func(w *world) { w.draft = func(_ int, d *credentials.Draft) { d.HolderKey = strange.Public() } },
			ids:   []string{"doc"}, want: holder.ErrCredential, events: []string{"n-doc credential_failure"},
		},
		"EU-W-03 another vct": {
			spoil: func(w *world) { w.draft = func(_ int, d *credentials.Draft) { d.Type = "urn:test:other" } },
			want:  holder.ErrCredential, events: failure,
		},
		"EU-W-03 another doctype": {
			spoil: func(w *world) { w.draft = func(_ int, d *credentials.Draft) { d.Type = "org.test.other" } },
			ids:   []string{"doc"}, want: holder.ErrCredential, events: []string{"n-doc credential_failure"},
		},
		"VCI-CR-12 the same credential twice": {
			spoil: func(w *world) {
				w.respond = func(r *openid4vci.CredentialResponse) { r.Credentials[1] = r.Credentials[0] }
			}, want: holder.ErrCredential, events: failure,
		},
		"VCI-SE-04 one status entry for two copies": {
			spoil: func(w *world) { w.draft = func(_ int, d *credentials.Draft) { d.Status.Index = 7 } },
			want:  holder.ErrCredential, events: failure,
		},
		"EU-W-03 copies with different claims": {
			spoil: func(w *world) {
				w.draft = func(n int, d *credentials.Draft) { d.Claims["age"] = credentials.Int(n) }
			}, want: holder.ErrCredential, events: failure,
		},
		"VCI-CR-12 more credentials than keys": {
			spoil: func(w *world) {
				w.respond = func(r *openid4vci.CredentialResponse) { r.Credentials = append(r.Credentials, r.Credentials[0]) }
			}, want: holder.ErrCredential, events: failure,
		},
		"EU-W-03 issuer that is not trusted": {
			spoil: func(w *world) { w.wallet.IssuerTrust[credentials.FormatSDJWTVC].Anchors[0] = w.iaca.Anchor() },
			want:  holder.ErrCredential, events: failure,
		},
		"VCI-EN-06 answer that is not encrypted": {
			spoil: func(w *world) { w.encrypt(); w.plain = true },
		},
		"VCI-DF-06 nobody to wait": {
			spoil: func(w *world) { w.deferrals = 1 }, want: holder.ErrDeferred, untouched: []string{"/deferred"},
		},
		"EU-W-03 second of two offered is bad": {
			spoil: func(w *world) {
				w.draft = func(_ int, d *credentials.Draft) {
					if d.Type == doctype {
						d.HolderKey = strange.Public()
					}
				}
			}, ids: []string{"sd", "doc"}, want: holder.ErrCredential,
			events: []string{"n-sd credential_failure", "n-doc credential_failure"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.spoil(w)
			if tt.ids == nil {
				tt.ids = []string{"sd"}
			}
			held, err := w.wallet.AcceptOffer(t.Context(), w.offer(tt.ids...), w)
			if err == nil || held != nil || len(w.vault()) != 0 {
				t.Fatalf("%d credentials, %d in the vault, %v", len(held), len(w.vault()), err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) || openid4vci.CodeOf(err) != tt.code {
				t.Errorf("error %v, want %v with code %q", err, tt.want, tt.code)
			}
			for _, path := range tt.untouched {
				if w.called(path) {
					t.Errorf("%s was called", path)
				}
			}
			if diff := cmp.Diff(tt.events, w.events); diff != "" {
				t.Error(diff)
			}
			// The honest twin: the same world without the fault.
			w = newWorld(t)
			ids := slices.DeleteFunc(slices.Clone(tt.ids), func(id string) bool { return id == "unknown" })
			if got := w.hold(ids...); len(got) != 3*len(ids) {
				t.Errorf("honest twin: %d credentials", len(got))
			}
		})
	}
}

// TestNegNonce has the issuer refuse a nonce: the wallet asks for another and proves
// other keys with it, since a key is attested once at most (EU-WP-03).
func TestNegNonce(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{0, 1, 2} {
		w := newWorld(t)
		w.badNonces = refusals
		seen := map[string]bool{}
		w.proofs = func(p *openid4vci.Proofs) bool {
			for _, proof := range p.JWT {
				u, err := jose.Parse(proof)
				if err != nil || seen[string(u.Header.JWK.Thumbprint())] {
					return false
				}
				seen[string(u.Header.JWK.Thumbprint())] = true
			}
			return true
		}
		held, err := w.wallet.AcceptOffer(t.Context(), w.offer("sd"), w)
		if (err == nil) != (refusals < 2) || (len(held) > 0) != (refusals < 2) || len(seen) != 3*(1+min(refusals, 1)) {
			t.Errorf("%d refusals: %d credentials, %d keys, %v", refusals, len(held), len(seen), err)
		}
	}
}
