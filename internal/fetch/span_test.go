package fetch_test

import (
	"net/http"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestSpans (F04) looks for addresses in spans and for traces in requests.
func TestSpans(t *testing.T) {
	t.Parallel()
	var sent http.Header
	url, options := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		w.WriteHeader(http.StatusTeapot)
	})
	host := options.AllowLoopback[0]
	for _, operator := range []bool{false, true} {
		recorder := tracetest.NewSpanRecorder()
		o := options
		o.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
		if operator {
			o.AllowedHosts = []string{host}
		}
		client := newClient(t, o)
		_, _ = client.Get(t.Context(), url+"/secret?secret=1")
		_, _ = client.Get(t.Context(), "https://10.0.0.1/secret")
		for name := range sent {
			if strings.HasPrefix(name, "Trace") || name == "Baggage" {
				t.Errorf("the request says %s", name)
			}
		}
		var said []string
		for _, span := range recorder.Ended() {
			text := span.Name() + " " + span.SpanKind().String()
			for _, a := range span.Attributes() {
				text += " " + string(a.Key) + "=" + a.Value.String()
			}
			said = append(said, text)
		}
		want := []string{
			"fetch tests client http.request.method=GET http.response.status_code=418",
			"fetch tests client http.request.method=GET error.type=blocked",
		}
		if operator {
			want[0] = strings.Replace(want[0], " http.response", " server.address=127.0.0.1 http.response", 1)
		}
		if strings.Join(said, "\n") != strings.Join(want, "\n") {
			t.Errorf("operator's host %v: %q", operator, said)
		}
	}
}
