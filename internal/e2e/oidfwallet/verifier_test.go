package oidfwallet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

const origin = "https://verifier.test.invalid"

// mode is a combination that the suite has.
type mode struct {
	prefix, response, method string
	mdoc                     bool
}

func (m mode) String() string {
	format := "sd_jwt_vc"
	if m.mdoc {
		format = "iso_mdl"
	}
	return strings.Join([]string{format, m.prefix, m.response, m.method}, "-")
}

func (m mode) dcapi() bool     { return strings.HasPrefix(m.response, "dc_api") }
func (m mode) encrypted() bool { return strings.HasSuffix(m.response, ".jwt") }

// modes are the combinations that the wallet has, those of HAIP among them.
func modes() []mode {
	var out []mode
	for _, mdoc := range []bool{false, true} {
		for _, suffix := range []string{"", ".jwt"} {
			out = append(out,
				mode{"x509_hash", "direct_post" + suffix, "request_uri_signed", mdoc},
				mode{"x509_san_dns", "direct_post" + suffix, "request_uri_signed", mdoc},
				mode{"redirect_uri", "direct_post" + suffix, "url_query", mdoc},
				mode{"web-origin", "dc_api" + suffix, "request_uri_unsigned", mdoc},
				mode{"x509_hash", "dc_api" + suffix, "request_uri_signed", mdoc},
				mode{"x509_hash", "dc_api" + suffix, "request_uri_multisigned", mdoc})
		}
	}
	return out
}

// verifier is the suite's verifier, with one request.
type verifier struct {
	*peer
	mode
	wallet *holder.Wallet
	key    *ecdsa.PrivateKey
	// params is the request. linkID is what the link says the client is.
	params object
	linkID string
	signer *keys.Key
	// object changes the signed request, post has the wallet post for it.
	object func(string) string
	post   bool
	// reordered puts the parameters of the link in another order.
	reordered bool
	// redirect is what the answer to a response names.
	redirect string
	// instead answers for the request, answer for the response, in its place.
	instead, answer http.HandlerFunc

	fetched []url.Values
	posted  []url.Values
}

func newVerifier(t *testing.T, m mode) *verifier {
	t.Helper()
	v := &verifier{mode: m, key: wire.NewKey()}
	mux := http.NewServeMux()
	mux.HandleFunc(alias+"request", v.giveRequest)
	mux.HandleFunc("POST "+alias+"response", v.take)
	v.peer = newPeer(t, mux)
	v.signer, v.redirect = v.access, v.id+"done?a=b#response_code=c"
	v.wallet = v.newWallet(fetch.Options{})
	v.wallet.AcceptUnsigned = true
	for _, mdoc := range []bool{false, true} {
		if err := v.wallet.Vault.Add(t.Context(), []*holder.Held{v.held(mdoc)}); err != nil {
			t.Fatal(err)
		}
	}
	jwk := wire.JWK(&v.key.PublicKey)
	jwk["kid"], jwk["use"], jwk["alg"] = "k1", "enc", "ECDH-ES"
	v.params = object{
		"response_type": "vp_token", "response_mode": m.response, "nonce": rand.Text(),
		"dcql_query": v.query("given_name", "family_name"),
		"client_metadata": object{
			"jwks": object{"keys": []any{jwk}}, "encrypted_response_enc_values_supported": []string{"A128GCM", "A256GCM"},
			"vp_formats_supported": object{
				"dc+sd-jwt": object{"sd-jwt_alg_values": []string{"ES256"}, "kb-jwt_alg_values": []string{"ES256"}},
				"mso_mdoc":  object{"issuerauth_alg_values": []int{-7}, "deviceauth_alg_values": []int{-7}},
			},
		},
	}
	v.identify()
	return v
}

