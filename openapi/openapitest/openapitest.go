// Package openapitest holds exchanges of tests against the OpenAPI documents:
// between a test and a handler with [Validator.Handler], or between a client
// and servers with [Transport].
//
// Every response must be as documented for its path, method and status: its
// headers, its media type and its body. A request must be as documented if it
// was accepted; what negative tests send is of no interest as long as it is
// refused in a documented way.
package openapitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/openapi"
)

// Validator compares exchanges with one document. It is safe for concurrent
// use.
type Validator struct {
	name openapi.Name
	doc  *openapi3.T
	path string

	mu   sync.Mutex
	seen map[string]bool
}

// New returns the validator of a document for a role that lives under path:
// empty, or with a leading and without a trailing slash.
func New(name openapi.Name, path string) (*Validator, error) {
	// The validation library knows no JWTs; to a schema they are text.
	openapi3filter.RegisterBodyDecoder("application/jwt", openapi3filter.PlainBodyDecoder)
	data := openapi.Document(name)
	if data == nil {
		return nil, fmt.Errorf("openapitest: there is no document %s", name)
	}
	return parse(name, data, path)
}

func parse(name openapi.Name, data []byte, path string) (*Validator, error) {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("openapitest: %s: %w", name, err)
	}
	return &Validator{name: name, doc: doc, path: path, seen: map[string]bool{}}, nil
}

// Exchange is a request and its response with their bodies.
type Exchange struct {
	Request      *http.Request
	RequestBody  []byte
	Status       int
	Header       http.Header
	ResponseBody []byte
}

// Check returns what of an exchange is not as documented, or nil. Requests by
// OPTIONS and HEAD are not documented and not looked at. A path or method that
// is not documented must be answered with 404 or 405.
func (v *Validator) Check(ctx context.Context, e Exchange) error {
	if e.Request.Method == http.MethodOptions || e.Request.Method == http.MethodHead {
		return nil
	}
	where := fmt.Sprintf("%s: %s %s: %d", v.name, e.Request.Method, e.Request.URL.Path, e.Status)
	route, params := v.route(e.Request)
	if route == nil {
		if e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed {
			return nil
		}
		return fmt.Errorf("%s: not documented", where)
	}
	request := e.Request.Clone(ctx)
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(e.RequestBody)), int64(len(e.RequestBody))
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: authenticated, SkipSettingDefaults: true, MultiError: true},
	}
	v.note(route, e.Status)
	if err := v.response(ctx, input, e); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if e.Status >= http.StatusBadRequest {
		return nil
	}
	if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
		return fmt.Errorf("%s: accepted request: %w", where, err)
	}
	return nil
}

// Seen returns the operations with statuses that exchanges have had so far, as
// in "POST /token 200".
func (v *Validator) Seen() map[string]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := make(map[string]bool, len(v.seen))
	for key := range v.seen {
		seen[key] = true
	}
	return seen
}

func (v *Validator) note(route *routers.Route, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen[fmt.Sprintf("%s %s %d", route.Method, route.Path, status)] = true
}

// route finds the operation of a request, or nil. A template without
// parameters is preferred (OpenAPI 3.1 section 4.8.8.2).
func (v *Validator) route(r *http.Request) (*routers.Route, map[string]string) {
	path, ok := v.own(r)
	if !ok {
		return nil, nil
	}
	if item := v.doc.Paths.Value(path); item != nil && !strings.Contains(path, "{") {
		return v.found(r, path, item), nil
	}
	for template, item := range v.doc.Paths.Map() {
		if params, ok := match(template, path); ok {
			return v.found(r, template, item), params
		}
	}
	return nil, nil
}

// own returns the path of a request as the document has it: without the path of
// the role, which comes last in well-known paths (RFC 8414 section 3.1) and first
// in all others.
func (v *Validator) own(r *http.Request) (path string, ok bool) {
	path = r.URL.EscapedPath()
	if v.path == "" {
		return path, true
	}
	if strings.HasPrefix(path, "/.well-known/") {
		return strings.CutSuffix(path, v.path)
	}
	path, ok = strings.CutPrefix(path, v.path)
	return path, ok && (path == "" || path[0] == '/')
}

func (v *Validator) found(r *http.Request, path string, item *openapi3.PathItem) *routers.Route {
	operation := item.Operations()[r.Method]
	if operation == nil {
		return nil
	}
	return &routers.Route{Spec: v.doc, Path: path, PathItem: item, Method: r.Method, Operation: operation}
}

// match compares a path with a template, segment by segment.
func match(template, path string) (map[string]string, bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) || !strings.Contains(template, "{") {
		return nil, false
	}
	params := map[string]string{}
	for i := range want {
		name, ok := strings.CutPrefix(want[i], "{")
		switch {
		case ok && got[i] != "":
			params[strings.TrimSuffix(name, "}")] = got[i]
		case want[i] != got[i]:
			return nil, false
		}
	}
	return params, true
}

// response checks status, headers, media type and body.
func (v *Validator) response(ctx context.Context, request *openapi3filter.RequestValidationInput, e Exchange) error {
	documented := request.Route.Operation.Responses.Status(e.Status)
	_, sometimes := request.Route.Operation.Extensions["x-tegata-condition"]
	switch {
	case documented == nil && sometimes && e.Status == http.StatusNotFound:
		return nil // the route does not exist here
	case documented == nil:
		return errors.New("the status is not documented")
	}
	err := openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: e.Status, Header: e.Header,
		Options: &openapi3filter.Options{ExcludeResponseBody: true},
	})
	if err != nil {
		return err
	}
	content := documented.Value.Content
	if len(content) == 0 {
		if len(e.ResponseBody) > 0 {
			return errors.New("there is a body and none is documented")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	described := content[mediaType]
	if described == nil {
		return fmt.Errorf("%s is not documented", mediaType)
	}
	value, err := decode(mediaType, e.ResponseBody)
	if err != nil {
		return err
	}
	return described.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse())
}

// decode returns the form in which a body is compared with its schema: JSON as
// values, with no name twice, and everything else as text.
func decode(mediaType string, body []byte) (any, error) {
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		var value any
		if err := jose.UnmarshalJSON(body, &value); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		return value, nil
	case mediaType == openapi.MediaType:
		return decodeYAML(body)
	}
	return string(body), nil
}

// authenticated demands that an accepted request has what a security scheme
// asks for. Whether it is the right one, the server knows.
func authenticated(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	header := in.RequestValidationInput.Request.Header
	scheme := in.SecurityScheme
	ok := false
	switch {
	case scheme.Type == "http":
		given, _, _ := strings.Cut(header.Get("Authorization"), " ")
		ok = strings.EqualFold(given, scheme.Scheme)
	case scheme.Type == "mutualTLS":
		state := in.RequestValidationInput.Request.TLS
		ok = state != nil && len(state.PeerCertificates) > 0
	case scheme.In == openapi3.ParameterInHeader:
		ok = header.Get(scheme.Name) != ""
	case scheme.In == openapi3.ParameterInCookie:
		before, after, _ := strings.Cut(scheme.Name, "TENANT")
		for _, cookie := range in.RequestValidationInput.Request.Cookies() {
			ok = ok || strings.HasPrefix(cookie.Name, before) && strings.HasSuffix(cookie.Name, after)
		}
	}
	if !ok {
		return fmt.Errorf("nothing for the security scheme %s", in.SecuritySchemeName)
	}
	return nil
}
