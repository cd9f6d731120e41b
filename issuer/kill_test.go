package issuer

import (
	"bufio"
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/records"
)

const (
	// killChild is set in the processes that are killed.
	killChild = "TEGATA_CASCADE_CHILD"
	// killsVariable is how often the import is killed on each database.
	killsVariable = "TEGATA_CASCADE_KILLS"
	defaultKills  = 12
	killPart      = "uri:" + partA
)

// killSettings are what a child is told.
type killSettings struct {
	Database database.Config
	CA, CRL  string // files
	Evidence int64  // pieces of evidence there are at first
	Batch    int
	Seed     uint64
	// Attestations has the child look attestations up, and not import.
	Attestations bool
}

// open returns an importer on what the child was told, with the CA and its list.
func (s killSettings) open(t testing.TB) (w *importer, ca *x509.Certificate, raw []byte) {
	t.Helper()
	der, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(s.CRL); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w = newImporter(t, db, ca)
	w.cfg.ImportBatch = s.Batch
	return w, ca, raw
}

// killRun does what the cascade does in the process that is killed: it imports
// a list and publishes status lists, while credentials are issued. It prints a
// line for each step that is done.
func killRun(t *testing.T, settings killSettings) {
	w, ca, raw := settings.open(t)
	publisher := killPublisher(t, w, bareSigner{})
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("\n"+format+"\n", args...)
	}
	w.cfg.Records.Revoked = func(_, _ string, n int) { say("revoked %d", n) }
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			publishAll(ctx, t, w, publisher, say)
		}
	})
	group.Go(func() {
		random := rand.New(rand.NewPCG(settings.Seed, 2))
		for ctx.Err() == nil {
			_, err := w.issue(ca, killPart, 1+random.Int64N(2*settings.Evidence), 1)
			if err != nil && !errors.Is(err, records.ErrEvidenceRevoked) {
				t.Error(err)
				return
			}
		}
	})
	w.cfg.Metrics = nil
	state, err := w.importRaw(ctx, ca, killPart, raw)
	if err != nil {
		t.Error(err)
	}
	say("finished %t at %d", state.Finished, state.Position)
	cancel()
	group.Wait()
}

func killPublisher(t *testing.T, w *importer, signer statuslist.Signer) *statuslist.Publisher {
	t.Helper()
	publisher, err := statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: w.db, Lists: w.lists, Signer: signer, Now: time.Now, Log: slog.New(slog.DiscardHandler), Window: time.Second, Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return publisher
}

func publishAll(ctx context.Context, t *testing.T, w *importer, publisher *statuslist.Publisher, say func(string, ...any)) {
	var ids []string
	err := w.db.Read(ctx, func(tx *sql.Tx) (err error) {
		ids, err = w.lists.IDs(ctx, tx, importTenant)
		return err
	})
	for _, id := range ids {
		var pub statuslist.Publication
		if pub, err = publisher.Publish(ctx, importTenant, id); err != nil {
			break
		}
		say("published %s %d %d", id, pub.Sequence, pub.Version)
	}
	if err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

// bareSigner signs nothing: what is published is told by its version.
type bareSigner struct{}

func (bareSigner) SignStatusList(_ context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	text := fmt.Sprint(list.Version)
	return statuslist.Signed{JWT: text, CWT: text, Expires: list.Expires}, nil
}

// TestCascadeKill kills the import of a revocation list and the publication of
// status lists again and again, at any point, and looks at what is there in the
// end: nothing was lost, nothing happened twice, nothing went back.
// TEGATA_CASCADE_KILLS says how often.
func TestCascadeKill(t *testing.T) {
	if settings := os.Getenv(killChild); settings != "" {
		var s killSettings
		if err := json.Unmarshal([]byte(settings), &s); err != nil {
			t.Fatal(err)
		}
		if s.Attestations {
			killRecheck(t, s)
			return
		}
		killRun(t, s)
		return
	}
	kills := defaultKills
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) { testCascadeKill(t, c, kills) })
}

