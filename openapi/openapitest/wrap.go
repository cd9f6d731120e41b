package openapitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.yaml.in/yaml/v3"
)

// maxBody bounds the bodies that are kept, in bytes.
const maxBody = 4 << 20

// Handler returns next with every exchange checked; deviations are errors of
// the test. Responses are buffered, so it is not for streams.
func (v *Validator) Handler(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept, err := keep(&r.Body)
		if err != nil {
			t.Errorf("openapitest: request body: %v", err)
		}
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		err = v.Check(r.Context(), Exchange{
			Request: r, RequestBody: kept,
			Status: recorder.Code, Header: recorder.Header(), ResponseBody: recorder.Body.Bytes(),
		})
		if err != nil {
			t.Error(err)
		}
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		if recorder.Body.Len() == 0 {
			return // some statuses have no body
		}
		if _, err := w.Write(recorder.Body.Bytes()); err != nil {
			t.Logf("openapitest: %v", err)
		}
	})
}

// Transport returns a RoundTripper that sends through next and checks the
// exchanges with the hosts that have a validator: under "host:port" as in URLs,
// or under "host:port/path" if that is the path of the validator, for one of
// several roles on a host. Deviations are given to report, which may be called from any goroutine;
// a test's Error is one.
func Transport(next http.RoundTripper, hosts map[string]*Validator, report func(...any)) http.RoundTripper {
	return &transport{next: next, hosts: hosts, report: report}
}

type transport struct {
	next   http.RoundTripper
	hosts  map[string]*Validator
	report func(...any)
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	v := t.find(r)
	if v == nil {
		return t.next.RoundTrip(r)
	}
	// A RoundTripper must not change the request.
	sent := r.Clone(r.Context())
	requestBody, err := keep(&sent.Body)
	if err != nil {
		return nil, fmt.Errorf("openapitest: request body: %w", err)
	}
	response, err := t.next.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	body, err := keep(&response.Body)
	if err != nil {
		return nil, fmt.Errorf("openapitest: response body: %w", err)
	}
	err = v.Check(r.Context(), Exchange{
		Request: r, RequestBody: requestBody,
		Status: response.StatusCode, Header: response.Header, ResponseBody: body,
	})
	if err != nil {
		t.report(err)
	}
	return response, nil
}

// find returns the validator for a request, or nil.
func (t *transport) find(r *http.Request) *Validator {
	if v := t.hosts[r.URL.Host]; v != nil {
		return v
	}
	for name, v := range t.hosts {
		if _, ok := v.own(r); ok && name == r.URL.Host+v.path {
			return v
		}
	}
	return nil
}

// keep reads the beginning of a body, up to maxBody, and puts it back.
func keep(body *io.ReadCloser) ([]byte, error) {
	if *body == nil || *body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(*body, maxBody))
	if err != nil {
		return nil, err
	}
	*body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), *body), *body}
	return data, nil
}

func decodeYAML(body []byte) (any, error) {
	var value any
	if err := yaml.Unmarshal(body, &value); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return value, nil
}
