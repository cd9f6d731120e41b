package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/demo"
)

type event struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	OK   *bool  `json:"ok"`
	Data struct {
		State   string `json:"state"`
		Refusal *struct {
			Reason string `json:"reason"`
		} `json:"refusal"`
		Credentials []struct {
			Format string          `json:"format"`
			Claims json.RawMessage `json:"claims"`
			Status struct {
				Value string `json:"value"`
			} `json:"status"`
			Issuer struct {
				LegalEntity struct {
					Identifier string `json:"organization_identifier"`
				} `json:"legal_entity"`
			} `json:"issuer"`
		} `json:"credentials"`
	} `json:"data"`
}

// TestDemo runs the whole demonstration and reads what it prints for machines.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo.Run(t.Context(), &out, demo.Options{JSON: true}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	var verified, refused []event
	var last event
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		last = event{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		switch {
		case last.Data.State == "verified":
			verified = append(verified, last)
		case last.Data.State == "refused":
			refused = append(refused, last)
		}
	}
	if last.Kind != "summary" || last.OK == nil || !*last.OK {
		t.Errorf("last line = %+v", last)
	}
	if len(verified) != 3 || len(refused) != 2 {
		t.Fatalf("%d verified and %d refused, want 3 and 2", len(verified), len(refused))
	}
	if c := verified[2].Data.Credentials[0]; c.Status.Value != "valid" || !bytes.Contains(c.Claims, []byte("鈴木　みどり")) {
		t.Errorf("result of the second wallet = %+v", c)
	}
	for i, format := range []string{"dc+sd-jwt", "mso_mdoc"} {
		c := verified[i].Data.Credentials[0]
		if c.Format != format || c.Status.Value != "valid" || !strings.HasPrefix(c.Issuer.LegalEntity.Identifier, "NTRJP-") {
			t.Errorf("result %d = %+v", i, c)
		}
		if !bytes.Contains(c.Claims, []byte("山田　花子")) || bytes.Contains(c.Claims, []byte("清瀬市")) {
			t.Errorf("result %d has claims %s", i, c.Claims)
		}
		if r := refused[i].Data.Refusal; r == nil || r.Reason != "credential_revoked" {
			t.Errorf("refusal %d = %+v", i, r)
		}
	}
}

// TestDemoKeep checks that -keep waits for the end that is asked for.
func TestDemoKeep(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	kept := make(chan struct{})
	go func() { ended <- demo.Run(ctx, &notice{text: "keeps running", seen: kept}, demo.Options{Keep: true}) }()
	select {
	case err := <-ended:
		t.Fatalf("ended by itself: %v", err)
	case <-kept:
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("did not stop")
	}
}

// TestDemoFails checks that a step that fails ends the demonstration with what
// failed.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	err := demo.Run(ctx, &out, demo.Options{JSON: true})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	if !strings.Contains(out.String(), `"ok":false`) {
		t.Errorf("no summary of the failure in %s", out.String())
	}
}

// notice closes a channel when a text is written.
type notice struct {
	text string
	seen chan struct{}
	done bool
}

func (n *notice) Write(p []byte) (int, error) {
	if !n.done && strings.Contains(string(p), n.text) {
		n.done = true
		close(n.seen)
	}
	return len(p), nil
}
