package cose_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAppendixA runs the examples of RFC 8949 appendix A (TV-28). Those with features
// that the package refuses must be refused; all others must survive a round
// trip through a claim value where one exists.
func TestAppendixA(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "rfc8949_appendix_a.txt"))
	if err != nil {
		t.Fatal(err)
	}
	type example struct {
		Hex       string
		Roundtrip bool
	}
	var cases []example
	for line := range strings.Lines(string(data)) {
		item, roundtrip, _ := strings.Cut(strings.TrimSpace(line), " ")
		cases = append(cases, example{item, roundtrip == "true"})
	}
	if len(cases) != 82 {
		t.Fatalf("%d examples, want 82", len(cases))
	}
	// Bignums, undefined and unassigned simple values; indefinite lengths are
	// told by their head.
	refused := map[string]bool{
		"c249010000000000000000": true, "c349010000000000000000": true,
		"f7": true, "f0": true, "f818": true, "f8ff": true,
	}
	// Well-formed, but without a claim value: integers beyond 64 bits, other
	// tags, map keys that are not text.
	valueless := map[string]bool{
		"1bffffffffffffffff": true, "3bffffffffffffffff": true, "c11a514b67b0": true,
		"c1fb41d452d9ec200000": true, "d74401020304": true, "a201020304": true,
		"d82076687474703a2f2f7777772e6578616d706c652e636f6d": true,
	}
	accepted, rejected := 0, 0
	for _, c := range cases {
		raw := unhex(t, c.Hex)
		indefinite := raw[0]>>5 > 1 && raw[0]>>5 < 7 && slices.ContainsFunc(raw, func(b byte) bool { return b&0x9f == 0x9f || b == 0x5f || b == 0x7f })
		var item cose.RawMessage
		err := cose.Unmarshal(raw, &item)
		if refused[c.Hex] || indefinite {
			rejected++
			if !errors.Is(err, cose.ErrMalformed) {
				t.Errorf("%s: got %v, want it refused", c.Hex, err)
			}
			continue
		}
		accepted++
		if err != nil {
			t.Errorf("%s: %v", c.Hex, err)
			continue
		}
		v, err := cose.ValueFromCBOR(raw)
		if valueless[c.Hex] {
			if err == nil {
				t.Errorf("%s: became a claim value", c.Hex)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Hex, err)
			continue
		}
		again, err := cose.ValueToCBOR(v)
		if err != nil {
			t.Errorf("%s: %v", c.Hex, err)
		}
		// The tag of embedded CBOR is dropped in a claim value.
		if c.Roundtrip && !bytes.Equal(again, raw) && !strings.HasPrefix(c.Hex, "d818") {
			t.Errorf("%s: came back as %x", c.Hex, again)
		}
	}
	t.Logf("%d examples ran: %d accepted, %d refused", len(cases), accepted, rejected)
}

