package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
)

// requestQuery is what the doctor asks for. Nobody will answer it.
const requestQuery = `{"dcql_query":{"credentials":[{"id":"doctor","format":"%FORMAT","meta":%META,"claims":[{"path":%PATH}]}]},"flow":"cross_device"}`

// queries ask in either format: a verifier may trust issuers of one alone.
func queries() []string {
	fill := func(format, meta, path string) string {
		return strings.NewReplacer("%FORMAT", format, "%META", meta, "%PATH", path).Replace(requestQuery)
	}
	return []string{
		fill("dc+sd-jwt", `{"vct_values":["urn:tegata:identity:jp:1"]}`, `["family_name"]`),
		fill("mso_mdoc", `{"doctype_value":"id.tegata.identity.jp.1"}`, `["id.tegata.identity.jp.1","family_name"]`),
	}
}

// transaction is one that the doctor started.
type transaction struct {
	ID         string `json:"id"`
	Link       string `json:"link"`
	RequestURI string `json:"request_uri"`
}

// requestObject is what two requests are compared by.
type requestObject struct{ nonce, key string }

// verifier looks at a verifier: its pages, and with the API's token at two of
// its requests.
func (d *doctor) verifier(ctx context.Context, id string) {
	d.pages(ctx, id)
	if d.target.APITokens[id] == "" {
		d.Warn(id, "give the configuration of the verifier, which names its token", "request objects were not looked at, because that takes the API's token")
		return
	}
	if !d.trusted[originOf(id)] {
		d.Warn(id, "put TLS right first", "request objects were not looked at, because the API's token is not sent over TLS with a fault")
		return
	}
	var objects []requestObject
	for range 2 {
		t, ok := d.start(ctx, id)
		if !ok {
			return
		}
		object, ok := d.request(ctx, id, t)
		d.cancel(ctx, id, t)
		if !ok {
			return
		}
		objects = append(objects, object)
	}
	switch where := id + "/requests"; {
	case objects[0].key == objects[1].key:
		d.Fault(where, "let nothing cache request objects, and run the released binary", "two requests have the same encryption key: HAIP 1.0 demands a new one for each")
	case objects[0].nonce == objects[1].nonce:
		d.Fault(where, "let nothing cache request objects, and run the released binary", "two requests have the same nonce")
	default:
		d.OK(where, "each request has a nonce and an encryption key of its own")
	}
}

var presetID = regexp.MustCompile(`name="preset"[^>]*value="([A-Za-z0-9_.-]+)"`)

// pages looks at the start page and at the cookie that it leads to.
func (d *doctor) pages(ctx context.Context, id string) {
	a, ok := d.get(ctx, id+"/", "text/html", "let the proxy forward everything under the origin to the service")
	if !ok {
		return
	}
	d.cookies(id+"/", a)
	if a.header.Get("Content-Security-Policy") == "" {
		d.Fault(id+"/", "let the proxy pass Content-Security-Policy on", "the page has no Content-Security-Policy")
	}
	preset := presetID.FindSubmatch(a.body)
	if preset == nil {
		return
	}
	form := url.Values{"preset": {string(preset[1])}, "flow": {"cross_device"}}.Encode()
	header := http.Header{"Origin": {originOf(id)}, "Sec-Fetch-Site": {"same-origin"}}
	a, err := d.client.post(ctx, id+"/start", "application/x-www-form-urlencoded", []byte(form), header)
	switch {
	case err != nil:
		d.Fault(id+"/start", "look at the log of the service and of the proxy", "no answer: %s", short(err))
	case a.status == http.StatusServiceUnavailable:
		d.Fault(id+"/start", "look at /readyz of the admin listener, which names the store that is away", "the answer is 503: a store is away")
	case a.status != http.StatusSeeOther:
		d.Fault(id+"/start", "let the proxy pass Origin and Host on unchanged", "a browser can't start: the answer is %d", a.status)
	case a.header.Get("Set-Cookie") == "":
		d.Fault(id+"/start", "let the proxy pass Set-Cookie on unchanged", "no cookie is set, so the result would reach nobody")
	default:
		d.cookies(id+"/start", a)
	}
}

