package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/internal/app"
)

const (
	alertRules = "../../deploy/prometheus/tegata.rules.yaml"
	dashboard  = "../../deploy/grafana/tegata.json"
	runbook    = "../../deploy/RUNBOOK.md"
)

var metricName = regexp.MustCompile(`\btegata_[a-z0-9_]+`)

// checkExpression looks for metrics that there are not, which Prometheus takes
// for silence.
func checkExpression(t *testing.T, where, expression string, known, used map[string]bool) {
	t.Helper()
	for _, name := range metricName.FindAllString(expression, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if trimmed := strings.TrimSuffix(name, suffix); known[trimmed] {
				base = trimmed
			}
		}
		if !known[base] {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		used[base] = true
	}
	if strings.Count(expression, "(") != strings.Count(expression, ")") || strings.Count(expression, "{") != strings.Count(expression, "}") {
		t.Errorf("%s: parentheses in %s", where, expression)
	}
}

// TestAlerts (R20) holds the rules and the dashboard against the metrics there
// are, and the runbook against the rules.
func TestAlerts(t *testing.T) {
	t.Parallel()
	known, used := app.MetricNames(), map[string]bool{}
	if len(known) < 15 {
		t.Fatalf("only %d metrics", len(known))
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	data := readFile(t, alertRules)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	book := string(readFile(t, runbook))
	for _, group := range rules.Groups {
		for _, r := range group.Rules {
			checkExpression(t, r.Alert, r.Expr, known, used)
			if s := r.Labels["severity"]; s != "page" && s != "ticket" || r.Annotations["summary"] == "" {
				t.Errorf("%s: severity %q, summary %q", r.Alert, s, r.Annotations["summary"])
			}
			if !strings.Contains(book, "\n| "+r.Alert+" |") {
				t.Errorf("%s is not in the runbook", r.Alert)
			}
		}
	}

	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(readFile(t, dashboard), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %s shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			checkExpression(t, panel.Title, target.Expr, known, used)
		}
	}
	for name := range known {
		if !used[name] {
			t.Logf("neither an alert nor a panel uses %s", name)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