func testCascadeKill(t *testing.T, c database.Config, kills int) {
	ca := importCA(t)
	w := newImporter(t, databasetest.Open(t, c), ca.Certificate)
	seed := rand.Uint64()
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 1))
	people := int64(600 + 5*kills)
	prepareEvidence(t, w, ca, people)
	// Every third certificate is on the list, among many that nobody knows.
	// Of the others, credentials are issued meanwhile on some.
	const perKill, batch = 8, 5 // more batches than are done between two kills
	var serials []int64
	for serial := int64(3); serial <= 2*people; serial += 3 {
		serials = append(serials, serial)
	}
	for n := int64(1_000_000); len(serials) < max(kills*perKill*batch, 600); n++ {
		serials = append(serials, n)
	}
	random.Shuffle(len(serials), func(i, j int) { serials[i], serials[j] = serials[j], serials[i] })
	dir := t.TempDir()
	settings := killSettings{Database: c, CA: filepath.Join(dir, "ca.der"), CRL: filepath.Join(dir, "list.crl"), Evidence: people, Batch: batch}
	write(t, settings.CA, ca.Certificate.Raw)
	write(t, settings.CRL, crlOf(t, ca, 1, importStart, partA, 1, serials...))

	seen := newProgress()
	done := 0
	for range kills {
		settings.Seed = random.Uint64()
		lines, killed := runAndKill(t, settings, 1+random.IntN(12), time.Duration(random.IntN(4000))*time.Microsecond)
		seen.read(t, lines)
		position := w.count(t, `SELECT position FROM crl_imports`)
		if position < seen.position {
			t.Errorf("the import went back from %d to %d", seen.position, position)
		}
		seen.position = position
		if killed {
			done++
		}
	}
	t.Logf("%d kills; %d of %d entries done, %d publications seen", done, seen.position, len(serials), seen.publications)
	if done < kills*9/10 {
		t.Errorf("only %d of %d processes were killed before they had finished", done, kills)
	}
	// The last process is left alone.
	lines, killed := runAndKill(t, settings, 1<<30, 0)
	seen.read(t, lines)
	if killed || !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, "finished true") }) {
		t.Errorf("the last process did not finish: %q", lines[max(0, len(lines)-5):])
	}
	nothingLost(t, w, serials, people)
	nothingDiffers(t, w)
}

