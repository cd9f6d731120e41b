package e2e_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/verifier"
)

// TestSessionKeysOverlap runs flows across two processes that share a Redis in
// the middle of a rotation of the session keys: both have both keys, and each
// seals with another.
func TestSessionKeysOverlap(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`seal 1 (\S+)`).FindSubmatch(session.NewRandomKeys().Encode())[1]
	var appended []byte
	d := deploy(t, deployOptions{redis: sessiontest.StartRedis(t), prepare: func(box *sandbox.Sandbox) {
		file := filepath.Join(box.Dir, "session.keys")
		original, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		appended = append(original, "seal 2 "+string(secret)+"\n"...)
		if err := os.WriteFile(file, appended, 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	moved := bytes.Replace(appended, []byte(" current\n"), []byte("\n"), 1)
	moved = append(bytes.TrimSuffix(moved, []byte("\n")), " current\n"...)
	d.cfg.SessionKeys = filepath.Join(t.TempDir(), "session.keys")
	if err := os.WriteFile(d.cfg.SessionKeys, moved, 0o600); err != nil {
		t.Fatal(err)
	}
	d.addReplica(t)

	// The wallet talks to the first process; browser and relying party talk to
	// both in turn.
	d.http = d.client(t, false)
	d.http.Transport = alternating{d.http.Transport}
	w := d.receive(t, cardOf(t, "hanako"))
	for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
		if result := d.present(t, w, queries[format]); result.State != verifier.StateVerified {
			t.Errorf("%s: %s", format, result.State)
		}
	}
}

// alternating keeps no connections, so that every request goes to another
// process than the one before.
type alternating struct{ http.RoundTripper }

func (a alternating) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Close = true
	return a.RoundTripper.RoundTrip(r)
}