// start creates a transaction as a relying party does.
func (d *doctor) start(ctx context.Context, id string) (transaction, bool) {
	where := id + "/api/transactions"
	var last *answer
	for _, query := range queries() {
		header := http.Header{"Authorization": {"Bearer " + d.target.APITokens[id]}}
		a, err := d.client.post(ctx, where, "application/json", []byte(query), header)
		if err != nil {
			d.Fault(where, "let the proxy forward the path to the service", "no answer: %s", short(err))
			return transaction{}, false
		}
		var t transaction
		switch created := a.status == http.StatusCreated && json.Unmarshal(a.body, &t) == nil; {
		case created && t.RequestURI != "":
			return t, true
		case created:
			d.cancel(ctx, id, t)
			d.Warn(where, "set verifier.request.client_id_prefix to x509_hash", "requests are not signed: wallets can't tell who asks, and there is nothing more to look at")
			return transaction{}, false
		}
		if last = a; a.status != http.StatusBadRequest {
			break // the other format would not help
		}
	}
	fix := "look at the log of the service"
	switch last.status {
	case http.StatusUnauthorized:
		fix = "restart the service after changing api_token_file, and let the proxy pass Authorization on"
	case http.StatusServiceUnavailable:
		fix = "look at /readyz of the admin listener, which names the store that is away"
	}
	d.Fault(where, fix, "no transaction can be started: the answer is %d", last.status)
	return transaction{}, false
}

// cancel takes the transaction back. If that fails, it ends by itself.
func (d *doctor) cancel(ctx context.Context, id string, t transaction) {
	header := http.Header{"Authorization": {"Bearer " + d.target.APITokens[id]}}
	_, _ = d.client.do(ctx, http.MethodDelete, id+"/api/transactions/"+url.PathEscape(t.ID), nil, header)
}

// request fetches a request object and reads it as a wallet does.
func (d *doctor) request(ctx context.Context, id string, t transaction) (requestObject, bool) {
	where := id + "/requests"
	link, err := openid4vp.ParseRequestLink(t.Link)
	if err != nil {
		d.Fault(where, "correct verifier.wallet_url", "the link is not acceptable: %s", err)
		return requestObject{}, false
	}
	if link.RequestURI == "" { // the link holds the request, which is served all the same
		link.RequestURI = t.RequestURI
	}
	if !strings.HasPrefix(link.RequestURI, id+"/") {
		d.Fault(where, "set verifier.origin to the origin that wallets reach", "request_uri is not under %s", id)
		return requestObject{}, false
	}
	a, ok := d.get(ctx, link.RequestURI, openid4vp.RequestObjectMediaType, "let the proxy forward /requests/ to the service")
	if !ok {
		return requestObject{}, false
	}
	object := strings.TrimSpace(string(a.body))
	jws, err := jose.Parse(object)
	if err != nil {
		d.Fault(where, "let the proxy pass the request object on unchanged", "the request object is not acceptable: %s", err)
		return requestObject{}, false
	}
	if !d.signer(where, jws) {
		return requestObject{}, false
	}
	var claims openid4vp.AuthorizationRequest
	if err := jose.UnmarshalJSON(jws.UnverifiedPayload(), &claims); err != nil {
		d.Fault(where, "run the released binary", "the request object is %s", err)
		return requestObject{}, false
	}
	if !d.clientID(where, id, link, jws, &claims) {
		return requestObject{}, false
	}
	d.judged(ctx, where, object, link)
	return d.encryption(where, &claims)
}

// signer judges type, chain and signature of a request object.
func (d *doctor) signer(where string, jws *jose.Unverified) bool {
	faults, now, chain := d.Count("fault"), d.opt.Now(), jws.Header.X5C
	const keys = "put the leaf first and leave the anchor out of verifier.keys.request.chain_file"
	if jws.Header.Typ != "oauth-authz-req+jwt" {
		d.Fault(where, "run the released binary", "the typ of the request object is %q", jws.Header.Typ)
	}
	if len(chain) == 0 {
		d.Fault(where, keys, "the request object has no x5c")
		return false
	}
	for i, c := range chain {
		switch {
		case i == 0 && selfSigned(c):
			d.Fault(where, "have a CA that wallets trust certify the key of verifier.keys.request", "the leaf of the request object is self-signed")
		case selfSigned(c):
			d.Fault(where, keys, "the chain of the request object includes its trust anchor, which HAIP 1.0 forbids")
		}
		switch {
		case now.After(c.NotAfter):
			d.Fault(where, "renew the certificate of verifier.keys.request", "certificate %d of the request object expired at %s", i, c.NotAfter.UTC().Format(time.RFC3339))
		case now.Before(c.NotBefore):
			d.Fault(where, "wait, or set the clock", "certificate %d of the request object is not valid yet", i)
		case c.NotAfter.Sub(now) < d.opt.Expiry:
			d.Warn(where, "renew the certificate of verifier.keys.request", "certificate %d of the request object expires soon, at %s", i, c.NotAfter.UTC().Format(time.RFC3339))
		}
		if i > 0 && chain[i-1].CheckSignatureFrom(c) != nil {
			d.Fault(where, keys, "certificate %d of the request object did not issue the one before", i)
		}
	}
	if err := trust.ProfileVerifierAccess.CheckSigner(chain[0]); err != nil {
		d.Fault(where, "have the CA issue a certificate for request objects", "the certificate of the request object: %s", err)
	}
	if _, err := jws.Verify(chain[0].PublicKey); err != nil {
		d.Fault(where, "put key and certificate of verifier.keys.request in order", "the signature of the request object does not verify under its certificate")
	}
	return d.Count("fault") == faults
}