func TestValueRoundTrip(t *testing.T) {
	t.Parallel()
	want := credentials.Object{
		"text": credentials.Text("山田　太郎"), "bytes": credentials.Bytes{0, 1}, "none": credentials.Bytes{},
		"int": credentials.Int(math.MinInt64), "float": credentials.Float(1.5), "bool": credentials.Bool(true), "null": credentials.Null{},
		"date":  credentials.FullDate{Year: 1971, Month: 9, Day: 1},
		"time":  credentials.Time{Time: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)},
		"array": credentials.Array{credentials.Int(1), credentials.Object{"x": credentials.Text("")}},
	}
	data, err := cose.ValueToCBOR(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cose.ValueFromCBOR(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(credentials.Value(want), got); diff != "" {
		t.Error(diff)
	}
	if data, err := cose.ValueToCBOR(credentials.FullDate{Year: 2019, Month: 10, Day: 20}); err != nil || hex.EncodeToString(data) != "d903ec6a323031392d31302d3230" {
		t.Errorf("full-date: %x, %v", data, err)
	}
	if data, err := cose.ValueToCBOR(credentials.Time{Time: time.Date(2013, 3, 21, 20, 4, 0, 0, time.UTC)}); err != nil || hex.EncodeToString(data) != "c074323031332d30332d32315432303a30343a30305a" {
		t.Errorf("tdate: %x, %v", data, err)
	}
	if _, err := cose.ValueToCBOR(nil); err == nil {
		t.Error("nil became CBOR")
	}
}

// embed wraps n times in tag 24.
func embed(t testing.TB, data []byte, n int) []byte {
	t.Helper()
	for range n {
		var err error
		if data, err = cose.Marshal(cose.Tag{Number: 24, Content: data}); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestNeg runs the negative cases by their identifiers, each beside an honest
// twin.
func TestNeg(t *testing.T) {
	t.Parallel()
	negStructure(t)
	negTypes(t)
	negSign1(t)
	negKey(t)
}

func negStructure(t *testing.T) {
	t.Helper()
	deep := func(head byte, n int) []byte { return append(bytes.Repeat([]byte{head}, n), 0) }
	cases := []struct {
		name        string
		bad, honest []byte
	}{
		{"C01 duplicate text key", unhex(t, "a2 6161 01 6161 02"), unhex(t, "a2 6161 01 6162 02")},
		{"C01 duplicate integer key", unhex(t, "a2 01 01 01 02"), unhex(t, "a2 01 01 02 02")},
		{"C01 duplicate integer key in two encodings", unhex(t, "a2 01 01 1801 02"), unhex(t, "a2 01 01 20 02")},
		{"C01 duplicate text key in two encodings", unhex(t, "a2 6161 01 780161 02"), unhex(t, "a2 6161 01 4161 02")},
		{"C01 NaN key", unhex(t, "a1 f97e00 01"), unhex(t, "a1 01 f97e00")},
		{"C01 array key", unhex(t, "a1 80 01"), unhex(t, "a1 01 80")},
		{"C01 duplicate key in embedded CBOR", embed(t, unhex(t, "a2 01 01 01 02"), 2), embed(t, unhex(t, "a2 01 01 02 02"), 2)},
		{"C02 indefinite bytes", unhex(t, "5f 4101 ff"), unhex(t, "4101")},
		{"C02 indefinite text", unhex(t, "7f 6161 ff"), unhex(t, "6161")},
		{"C02 indefinite array", unhex(t, "9f 01 ff"), unhex(t, "8101")},
		{"C02 indefinite map", unhex(t, "bf 01 01 ff"), unhex(t, "a10101")},
		{"C02 nested indefinite string", unhex(t, "81 5f 5f 4101 ff ff"), unhex(t, "81 4101")},
		{"C03 17 arrays", deep(0x81, 17), deep(0x81, 16)},
		{"C03 100k arrays", deep(0x81, 100_000), deep(0x81, 10)},
		{"C03 17 tags", deep(0xc6, 17), deep(0xc6, 16)},
		{"C03 17 embedded", embed(t, []byte{0}, 17), embed(t, []byte{0}, 16)},
		{"C03 depth counts across embedded CBOR", embed(t, deep(0x81, 9), 8), embed(t, deep(0x81, 8), 8)},
		{"C04 length 2^31", unhex(t, "5a 80000000 00"), unhex(t, "5a 00000001 00")},
		{"C04 length 2^32", unhex(t, "7b 0000000100000000 00"), unhex(t, "7b 0000000000000001 61")},
		{"C04 array of 2^63-1", unhex(t, "9b 7fffffffffffffff 00"), unhex(t, "9b 0000000000000001 00")},
		{"C04 map of 2^64-1", unhex(t, "bb ffffffffffffffff 00"), unhex(t, "bb 0000000000000001 0000")},
		{"C04 truncated head", unhex(t, "19 01"), unhex(t, "19 0100")},
		{"C04 truncated map", unhex(t, "a1 01"), unhex(t, "a1 01 01")},
		{"C04 empty", nil, unhex(t, "00")},
		{"C04 trailing byte", unhex(t, "00 00"), unhex(t, "00")},
		{"C04 trailing byte in embedded CBOR", unhex(t, "d818 42 0000"), unhex(t, "d818 41 00")},
		{"C04 reserved 28", unhex(t, "1c"), unhex(t, "17")},
		{"C04 reserved 30", unhex(t, "fe"), unhex(t, "f6")},
		{"C04 lone break", unhex(t, "ff"), unhex(t, "f4")},
		{"C04 false in two bytes", unhex(t, "f814"), unhex(t, "f4")},
		{"C04 undefined", unhex(t, "f7"), unhex(t, "f6")},
		{"C04 4097 elements", append([]byte{0x99, 0x10, 0x01}, make([]byte, 4097)...), append([]byte{0x99, 0x10, 0x00}, make([]byte, 4096)...)},
		{"C06 tag 24 on text", unhex(t, "d818 6161"), unhex(t, "d818 4100")},
		{"C06 tag 24 on rubbish", unhex(t, "d818 41ff"), unhex(t, "d818 41f6")},
		{"C06 tag 0 on an integer", unhex(t, "c0 00"), unhex(t, "c1 00")},
		{"C06 tag 1004 on bytes", unhex(t, "d903ec 4100"), unhex(t, "d903ec 6100")},
		{"C06 bignum", unhex(t, "c2 4101"), unhex(t, "4101")},
		{"C06 bignum of 512 KiB", append(unhex(t, "c2 5a 00080000"), make([]byte, 1<<19)...), append(unhex(t, "5a 00080000"), make([]byte, 1<<19)...)},
		{"C07 text that is not UTF-8", unhex(t, "62 c328"), unhex(t, "62 c3a9")},
		{"C07 text key that is not UTF-8", unhex(t, "a1 62 c328 00"), unhex(t, "a1 62 c3a9 00")},
		{"too long", append(unhex(t, "5a 00100000"), make([]byte, 1<<20)...), append(unhex(t, "5a 000ffffb"), make([]byte, 1<<20-5)...)},
		{"C04 32769 items", zeros(4096, 4096, 4096, 4096, 4096, 4096, 4096, 4088), zeros(4096, 4096, 4096, 4096, 4096, 4096, 4096, 4087)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var item cose.RawMessage
			if err := cose.Unmarshal(c.honest, &item); err != nil {
				t.Errorf("honest twin: %v", err)
			}
			if err := cose.Unmarshal(c.bad, &item); !errors.Is(err, cose.ErrMalformed) {
				t.Errorf("got %v, want it refused as malformed", err)
			}
			if _, err := cose.ValueFromCBOR(c.bad); !errors.Is(err, cose.ErrMalformed) {
				t.Errorf("as a claim: got %v, want it refused as malformed", err)
			}
		})
	}
}

// zeros encodes an array of arrays of zeros of these lengths.
func zeros(lengths ...int) []byte {
	out := []byte{0x80 | byte(len(lengths))}
	for _, n := range lengths {
		out = append(out, 0x99, byte(n>>8), byte(n))
		out = append(out, make([]byte, n)...)
	}
	return out
}

func negTypes(t *testing.T) {
	t.Helper()
	type record struct {
		Name   string           `cbor:"name"`
		Random cose.Bytes       `cbor:"random"`
		ID     uint64           `cbor:"id"`
		When   cose.TDate       `cbor:"when"`
		Inner  cose.EncodedCBOR `cbor:"inner"`
	}
	const when = "6477686 56e" // "when"
	cases := []struct{ name, bad, honest string }{
		{"C07 bytes from an array of integers", "a1 6672616e646f6d 820102", "a1 6672616e646f6d 420102"},
		{"C07 bytes from text", "a1 6672616e646f6d 6161", "a1 6672616e646f6d 4161"},
		{"C07 bytes from null", "a1 6672616e646f6d f6", "a1 6672616e646f6d 40"},
		{"C07 text from bytes", "a1 646e616d65 4161", "a1 646e616d65 6161"},
		{"C07 negative unsigned", "a1 626964 20", "a1 626964 00"},
		{"C07 float for an integer", "a1 626964 f93c00", "a1 626964 01"},
		{"C06 tdate without tag", "a1" + when + "74323031332d30332d32315432303a30343a30305a", "a1" + when + "c074323031332d30332d32315432303a30343a30305a"},
		{"C06 tdate with fraction", "a1" + when + "c076323031332d30332d32315432303a30343a30302e305a", "a1" + when + "c074323031332d30332d32315432303a30343a30305a"},
		{"C06 tdate with offset", "a1" + when + "c07819323031332d30332d32315432303a30343a30302b30393a3030", "a1" + when + "c074323031332d30332d32315432303a30343a30305a"},
		{"C06 full-date for tdate", "a1" + when + "d903ec6a323031392d31302d3230", "a1" + when + "c074323031332d30332d32315432303a30343a30305a"},
		{"C06 embedded without tag", "a1 65696e6e6572 4100", "a1 65696e6e6572 d8184100"},
		{"C06 embedded with another tag", "a1 65696e6e6572 d8194100", "a1 65696e6e6572 d90018 580100"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var r record
			if err := cose.Unmarshal(unhex(t, c.honest), &r); err != nil {
				t.Errorf("honest twin: %v", err)
			}
			if err := cose.Unmarshal(unhex(t, c.bad), &r); !errors.Is(err, cose.ErrMalformed) {
				t.Errorf("got %v, want it refused as malformed", err)
			}
		})
	}
	t.Run("C07 field names match with their case", func(t *testing.T) {
		t.Parallel()
		var r record
		if err := cose.Unmarshal(unhex(t, "a2 646e616d65 6161 644e616d65 6162"), &r); err != nil || r.Name != "a" {
			t.Errorf("got %q, %v", r.Name, err)
		}
	})
}

func TestEncodedKeepsItsBytes(t *testing.T) {
	t.Parallel()
	// C05: tag, length and integer all in longer encodings than necessary.
	raw := unhex(t, "d90018 5803 190001")
	var e cose.EncodedCBOR
	if err := cose.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := e.Decode(&n); err != nil || n != 1 {
		t.Errorf("got %d, %v", n, err)
	}
	again, err := cose.Marshal(map[string]any{"x": e})
	if err != nil || !bytes.Equal(again[3:], raw) {
		t.Errorf("got %x, %v", again, err)
	}
}

func TestMarshalIsDeterministic(t *testing.T) {
	t.Parallel()
	got, err := cose.Marshal(map[any]any{"b": 1.5, "aa": 1, 10: []byte{1}, -1: nil, "a": 100000.0})
	if want := "a5 0a4101 20f6 6161fa47c35000 6162f93e00 62616101"; err != nil || !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("got %x, %v", got, err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{"00", "a2616101616202", "d81842d8184100", "c074323031332d30332d32315432303a30343a30305a", "8443a10126a0f640", "fb3ff199999999999a", "9f01ff", "d903ec6a323031392d31302d3230"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var item any
		err := cose.Unmarshal(data, &item)
		v, valueErr := cose.ValueFromCBOR(data)
		if valueErr == nil && err != nil {
			t.Fatalf("claim value from what does not decode: %v", err)
		}
		if valueErr != nil {
			return
		}
		again, err := cose.ValueToCBOR(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cose.ValueFromCBOR(again); err != nil {
			t.Fatalf("%x came back as %x: %v", data, again, err)
		}
	})
}
