package trust_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// longList makes a list of n entries: serial numbers of all lengths, in no
// order, every other one with a reason, and three that no certificate has.
func longList(t testing.TB, ca *trusttest.CA, n int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	raw, err := ca.EditedCRL(start, start.Add(day), func(l *x509.RevocationList) {
		for i := range n {
			serial := make([]byte, 1+i%20)
			for j := range serial {
				serial[j] = byte(random.Uint32())
			}
			e := x509.RevocationListEntry{SerialNumber: new(big.Int).SetBytes(serial), RevocationTime: start.AddDate(-i%60, 0, 0), ReasonCode: []int{0, 1, 3, 6}[i%4]}
			if e.SerialNumber.Sign() == 0 || i%50 == 7 {
				e.RevocationTime = time.Date(2051, 2, 28, 23, 59, 59, 0, time.UTC) // a GeneralizedTime
			}
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCRLEntriesAgainstAnother reads the entries of lists as the standard
// library does.
func TestCRLEntriesAgainstAnother(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	for _, n := range []int{0, 1, 2, 3, 1000} {
		raw := longList(t, ca, n)
		theirs, err := x509.ParseRevocationList(raw)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := trust.ParseCRL(raw, ca.Certificate, start)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]trust.Revoked{}
		for _, e := range theirs.RevokedCertificateEntries {
			if _, twice := want[e.SerialNumber.String()]; !twice && e.SerialNumber.Sign() > 0 {
				want[e.SerialNumber.String()] = trust.Revoked{At: e.RevocationTime, ReasonCode: e.ReasonCode}
			}
		}
		if ours.Count() != n || ours.Digest() != sha256.Sum256(raw) {
			t.Errorf("%d entries, want %d, digest %x", ours.Count(), n, ours.Digest())
		}
		yielded := 0
		for serial, r := range ours.All() {
			yielded++
			found, ok := ours.Revoked(serial)
			if e := want[serial.String()]; !ok || !found.At.Equal(e.At) || found.ReasonCode != e.ReasonCode {
				t.Errorf("found %+v, %v, want %+v", found, ok, e)
			}
			if _, ok := ours.Revoked(new(big.Int).Neg(serial)); ok {
				t.Error("the opposite of a serial number is revoked")
			}
			if next := new(big.Int).Add(serial, big.NewInt(1)); want[next.String()] == (trust.Revoked{}) {
				if _, ok := ours.Revoked(next); ok {
					t.Error("the next serial number is revoked")
				}
			}
			_ = r
		}
		if yielded < len(want) {
			t.Errorf("yielded %d entries of %d", yielded, len(want))
		}
		for range ours.All() {
			break // may stop
		}
		for _, first := range []int{0, n / 2, n - 1, n, n + 1} {
			next := max(first, 0)
			for position, e := range ours.Entries(first) {
				their := theirs.RevokedCertificateEntries[position]
				if position != next || e.SerialNumber().Cmp(their.SerialNumber) != 0 || !e.At.Equal(their.RevocationTime) || e.ReasonCode != their.ReasonCode {
					t.Errorf("from %d: entry %d is %+v, want %+v", first, position, e, their)
				}
				next++
			}
			if next != max(n, first) {
				t.Errorf("from %d: ends at %d of %d", first, next, n)
			}
		}
		if _, ok := ours.Revoked(new(big.Int)); ok {
			t.Error("serial number 0 is revoked")
		}
	}
}

// TestNegCRLEntries spoils entries of a list and has it signed.
func TestNegCRLEntries(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	const (
		serial = "\x02\x02\x01\x00"             // 256
		date   = "\x17\x0d" + "260401000000Z"   // of the entry: the third in the list
		reason = "\x30\x0a\x06\x03\x55\x1d\x15" // reasonCode
	)
	entry := x509.RevocationListEntry{SerialNumber: big.NewInt(256), RevocationTime: start, ReasonCode: 3}
	for name, tt := range map[string]struct {
		old, new string
		want     trust.Reason
	}{
		"honest twin":           {serial, "\x02\x02\x01\x01", ""},
		"K09 padded serial":     {serial, "\x02\x02\x00\x01", trust.ReasonRevocationInvalid},
		"K09 padded negative":   {serial, "\x02\x02\xff\x81", trust.ReasonRevocationInvalid},
		"negative serial":       {serial, "\x02\x02\xfe\x01", ""}, // nobody has it
		"K10 serial is text":    {serial, "\x0c\x02\x01\x00", trust.ReasonRevocationInvalid},
		"K10 entry is a set":    {"\x30\x21" + serial, "\x31\x21" + serial, trust.ReasonRevocationInvalid},
		"K10 impossible day":    {serial + date, serial + "\x17\x0d" + "260431000000Z", trust.ReasonRevocationInvalid},
		"K10 impossible second": {serial + date, serial + "\x17\x0d" + "260401000060Z", trust.ReasonRevocationInvalid},
		"K10 letters":           {serial + date, serial + "\x17\x0d" + "2604O1000000Z", trust.ReasonRevocationInvalid},
		"K10 local time":        {serial + date, serial + "\x17\x0d" + "260401000000+", trust.ReasonRevocationInvalid},
		"K10 reason is text":    {"\x04\x03\x0a\x01\x03", "\x04\x03\x0c\x01\x03", trust.ReasonRevocationInvalid},
		"K10 reason and more":   {"\x04\x03\x0a\x01\x03", "\x04\x03\x0a\x00\x03", trust.ReasonRevocationInvalid},
		"K10 other extension":   {reason, "\x30\x0a\x06\x03\x55\x1d\x18", ""}, // invalidityDate, not critical
		"K10 extension is text": {reason, "\x0c\x0a\x06\x03\x55\x1d\x15", trust.ReasonRevocationInvalid},
		"K09 removed":           {"\x04\x03\x0a\x01\x03", "\x04\x03\x0a\x01\x08", trust.ReasonRevocationInvalid},
	} {
		raw, err := ca.SpoiledCRL(start, start.Add(day), func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{entry}
		}, func(tbs []byte) []byte {
			if !bytes.Contains(tbs, []byte(tt.old)) {
				t.Fatalf("%s: not in the list", name)
			}
			return bytes.Replace(tbs, []byte(tt.old), []byte(tt.new), 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = trust.ParseCRL(raw, ca.Certificate, start)
		t.Run(name, func(t *testing.T) { want(t, err, tt.want) })
	}
	// What the entries say is signed like the rest.
	raw, err := ca.EditedCRL(start, start.Add(day), func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{entry}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = trust.ParseCRL(bytes.Replace(raw, []byte(serial), []byte("\x02\x02\x01\x01"), 1), ca.Certificate, start)
	want(t, err, trust.ReasonRevocationInvalid)
}

// TestHostileCRLIsCheap: nothing is made of the entries of a list before its
// signature is known to be good.
func TestHostileCRLIsCheap(t *testing.T) {
	ca, stranger := newCA(t, trusttest.CAOptions{}), newCA(t, trusttest.CAOptions{})
	raw := longList(t, stranger, 20_000)
	used := func(issuer *x509.Certificate, reason trust.Reason) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := trust.ParseCRL(raw, issuer, start)
		runtime.ReadMemStats(&after)
		want(t, err, reason)
		return after.TotalAlloc - before.TotalAlloc
	}
	// 64 KiB: what the rest of the list and other goroutines of the test take.
	forged := *ca.Certificate
	forged.SubjectKeyId = stranger.Certificate.SubjectKeyId
	if n := used(&forged, trust.ReasonRevocationInvalid); n > 64<<10 {
		t.Errorf("a list signed by somebody else takes %d bytes", n)
	}
	if n := used(stranger.Certificate, ""); n > 20_000*16+64<<10 {
		t.Errorf("an index of 20,000 entries takes %d bytes", n)
	}
}

func BenchmarkParseCRL(b *testing.B) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		b.Fatal(err)
	}
	raw := longList(b, ca, 100_000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := trust.ParseCRL(raw, ca.Certificate, start); err != nil {
			b.Fatal(err)
		}
	}
}