// identify says who asks.
func (v *verifier) identify() {
	response := v.id + "response"
	hash := "x509_hash:" + wire.B64(wire.Digest(v.signer.Chain[0].Raw))
	switch {
	case v.dcapi() && v.prefix == "web-origin":
	case v.dcapi():
		v.params["expected_origins"] = []string{origin}
		if v.method == "request_uri_signed" {
			v.params["client_id"] = hash
		}
	case v.prefix == "redirect_uri":
		v.params["client_id"], v.params["response_uri"] = "redirect_uri:"+response, response
	case v.prefix == "x509_san_dns":
		v.params["client_id"], v.params["response_uri"] = "x509_san_dns:localhost", v.named()+alias+"response"
	default:
		v.params["client_id"], v.params["response_uri"] = hash, response
	}
	if v.method == "request_uri_signed" && !v.dcapi() {
		v.params["aud"] = "https://self-issued.me/v2"
	}
	v.linkID = wire.Text(v.params, "client_id")
}

// query asks for claims of the credential in the format.
func (v *verifier) query(names ...string) object {
	q := object{"id": "my_credential", "format": "dc+sd-jwt", "meta": object{"vct_values": []string{vct}}}
	if v.mdoc {
		q["format"], q["meta"] = "mso_mdoc", object{"doctype_value": doctype}
	}
	var list []any
	for _, name := range names {
		path := []string{name}
		if v.mdoc {
			path = []string{namespace, name}
		}
		list = append(list, object{"path": path})
	}
	if list != nil {
		q["claims"] = list
	}
	return object{"credentials": []any{q}}
}

// valued asks for one claim with a value.
func (v *verifier) valued(name, value string) object {
	q := v.query(name)
	q["credentials"].([]any)[0].(object)["claims"].([]any)[0].(object)["values"] = []string{value}
	return q
}

// held is a credential as the wallet would have received it.
func (v *verifier) held(mdoc bool) *holder.Held {
	key := wire.NewKey()
	all := credentials.Object{}
	for _, c := range claims {
		all[c[0]] = credentials.Text(c[1])
	}
	h := &holder.Held{
		ID: rand.Text(), Batch: rand.Text(), Issuer: v.id, ConfigurationID: vct, Format: credentials.FormatSDJWTVC, Type: vct,
		Raw: "", Key: key, Claims: all, Chain: append(slices.Clone(v.sd.Chain), v.ca.Certificate),
		ReceivedAt: time.Now(), ValidUntil: time.Now().Add(14 * 24 * time.Hour),
	}
	if !mdoc {
		h.Raw = v.issueSDJWT(&key.PublicKey, nil)
		return h
	}
	h.Format, h.Type, h.Raw, h.Claims = credentials.FormatMdoc, doctype, v.issueMdoc(&key.PublicKey), credentials.Object{namespace: all}
	h.Chain = append(slices.Clone(v.doc.Chain), v.iaca.Certificate)
	return h
}

// signed returns the request object.
func (v *verifier) signed() string {
	jws := wire.Sign(v.signer.Signer, object{"typ": "oauth-authz-req+jwt", "x5c": wire.X5C(v.signer.Chain)}, v.params)
	if v.object != nil {
		return v.object(jws)
	}
	return jws
}

func (v *verifier) giveRequest(rw http.ResponseWriter, r *http.Request) {
	if v.instead != nil {
		v.instead(rw, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		v.t.Error(err)
	}
	v.fetched = append(v.fetched, r.PostForm)
	if nonce := r.PostForm.Get("wallet_nonce"); nonce != "" {
		v.params["wallet_nonce"] = nonce
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/oauth-authz-req+jwt") {
		v.t.Errorf("the wallet: Accept %q", r.Header.Get("Accept"))
	}
	rw.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
	_, _ = rw.Write([]byte(v.signed()))
}

func (v *verifier) take(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		v.t.Errorf("the wallet: Content-Type %q, query %q, %v", r.Header.Get("Content-Type"), r.URL.RawQuery, err)
	}
	v.posted = append(v.posted, r.PostForm)
	if v.answer != nil {
		v.answer(rw, r)
		return
	}
	write(rw, 200, object{"redirect_uri": v.redirect, "unknown": 1})
}

