package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/wallet/holder"
)

// bothEnds is one deployment with a tenant for everything that configuration
// decides, and a wallet.
type bothEnds struct {
	*deployment
	// later is the issuer that has the operator approve everything.
	later *deployment
	// verifiers are by client identifier prefix, response mode and form.
	verifiers map[verifierForm]*sandbox.Tenant
	// host is where the verifiers are.
	host      string
	wallet    *holder.Wallet
	issued    atomic.Int32
	presented atomic.Int32
}

// verifierForm is what a verifier's configuration says of its requests.
type verifierForm struct {
	prefix  openid4vp.Prefix
	mode    openid4vp.ResponseMode
	byValue bool
}

func verifierForms() (all []verifierForm) {
	for _, mode := range []openid4vp.ResponseMode{openid4vp.DirectPost, openid4vp.DirectPostJWT} {
		for _, prefix := range []openid4vp.Prefix{openid4vp.X509Hash, openid4vp.X509SanDNS} {
			all = append(all, verifierForm{prefix, mode, false}, verifierForm{prefix, mode, true})
		}
		all = append(all, verifierForm{openid4vp.RedirectURI, mode, false})
	}
	return all
}

// TestBothEnds has the wallet engine deal with the issuer and the verifier in
// every combination that both know, and says how many those are.
func TestBothEnds(t *testing.T) {
	t.Parallel()
	b := &bothEnds{verifiers: map[verifierForm]*sandbox.Tenant{}}
	var later *sandbox.Tenant
	b.deployment = deploy(t, deployOptions{direct: true, prepare: func(box *sandbox.Sandbox) {
		later = tmMust(box.AddTenant(config.RoleIssuer, "later"))(t)
		setSection(t, later.File, config.RoleIssuer, "deferred", map[string]string{issuer.IdentityVCT: config.Approval, issuer.IdentityDoctype: config.Approval})
		for _, form := range verifierForms() {
			id := strings.NewReplacer("_", "", ".", "").Replace(string(form.prefix) + string(form.mode))
			if form.byValue {
				id += "value"
			}
			tenant := tmMust(box.AddTenant(config.RoleVerifier, id))(t)
			setVerifier(t, tenant.File, "request", map[string]any{
				"client_id_prefix": string(form.prefix), "response_mode": string(form.mode), "by_value": form.byValue,
			})
			// The certificates for requests name this host.
			tenant.BaseURL = strings.Replace(tenant.BaseURL, "127.0.0.1", "localhost", 1)
			origin, _, _ := strings.Cut(tenant.BaseURL, "/"+id)
			setVerifier(t, tenant.File, "origin", origin)
			b.host, b.verifiers[form] = strings.TrimPrefix(origin, "https://"), tenant
		}
	}})
	b.later = b.of(later)
	b.wallet = b.newWallet(t, b.host)
	t.Run("issuance", b.testIssuance)
	t.Run("presentation", b.testPresentation)
	t.Logf("%d of %d issuances and %d of %d presentations", b.issued.Load(), len(issuances()), b.presented.Load(), len(presentations()))
	if len(issuances()) != 72 || len(presentations()) != 48 {
		t.Error("there are 72 ways to issue and 48 to present")
	}
}

// wire is the network as a wallet sees it: it remembers what the wallet sends
// where, and the wallet sees the issuer's metadata through a glass.
type wire struct {
	holder.HTTP
	// glass changes the issuer's metadata; nil leaves them.
	glass func(map[string]any)

	mu    sync.Mutex
	calls []observation
}

type observation struct {
	method, url, sent, received string
	body                        []byte
}

// Get implements holder.HTTP.
func (o *wire) Get(ctx context.Context, address string, accept ...string) (*fetch.Response, error) {
	response, err := o.HTTP.Get(ctx, address, accept...)
	o.note(observation{method: http.MethodGet, url: address}, response)
	if err != nil || o.glass == nil || !strings.Contains(address, "/.well-known/openid-credential-issuer") {
		return response, err
	}
	var metadata map[string]any
	if err := json.Unmarshal(response.Body, &metadata); err != nil {
		return nil, err
	}
	o.glass(metadata)
	changed := *response
	changed.Body, err = json.Marshal(metadata)
	return &changed, err
}

// Post implements holder.HTTP.
func (o *wire) Post(ctx context.Context, address, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	response, err := o.HTTP.Post(ctx, address, contentType, body, headers)
	o.note(observation{method: http.MethodPost, url: address, sent: contentType, body: body}, response)
	return response, err
}

func (o *wire) note(call observation, response *fetch.Response) {
	if response != nil {
		call.received = response.ContentType
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, call)
}

// seen returns what was sent to addresses that contain a part.
func (o *wire) seen(part string) (calls []observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.calls {
		if strings.Contains(c.url, part) {
			calls = append(calls, c)
		}
	}
	return calls
}

// through returns a wallet that is observed, with what others share.
func (b *bothEnds) through(t *testing.T, glass func(map[string]any)) (*holder.Wallet, *wire) {
	t.Helper()
	w, o := b.newWallet(t), &wire{HTTP: b.wallet.HTTP, glass: glass}
	w.HTTP, w.Attester, w.AcceptUnsigned = o, b.wallet.Attester, true
	return w, o
}
