package issuer

import (
	"bufio"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

const (
	benchChild = "TEGATA_CASCADE_BENCH_CHILD"
	// entriesVariable is how many entries the list has, and how many credentials
	// there are.
	entriesVariable = "TEGATA_CASCADE_ENTRIES"
	// matchShare is which part of the list is of certificates that credentials
	// rest on: one in so many.
	matchShare = 10
)

// BenchmarkCascade imports a revocation list against as many live credentials as
// it has entries, in a process of its own, whose memory is measured. Before that
// it imports a list of a hundredth of the size, for comparison.
func BenchmarkCascade(b *testing.B) {
	if settings := os.Getenv(benchChild); settings != "" {
		var s killSettings
		if err := json.Unmarshal([]byte(settings), &s); err != nil {
			b.Fatal(err)
		}
		benchImport(b, s)
		return
	}
	n := 10_000
	if text := os.Getenv(entriesVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	databasetest.EachBenchmark(b, func(b *testing.B, c database.Config) {
		for range b.N {
			benchmarkCascade(b, c, n)
		}
	})
}

func benchmarkCascade(b *testing.B, c database.Config, n int) {
	b.Helper()
	b.StopTimer()
	ca := importCA(b)
	w := newImporter(b, databasetest.Open(b, c), ca.Certificate)
	began := time.Now()
	fill(b, w, ca, n)
	// As the server does by itself, some time after so many rows.
	err := w.db.Write(b.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(b.Context(), "ANALYZE")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d credentials on as many certificates, made in %v", n, time.Since(began).Round(time.Second))
	dir := b.TempDir()
	settings := killSettings{Database: c, CA: filepath.Join(dir, "ca.der"), CRL: filepath.Join(dir, "list.crl")}
	writeFile(b, settings.CA, ca.Certificate.Raw)
	// Serial numbers beyond n are nobody's.
	small := benchList(b, ca, 1, n/100, func(i int) int64 { return int64(2*n + i) })
	writeFile(b, settings.CRL, small)
	_, before := runImport(b, settings)
	large := benchList(b, ca, 2, n, func(i int) int64 {
		if i%matchShare == 0 {
			return int64(i + 1)
		}
		return int64(2*n + i)
	})
	writeFile(b, settings.CRL, large)
	b.StartTimer()
	took, peak := runImport(b, settings)
	b.StopTimer()
	if fallen := w.count(b, `SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0`); fallen != (n+matchShare-1)/matchShare {
		b.Errorf("%d credentials fell", fallen)
	}
	b.Logf("%d entries, %.1f MiB: %v; %.0f entries and %.0f revocations per second", n, mib(len(large)), took.Round(time.Millisecond),
		float64(n)/took.Seconds(), float64(n)/matchShare/took.Seconds())
	b.Logf("peak memory of the process %.0f MiB; %.0f MiB for a hundredth of the entries, %.1f MiB", peak, before, mib(len(small)))
	b.ReportMetric(float64(n)/took.Seconds(), "entries/s")
	b.ReportMetric(peak, "peak-MiB")
	b.ReportMetric(peak/before, "peak-ratio")
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

func writeFile(b *testing.B, name string, data []byte) {
	b.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.Fatal(err)
	}
}

func benchList(b *testing.B, ca *trusttest.CA, number int64, n int, serial func(int) int64) []byte {
	b.Helper()
	raw, err := ca.EditedCRL(importStart, importStart.Add(24*time.Hour), func(l *x509.RevocationList) {
		l.Number = big.NewInt(number)
		l.ExtraExtensions = []pkix.Extension{partOf(partA)}
		l.RevokedCertificateEntries = make([]x509.RevocationListEntry, n)
		for i := range n {
			l.RevokedCertificateEntries[i] = x509.RevocationListEntry{SerialNumber: big.NewInt(serial(i)), RevocationTime: importStart, ReasonCode: 3}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// runImport imports in a process of its own and returns how long that took and
// the most memory it had, in MiB.
func runImport(b *testing.B, settings killSettings) (took time.Duration, peak float64) {
	b.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		b.Fatal(err)
	}
	child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkCascade$", "-test.benchtime=1x")
	child.Env = append(os.Environ(), benchChild+"="+string(text))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		line := scanner.Text()
		if text, ok := strings.CutPrefix(line, "took "); ok {
			if took, err = time.ParseDuration(text); err != nil {
				b.Fatal(err)
			}
		} else if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(text, &peak); err != nil {
				b.Fatal(err)
			}
			peak /= 1024 // from kB
		} else if strings.Contains(line, "done=") || strings.Contains(line, "bench_test.go") {
			fmt.Println(line) // progress, or what went wrong
		}
	}
	if err := child.Wait(); err != nil || took == 0 {
		b.Fatalf("the import failed: %v", err)
	}
	return took, peak
}

// benchImport is what the process of its own does.
func benchImport(b *testing.B, settings killSettings) {
	b.Helper()
	w, ca, raw := settings.open(b)
	w.cfg.Log = slog.New(slog.NewTextHandler(os.Stdout, nil))
	began := time.Now()
	state, err := w.importRaw(b.Context(), ca, killPart, raw)
	if err != nil || !state.Finished {
		b.Fatalf("%+v, %v", state, err)
	}
	fmt.Printf("\ntook %v\n", time.Since(began))
	// The resource usage that a parent is told begins with its own.
	self, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	fmt.Println(string(self))
}

// fill writes n pieces of evidence, each with a grant and a credential, many in
// a statement, and in the order of their keys, which is much faster.
func fill(b *testing.B, w *importer, ca *trusttest.CA, n int) {
	b.Helper()
	people := make([]benchPerson, n)
	for i := range people {
		serial := big.NewInt(int64(i + 1))
		pseudonym, err := jpki.Pseudonym(w.pseudonymKey, ca.Certificate.SubjectKeyId, serial)
		if err != nil {
			b.Fatal(err)
		}
		people[i] = benchPerson{pseudonym, serial.Bytes()}
	}
	slices.SortFunc(people, func(a, b benchPerson) int { return strings.Compare(a.pseudonym, b.pseudonym) })
	for chunk := range slices.Chunk(people, 10_000) {
		err := w.db.Write(b.Context(), func(tx *sql.Tx) error { return fillChunk(b.Context(), tx, w, ca, chunk) })
		if err != nil {
			b.Fatal(err)
		}
	}
}

type benchPerson struct {
	pseudonym string
	serial    []byte
}

func fillChunk(ctx context.Context, tx *sql.Tx, w *importer, ca *trusttest.CA, people []benchPerson) error {
	entries, err := w.lists.Allocate(ctx, tx, importTenant, "k", len(people), w.now)
	if err != nil {
		return err
	}
	now, ends := w.now.Unix(), w.now.Add(30*24*time.Hour).Unix()
	var evidences, grants, issued [][]any
	for i, e := range entries {
		pseudonym := people[i].pseudonym
		handle := jpki.Handle{IssuerKeyID: ca.Certificate.SubjectKeyId, Partition: killPart, Serial: people[i].serial}
		sealed, err := w.sealer.Seal(importTenant, pseudonym, handle)
		if err != nil {
			return err
		}
		id := "of-" + pseudonym
		evidences = append(evidences, []any{importTenant, pseudonym, "jpki-signature", "ca", sealed, 0, now, now, ends})
		grants = append(grants, []any{importTenant, id, id, "jpki-signature", pseudonym, now, ends, now, 0})
		issued = append(issued, []any{importTenant, id, id, "c", importType, "dc+sd-jwt", e.ListID, int64(e.Index), pseudonym, now, ends, 0, ""})
	}
	for _, t := range []struct {
		into string
		rows [][]any
	}{
		{`evidence (tenant, pseudonym, kind, issuer_key_id, sealed_handle, revoked_at, created_at, checked_at, next_check_at)`, evidences},
		{`grants (tenant, id, root_id, evidence_kind, evidence_pseudonym, created_at, expires_at, used_at, revoked_at)`, grants},
		{`issued_credentials (tenant, id, grant_id, config_id, type, format, list_id, idx, evidence_pseudonym, issued_at, valid_until, revoked_at, revoke_reason)`, issued},
	} {
		if err := insert(ctx, tx, t.into, t.rows); err != nil {
			return err
		}
	}
	return nil
}

func insert(ctx context.Context, tx *sql.Tx, into string, rows [][]any) error {
	for len(rows) > 0 {
		part := rows[:min(200, len(rows))]
		var text strings.Builder
		var args []any
		text.WriteString("INSERT INTO " + into + " VALUES ")
		for i, row := range part {
			if i > 0 {
				text.WriteString(", ")
			}
			for k, value := range row {
				args = append(args, value)
				text.WriteString(map[bool]string{true: "(", false: ", "}[k == 0] + "$" + strconv.Itoa(len(args)))
			}
			text.WriteString(")")
		}
		if _, err := tx.ExecContext(ctx, text.String(), args...); err != nil {
			return err
		}
		rows = rows[len(part):]
	}
	return nil
}
