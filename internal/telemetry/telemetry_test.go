package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// number passes the check digit; look-alike does not.
const (
	number    = "983205673214"
	lookAlike = "983205673215"
)

type person struct{ name string }

func (person) LogValue() slog.Value { return slog.StringValue("[person]") }

type stringer string

func (s stringer) String() string { return string(s) }

type nested struct {
	Note   string
	hidden string
}

func TestLoggerRemovesIndividualNumbers(t *testing.T) {
	t.Parallel()
	var nilError *nilSafe
	lines := map[string]func(l *slog.Logger, n string){
		"message":       func(l *slog.Logger, n string) { l.Info("number " + n) },
		"string":        func(l *slog.Logger, n string) { l.Info("m", "k", n) },
		"key":           func(l *slog.Logger, n string) { l.Info("m", n, "v") },
		"error":         func(l *slog.Logger, n string) { l.Info("m", "err", fmt.Errorf("bad: %w", errors.New(n))) },
		"stringer":      func(l *slog.Logger, n string) { l.Info("m", "k", stringer(n)) },
		"struct":        func(l *slog.Logger, n string) { l.Info("m", "k", nested{Note: n}) },
		"hidden field":  func(l *slog.Logger, n string) { l.Info("m", "k", nested{Note: n, hidden: n}) },
		"slice":         func(l *slog.Logger, n string) { l.Info("m", "k", []string{"a", n}) },
		"group":         func(l *slog.Logger, n string) { l.Info("m", slog.Group("g", "k", n)) },
		"with":          func(l *slog.Logger, n string) { l.With("k", n).Info("m") },
		"with group":    func(l *slog.Logger, n string) { l.WithGroup("g").With("k", n).Info("m", "j", n) },
		"hyphens":       func(l *slog.Logger, n string) { l.Info(n[:4] + "-" + n[4:8] + "-" + n[8:]) },
		"nil in an any": func(l *slog.Logger, n string) { l.Info(n, "err", nilError) },
	}
	for _, format := range []telemetry.LogFormat{telemetry.LogJSON, telemetry.LogText} {
		for name, log := range lines {
			t.Run(string(format)+" "+name, func(t *testing.T) {
				t.Parallel()
				if out := logged(t, format, func(l *slog.Logger) { log(l, number) }); leaks(out, number) || !strings.Contains(out, "[redacted]") {
					t.Errorf("number not removed: %s", out)
				}
				if out := logged(t, format, func(l *slog.Logger) { log(l, lookAlike) }); !leaks(out, lookAlike) {
					t.Errorf("number with a wrong check digit removed: %s", out)
				}
			})
		}
	}
}

// leaks reports whether the digits of n stand in out, hyphens aside.
func leaks(out, n string) bool {
	return strings.Contains(strings.ReplaceAll(out, "-", ""), n)
}

type nilSafe struct{ text string }

func (e *nilSafe) Error() string { return e.text }

func logged(t *testing.T, format telemetry.LogFormat, log func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(&out, slog.LevelInfo, format)
	if err != nil {
		t.Fatal(err)
	}
	log(logger)
	return out.String()
}

func TestLoggerHonoursLogValuerAndHidesBytes(t *testing.T) {
	t.Parallel()
	out := logged(t, telemetry.LogJSON, func(l *slog.Logger) {
		l.Info("m", "who", person{"Hanako"}, "raw", []byte("Hanako"), "n", 983205673214, "took", time.Second, "count", 3)
		l.Debug("below the level")
	})
	for _, want := range []string{`"who":"[person]"`, `"raw":"[6 bytes]"`, `"n":"[redacted]"`, `"took":1000000000`, `"count":3`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	for _, refused := range []string{"Hanako", number, "below"} {
		if strings.Contains(out, refused) {
			t.Errorf("%s in %s", refused, out)
		}
	}
}

func TestUnknownLogFormat(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.NewLogger(&bytes.Buffer{}, slog.LevelInfo, "xml"); err == nil {
		t.Error("no error for an unknown format")
	}
}

func TestHTTPMetrics(t *testing.T) {
	t.Parallel()
	registry := telemetry.NewRegistry()
	m := telemetry.NewHTTPMetrics(registry)
	end := m.Begin("issuer")
	m.Observe("issuer", "/t/:tenant/token", "POST", 201, 3*time.Millisecond)
	m.Observe("issuer", "/t/:tenant/token", "POST", 204, 3*time.Millisecond)
	m.Observe("issuer", "/t/:tenant/token", "POST", 999, 3*time.Millisecond)
	m.Panic("issuer")
	m.ConnectionRefused("issuer", "total")
	end()
	const want = `
# HELP tegata_http_requests_total Requests answered, by server, route pattern, method and class of the status.
# TYPE tegata_http_requests_total counter
tegata_http_requests_total{method="POST",route="/t/:tenant/token",server="issuer",status="2xx"} 2
tegata_http_requests_total{method="POST",route="/t/:tenant/token",server="issuer",status="other"} 1
# HELP tegata_http_requests_in_flight Requests being answered, by server.
# TYPE tegata_http_requests_in_flight gauge
tegata_http_requests_in_flight{server="issuer"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "tegata_http_requests_total", "tegata_http_requests_in_flight"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "go_goroutines"); err != nil || n != 1 {
		t.Errorf("runtime metrics: %d, %v", n, err)
	}
}