// clientID holds the request object against the client identifier and the
// origin.
func (d *doctor) clientID(where, id string, link openid4vp.RequestLink, jws *jose.Unverified, claims *openid4vp.AuthorizationRequest) bool {
	faults, leaf := d.Count("fault"), jws.Header.X5C[0]
	const fix = "start new transactions after changing verifier.keys.request, and restart every replica with the same certificate"
	if claims.ClientID != link.ClientID {
		d.Fault(where, fix, "client_id of the request object is not that of the link")
	}
	response, err := url.Parse(claims.ResponseURI)
	if err != nil || !strings.HasPrefix(claims.ResponseURI, id+"/") {
		d.Fault(where, "set verifier.origin to the origin that wallets reach", "response_uri %q is not under %s", claims.ResponseURI, id)
		response = &url.URL{}
	}
	client, err := openid4vp.ParseClientID(claims.ClientID)
	switch {
	case err != nil:
		d.Fault(where, fix, "client_id: %s", err)
	case strings.HasPrefix(claims.ClientID, "x509_hash:"):
		if claims.ClientID != openid4vp.X509HashClientID(leaf) {
			d.Fault(where, fix, "client_id is not the hash of the certificate that signed the request object")
		}
	case strings.HasPrefix(claims.ClientID, "x509_san_dns:"):
		if leaf.VerifyHostname(client.Value) != nil || response.Hostname() != client.Value {
			d.Fault(where, "use x509_hash, or a certificate with the host of the origin", "client_id, the certificate's name and the host of response_uri are not the same")
		}
	default:
		d.Fault(where, "use the prefix x509_hash", "client_id has no prefix that the certificate can prove")
	}
	if d.Count("fault") > faults {
		return false
	}
	d.OK(where, "the request object is signed by the key that client_id names, and leads back to this origin")
	return true
}

// judged reads the request object under the anchors that wallets have.
func (d *doctor) judged(ctx context.Context, where, object string, link openid4vp.RequestLink) {
	if len(d.target.VerifierAnchors) == 0 {
		d.Warn(where, "give the anchors that wallets trust with --verifier-anchors", "whether wallets trust the verifier was not looked at")
		return
	}
	_, err := openid4vp.ParseRequest(ctx, object, openid4vp.ParseOptions{
		ClientID: link.ClientID, Now: d.opt.Now,
		Trust: &trust.Policy{
			Anchors: d.target.VerifierAnchors, Profile: trust.ProfileVerifierAccess, Now: d.opt.Now,
			Revocation: trust.NotChecked("what is looked at is the path"),
		},
	})
	if err != nil {
		d.Fault(where, "have a CA that wallets trust certify the key of verifier.keys.request", "wallets refuse the request object: %s", err)
		return
	}
	d.OK(where, "wallets with the given anchors accept the request object")
}

// encryption looks at the key that responses are to be encrypted to.
func (d *doctor) encryption(where string, claims *openid4vp.AuthorizationRequest) (requestObject, bool) {
	const fix = "run the released binary: encryption keys are made for each request"
	if claims.ClientMetadata == nil {
		d.Fault(where, fix, "the request has no client_metadata and so no encryption key")
		return requestObject{}, false
	}
	e, err := claims.ClientMetadata.Encryption()
	switch {
	case err != nil:
		d.Fault(where, fix, "no encryption key of the request can be used: %s", err)
	case e.Key.Kid == "" || e.Key.Alg == "":
		d.Fault(where, fix, "the encryption key lacks kid or alg: some wallets then don't encrypt")
	case !claims.ResponseMode.Encrypted():
		d.Fault(where, fix, "the response mode %q does not ask for encryption", claims.ResponseMode)
	default:
		return requestObject{nonce: claims.Nonce, key: string(e.Thumbprint())}, true
	}
	return requestObject{}, false
}
