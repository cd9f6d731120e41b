package openapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
)

const formType = "application/x-www-form-urlencoded"

// deployment is a running process and a client whose exchanges are checked.
type deployment struct {
	*sandbox.Sandbox
	t          *testing.T
	client     *http.Client
	validators map[openapi.Name]*openapitest.Validator
}

func (d *deployment) origin(name openapi.Name) string {
	return map[openapi.Name]string{openapi.Issuer: d.Issuer, openapi.Verifier: d.Verifier, openapi.Wallet: d.Provider}[name]
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Issuer.AttestationChallenges = true // so that there is an endpoint for them
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	a, err := app.New(ctx, cfg, app.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	d := &deployment{Sandbox: box, t: t, validators: map[openapi.Name]*openapitest.Validator{}}
	hosts := map[string]*openapitest.Validator{}
	for _, name := range openapi.Names() {
		v, err := openapitest.New(name, "")
		if err != nil {
			t.Fatal(err)
		}
		d.validators[name], hosts[strings.TrimPrefix(d.origin(name), "https://")] = v, v
	}
	pool := x509.NewCertPool()
	pool.AddCert(box.TLSRoot)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	d.client = &http.Client{
		Transport: openapitest.Transport(transport, hosts, t.Error), Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// send sends a request with headers as pairs and returns status and body.
func (d *deployment) send(method, target, body string, headers ...string) (int, []byte) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := d.client.Do(r)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, data
}

// TestSweep asks every documented operation in good and bad ways; every answer
// must be one of those that are documented.
func TestSweep(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	want := map[openapi.Name][]string{
		openapi.Issuer: {
			"GET /.well-known/openid-credential-issuer 200", "GET /.well-known/oauth-authorization-server 200", "GET /.well-known/jwt-vc-issuer 200", "GET /openapi.yaml 200",
			"POST /admin/offers 201", "POST /admin/offers 401", "POST /admin/offers 413", "POST /admin/offers 415", "POST /nonce 200", "POST /challenge 200",
			"POST /par 401", "POST /token 413", "POST /credential 401", "GET /login 400", "POST /login/test 400", "POST /review 403",
			"GET /types/{name} 200", "GET /status-lists 200", "GET /status-lists/{id} 404", "GET /offers/{id} 404", "GET /offers/{id}/page 404", "POST /admin/offers 400", "GET /status-lists/{id} 406", "GET /assets/issuer.css 200", "GET /authorize 400",
		},
		openapi.Verifier: {
			"POST /api/transactions 201", "POST /api/transactions 400", "POST /api/transactions 401", "POST /api/transactions 413",
			"GET /api/transactions/{id} 404", "DELETE /api/transactions/{id} 404", "POST /start 303", "POST /start 403", "GET / 200",
			"GET /requests/{id} 404", "POST /responses/{id} 400", "POST /responses/{id} 413", "GET /assets/{name} 200", "GET /done 403",
		},
		openapi.Wallet: {
			"POST /challenges 200", "POST /instances 400", "POST /instances 413", "POST /instances 415",
			"POST /instances/{id}/key-attestations 400", "POST /admin/instances/{id}/revoke 401", "GET /openapi.yaml 200",
		},
	}
	for _, name := range openapi.Names() {
		for path, item := range load(t, name).Paths.Map() {
			for method, operation := range item.Operations() {
				for _, body := range bodiesOf(operation) {
					for _, headers := range d.credentials() {
						d.send(method, d.origin(name)+expand(path, item, operation), body.text, append(headers, body.headers...)...)
					}
				}
			}
		}
		seen := d.validators[name].Seen()
		for _, key := range want[name] {
			if !seen[key] {
				t.Errorf("%s: %s was not answered in the sweep", name, key)
			}
		}
	}
}

// credentials are headers of nobody, of the operators, of a browser and of a
// browser on a page of somebody else.
func (d *deployment) credentials() [][]string {
	return [][]string{
		nil,
		{"Authorization", "Bearer " + d.AdminToken},
		{"Authorization", "Bearer " + d.APIToken},
		{"Authorization", "DPoP x", "DPoP", "x", "OAuth-Client-Attestation", "x", "OAuth-Client-Attestation-PoP", "x", "Accept", "text/html"},
		{"Cookie", "__Host-issuer.sandbox.login=x; __Host-verifier.sandbox.session=x"},
		{"Cookie", "__Host-issuer.sandbox.login=x", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
	}
}

// sweepBody is a body with its headers.
type sweepBody struct {
	text    string
	headers []string
}

// bodiesOf returns the examples of an operation's body and what does not fit.
func bodiesOf(operation *openapi3.Operation) []sweepBody {
	if operation.RequestBody == nil {
		return []sweepBody{{}}
	}
	large := strings.Repeat("x", 600<<10)
	out := []sweepBody{
		{"", nil},
		{"{}", []string{"Content-Type", "application/json"}},
		{"[", []string{"Content-Type", "application/json"}},
		{`{"x":"` + large + `"}`, []string{"Content-Type", "application/json"}},
		{"a=1&a=2", []string{"Content-Type", formType}},
		{"%zz", []string{"Content-Type", formType}},
		{"a=" + large, []string{"Content-Type", formType}},
		{"x", []string{"Content-Type", "text/plain"}},
	}
	for mediaType, media := range operation.RequestBody.Value.Content {
		examples := []any{media.Example}
		for _, example := range media.Examples {
			examples = append(examples, example.Value.Value)
		}
		for _, example := range examples {
			out = append(out, sweepBody{encode(mediaType, example), []string{"Content-Type", mediaType}})
		}
	}
	return out
}

func encode(mediaType string, example any) string {
	fields, ok := example.(map[string]any)
	if mediaType != formType || !ok {
		data, err := json.Marshal(example)
		if err != nil {
			return ""
		}
		return string(data)
	}
	form := url.Values{}
	for name, value := range fields {
		text, _ := value.(string)
		form.Set(name, text)
	}
	return form.Encode()
}

// expand fills path and query with the examples of the parameters.
func expand(path string, item *openapi3.PathItem, operation *openapi3.Operation) string {
	query := url.Values{}
	for _, p := range append(append(openapi3.Parameters{}, item.Parameters...), operation.Parameters...) {
		text, _ := p.Value.Example.(string)
		switch p.Value.In {
		case openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(text))
		case openapi3.ParameterInQuery:
			query.Set(p.Value.Name, text)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// TestTransaction goes through the life of a transaction that a wallet
// declines.
func TestTransaction(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	auth := []string{"Authorization", "Bearer " + d.APIToken}
	query := `{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]}}]}`
	status, body := d.send(http.MethodPost, d.Verifier+"/api/transactions", `{"flow":"cross_device","dcql_query":`+query+`}`, append(auth, "Content-Type", "application/json")...)
	var created struct {
		ID         string `json:"id"`
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(body, &created); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	result := d.Verifier + "/api/transactions/" + created.ID
	for _, step := range []struct {
		method, target, body string
		headers              []string
		want                 int
	}{
		{http.MethodGet, result, "", auth, 200},
		{http.MethodGet, created.RequestURI, "", nil, 200},
		{http.MethodPost, created.RequestURI, "wallet_nonce=n", []string{"Content-Type", formType}, 200},
		{http.MethodGet, result + "?response_code=x", "", auth, 400},
		{http.MethodDelete, result, "", auth, 204},
		{http.MethodGet, result, "", auth, 404},
	} {
		if status, body := d.send(step.method, step.target, step.body, step.headers...); status != step.want {
			t.Errorf("%s %s: %d, want %d: %s", step.method, step.target, status, step.want, body)
		}
	}
}
