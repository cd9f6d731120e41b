package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tegata-id/tegata/internal/httpd"
)

// TestSpans (F04) looks at all that the span of a request says.
func TestSpans(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	f := newFixture(t, func(o *httpd.Options) {
		o.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	})
	f.Echo().POST("/offers/:id", func(echo.Context) error {
		return &httpd.Error{Status: http.StatusBadRequest, Code: "invalid_thing", Description: "says-what"}
	})
	f.Echo().GET("/typed", func(echo.Context) error { return http.ErrHandlerTimeout }, httpd.Errors(func(c echo.Context, _ error) {
		httpd.EncodeOAuth(c, &httpd.Error{Status: http.StatusBadRequest, Code: "of_a_role"})
	}))
	f.Echo().GET("/broken", func(echo.Context) error { return http.ErrServerClosed })
	r := httptest.NewRequest(http.MethodPost, "/offers/secret-id?code=secret-code", strings.NewReader("secret-body"))
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Tracestate", "secret=state")
	r.Header.Set("Baggage", "secret=baggage")
	r.Header.Set("User-Agent", "secret-agent")
	answer := f.do(r)
	if answer.Header.Get("Traceparent") != "" {
		t.Error("the trace is told to the client")
	}
	f.do(httptest.NewRequest(http.MethodGet, "/broken", nil))
	f.do(httptest.NewRequest("SECRET", "/secret/path", nil))

	f.do(httptest.NewRequest(http.MethodGet, "/typed", nil))

	spans := recorder.Ended()
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	first := spans[0]
	if first.Name() != "POST /offers/:id" || first.Parent().IsValid() || first.SpanContext().TraceID().String() == "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("span %s in trace %s", first.Name(), first.SpanContext().TraceID())
	}
	want := attribute.NewSet(
		attribute.String("tegata.server", "test"), attribute.String("tegata.tenant", "city"),
		attribute.String("http.request.method", "POST"), attribute.String("http.route", "/offers/:id"),
		attribute.Int("http.response.status_code", 400), attribute.String("error.type", "invalid_thing"),
	)
	if got := attribute.NewSet(first.Attributes()...); !got.Equals(&want) {
		t.Errorf("attributes %v", first.Attributes())
	}
	if spans[1].Status().Code != codes.Error || len(spans[1].Events()) != 0 || spans[1].Status().Description != "" {
		t.Errorf("status %v, events %v", spans[1].Status(), spans[1].Events())
	}
	if spans[2].Name() != "other unmatched" {
		t.Errorf("span %s", spans[2].Name())
	}
	if metrics := scrape(t, f); !strings.Contains(metrics, `tegata_http_errors_total{code="of_a_role",route="/typed",server="test"} 1`) {
		t.Errorf("metrics %s", metrics)
	}
	if !strings.Contains(f.log.String(), `"trace_id":"`+first.SpanContext().TraceID().String()) {
		t.Error("the log line does not name the trace")
	}
}