// link is what the wallet is started with.
func (v *verifier) link() string {
	if v.method == "url_query" {
		q := url.Values{}
		for name, value := range v.params {
			s, ok := value.(string)
			if !ok {
				s = string(wire.JSON(value))
			}
			q.Set(name, s)
		}
		return withQuery("openid4vp://", q)
	}
	base := v.id
	if v.prefix == "x509_san_dns" {
		base = v.named() + alias
	}
	parts := []string{"client_id=" + url.QueryEscape(v.linkID), "request_uri=" + url.QueryEscape(base+"request")}
	if v.post {
		parts = append(parts, "request_uri_method=post")
	}
	if v.reordered {
		slices.Reverse(parts)
	}
	return "haip-vp://?" + strings.Join(parts, "&")
}

// dcapiRequest returns protocol and data for the Digital Credentials API.
func (v *verifier) dcapiRequest() (string, json.RawMessage) {
	var data any
	protocol := "openid4vp-v1-unsigned"
	switch v.method {
	case "request_uri_signed":
		protocol, data = "openid4vp-v1-signed", object{"request": v.signed()}
	case "request_uri_multisigned":
		protocol = "openid4vp-v1-multisigned"
		payload := wire.B64(wire.JSON(v.params))
		var signatures []any
		for _, signer := range []*keys.Key{v.rest, v.signer} {
			protected := wire.B64(wire.JSON(object{
				"alg": "ES256", "typ": "oauth-authz-req+jwt", "x5c": wire.X5C(signer.Chain),
				"client_id": "x509_hash:" + wire.B64(wire.Digest(signer.Chain[0].Raw)),
			}))
			jws := protected + "." + payload + "." + wire.B64(wire.SignRaw(signer.Signer, []byte(protected+"."+payload)))
			if v.object != nil {
				jws = v.object(jws)
			}
			signatures = append(signatures, object{"protected": protected, "signature": jws[strings.LastIndexByte(jws, '.')+1:]})
		}
		data = object{"request": object{"payload": payload, "signatures": signatures}}
	default:
		data = v.params
	}
	return protocol, wire.JSON(data)
}

// present has the wallet answer, and returns the parameters of the answer, nil if
// there is none.
func (v *verifier) present(ctx context.Context) (object, holder.Outcome, error) {
	if !v.dcapi() {
		outcome, err := v.wallet.Present(ctx, v.link(), holder.Approve())
		if len(v.posted) == 0 {
			return nil, outcome, err
		}
		if len(v.posted) > 1 {
			v.t.Errorf("the wallet: %d answers", len(v.posted))
		}
		answer := object{}
		for name, values := range v.posted[0] {
			if answer[name] = values[0]; name == "vp_token" {
				answer[name], _ = parse([]byte(values[0]))
			}
		}
		return v.open(answer), outcome, err
	}
	protocol, data := v.dcapiRequest()
	raw, err := v.wallet.PresentDCAPI(ctx, protocol, data, origin, holder.Approve())
	if raw == nil {
		return nil, holder.Outcome{}, err
	}
	answer, parseErr := parse(raw)
	if parseErr != nil {
		v.t.Fatal(parseErr)
	}
	return v.open(answer), holder.Outcome{}, err
}

// open decrypts an answer as the request demands.
func (v *verifier) open(answer object) object {
	if !v.encrypted() || answer["error"] != nil {
		return answer
	}
	if !only(answer, "response") {
		v.t.Errorf("the wallet: answer %v is not encrypted", answer)
		return nil
	}
	header, plain, err := wire.Decrypt(wire.Text(answer, "response"), v.key)
	if err != nil {
		v.t.Errorf("the wallet: %v", err)
		return nil
	}
	enc := wire.Text(header, "enc")
	if wire.Text(header, "alg") != "ECDH-ES" || enc != "A128GCM" && enc != "A256GCM" || wire.Text(header, "kid") != "k1" || header["cty"] != nil && header["cty"] != "json" {
		v.t.Errorf("the wallet: header %v", header)
	}
	opened, err := parse(plain)
	if err != nil {
		v.t.Error(err)
	}
	return opened
}