// prepareEvidence issues two credentials on each of the first certificates.
func prepareEvidence(t *testing.T, w *importer, ca *trusttest.CA, people int64) {
	t.Helper()
	var group sync.WaitGroup
	for part := range int64(50) {
		group.Go(func() {
			for serial := 1 + part; serial <= people; serial += 50 {
				if _, err := w.issue(ca.Certificate, killPart, serial, 2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// runAndKill returns the lines of a process that is killed a moment after it
// printed as many.
func runAndKill(t *testing.T, settings killSettings, after int, moment time.Duration) (lines []string, killed bool) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCascadeKill$", "-test.v")
	child.Env = append(os.Environ(), killChild+"="+string(text))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		line := scanner.Text()
		word, _, _ := strings.Cut(line, " ")
		if word != "published" && word != "revoked" && word != "finished" {
			if strings.Contains(line, "kill_test.go") {
				t.Error(line) // the child failed
			}
			continue
		}
		lines = append(lines, line)
		if len(lines) == after {
			time.AfterFunc(moment, func() { _ = child.Process.Kill() })
		}
	}
	return lines, child.Wait() != nil
}

// progress is what processes said, one after the other.
type progress struct {
	position, publications int
	sequence, version      map[string]int
}

func newProgress() *progress { return &progress{sequence: map[string]int{}, version: map[string]int{}} }

// read checks that what is published never goes back.
func (p *progress) read(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		var list string
		var sequence, version int
		if n, _ := fmt.Sscanf(line, "published %s %d %d", &list, &sequence, &version); n != 3 {
			continue
		}
		p.publications++
		if sequence <= p.sequence[list] || version < p.version[list] {
			t.Errorf("%s after sequence %d, version %d", line, p.sequence[list], p.version[list])
		}
		p.sequence[list], p.version[list] = sequence, version
	}
}

// nothingLost compares every piece of evidence, credential, entry and event with
// the list.
func nothingLost(t *testing.T, w *importer, serials []int64, people int64) {
	t.Helper()
	for what, query := range map[string]string{
		"credentials whose evidence is revoked and which stand": `SELECT COUNT(*) FROM issued_credentials c JOIN evidence e
			ON e.tenant = c.tenant AND e.pseudonym = c.evidence_pseudonym WHERE e.revoked_at > 0 AND c.revoked_at = 0`,
		"credentials that fell though their evidence stands": `SELECT COUNT(*) FROM issued_credentials c JOIN evidence e
			ON e.tenant = c.tenant AND e.pseudonym = c.evidence_pseudonym WHERE e.revoked_at = 0 AND c.revoked_at > 0`,
		"credentials of which row and entry differ": `SELECT COUNT(*) FROM issued_credentials c JOIN status_entries s
			ON s.tenant = c.tenant AND s.list_id = c.list_id AND s.idx = c.idx WHERE (c.revoked_at > 0) <> (s.invalid_at > 0)`,
		"grants that stand on revoked evidence": `SELECT COUNT(*) FROM grants g JOIN evidence e
			ON e.tenant = g.tenant AND e.pseudonym = g.evidence_pseudonym WHERE e.revoked_at > 0 AND g.revoked_at = 0`,
		"lists whose version is not the number of revocations": `SELECT COUNT(*) FROM status_lists l WHERE version <>
			(SELECT COUNT(*) FROM status_entries s WHERE s.list_id = l.id AND s.invalid_at > 0)`,
		"imports that are not finished": `SELECT COUNT(*) FROM crl_imports WHERE finished_at = 0 OR position <> total`,
	} {
		if n := w.count(t, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	onList := 0
	for _, serial := range serials {
		if serial <= people {
			onList++ // issued before; those above may have been refused or not
		}
	}
	revoked, matched := w.count(t, `SELECT COUNT(*) FROM evidence WHERE revoked_at > 0`), w.count(t, `SELECT matched FROM crl_imports`)
	if revoked < onList || revoked != matched {
		t.Errorf("%d pieces of evidence are revoked, %d counted, at least %d expected", revoked, matched, onList)
	}
	fallen, events := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0`), w.count(t, `SELECT COUNT(*) FROM audit_events`)
	if fallen < 2*onList || events != fallen {
		t.Errorf("%d credentials fell, %d events tell of it, at least %d expected", fallen, events, 2*onList)
	}
	err := w.db.Read(t.Context(), func(tx *sql.Tx) error {
		_, err := w.audit.Verify(t.Context(), tx, importTenant)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d pieces of evidence and %d credentials fell, each once", revoked, fallen)
}

// nothingDiffers publishes what there is and compares it bit by bit.
func nothingDiffers(t *testing.T, w *importer) {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.Entry{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	publisher := killPublisher(t, w, ringSigner{ring})
	policy := &trust.Policy{Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileStatusSigner, Revocation: trust.NotChecked("test"), Now: time.Now}
	publishAll(t.Context(), t, w, publisher, func(_ string, args ...any) {
		id := args[0].(string)
		pub, err := publisher.Publish(t.Context(), importTenant, id)
		if err != nil {
			t.Fatal(err)
		}
		token, err := status.Verify(t.Context(), pub.JWT, "https://issuer.example/"+id, policy, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		err = w.db.Read(t.Context(), func(tx *sql.Tx) error {
			stored, err := w.lists.Stored(t.Context(), tx, importTenant, id)
			if err != nil {
				return err
			}
			c, err := stored.Compare(statuslist.Published{Raw: pub.JWT, Token: token}, time.Second, time.Now())
			if err == nil && (c.Count != 0 || c.Pending != 0 || c.Invalid == 0) {
				t.Errorf("list %s: %d of %d INVALID, faults: %q", id, c.Invalid, c.HandedOut, c.Faults)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

type ringSigner struct{ ring *keys.Ring }

func (s ringSigner) SignStatusList(_ context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	return list.SignAt(time.Now(), status.TokenOptions{URI: "https://issuer.example/" + list.ListID}, s.ring)
}
