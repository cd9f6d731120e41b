package status_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/status"
)

func TestListSetGet(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1, 2, 4, 8} {
		list := newList(t, 100, bits)
		top := status.Value(1<<bits - 1)
		for _, i := range []uint64{0, 1, 7, 8, 50, 99} {
			if err := list.Set(i, top); err != nil {
				t.Fatal(err)
			}
		}
		if err := list.Set(50, status.Valid); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(100) {
			want := status.Valid
			switch i {
			case 0, 1, 7, 8, 99:
				want = top
			}
			if got, err := list.Get(i); err != nil || got != want {
				t.Errorf("%d bits: status[%d] = %v, error %v, want %v", bits, i, got, err, want)
			}
		}
		if bits < 8 {
			if err := list.Set(0, top+1); !errors.Is(err, status.ErrList) {
				t.Errorf("%d bits: value that does not fit: %v", bits, err)
			}
		}
		if err := list.Set(100, 0); !errors.Is(err, status.ErrIndex) {
			t.Errorf("index out of range: %v", err)
		}
	}
	for _, tc := range [][2]int{{0, 1}, {-1, 1}, {8, 0}, {8, 3}, {8, 16}, {status.MaxListSize + 1, 8}} {
		if _, err := status.NewList(tc[0], tc[1]); !errors.Is(err, status.ErrList) {
			t.Errorf("NewList%v: %v", tc, err)
		}
	}
}

func TestFromBits(t *testing.T) {
	t.Parallel()
	list := status.FromBits([]byte{0xb9, 0xa3, 0xff}, 20)
	if list.Len() != 20 || list.Bits() != 1 {
		t.Errorf("len %d, bits %d", list.Len(), list.Bits())
	}
	short := status.FromBits([]byte{0xff}, 16)
	if diff := cmp.Diff([]byte{0xff, 0}, short.Bytes()); diff != "" {
		t.Error(diff)
	}
	if v, err := short.Get(15); v != status.Valid || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// TestPublishedEncodings holds the byte order and both encodings against the
// examples of draft-ietf-oauth-status-list section 4. The compressed bytes that
// we produce differ, since deflate has many encodings.
func TestPublishedEncodings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, json, cbor string
		bits             int
		packed           []byte
		statuses         []status.Value
	}{
		{
			name: "one bit", bits: 1, packed: []byte{0xb9, 0xa3},
			json:     `{"bits":1,"lst":"eNrbuRgAAhcBXQ"}`,
			cbor:     "a2646269747301636c73744a78dadbb918000217015d",
			statuses: []status.Value{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1},
		},
		{
			name: "two bits", bits: 2, packed: []byte{0xc9, 0x44, 0xf9},
			json:     `{"bits":2,"lst":"eNo76fITAAPfAgc"}`,
			cbor:     "a2646269747302636c73744b78da3be9f2130003df0207",
			statuses: []status.Value{1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			raw, err := hex.DecodeString(tc.cbor)
			if err != nil {
				t.Fatal(err)
			}
			fromJSON, err := status.ParseJSON([]byte(tc.json))
			if err != nil {
				t.Fatal(err)
			}
			fromCBOR, err := status.ParseCBOR(raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range []*status.List{fromJSON, fromCBOR} {
				if diff := cmp.Diff(tc.packed, list.Bytes()); diff != "" {
					t.Error(diff)
				}
				for i, want := range tc.statuses {
					if got, err := list.Get(uint64(i)); err != nil || got != want {
						t.Errorf("status[%d] = %v, %v", i, got, err)
					}
				}
			}
			ours := newList(t, len(tc.statuses), tc.bits)
			for i, v := range tc.statuses {
				if err := ours.Set(uint64(i), v); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.packed, ours.Bytes()); diff != "" {
				t.Error(diff)
			}
			compressed, err := ours.Compress()
			if err != nil {
				t.Fatal(err)
			}
			back, err := status.Decompress(compressed, tc.bits)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.packed, back.Bytes()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func deflated(t testing.TB, data []byte, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := open(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openZlib(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }

func TestNegDecompress(t *testing.T) {
	t.Parallel()
	data := []byte("status list bytes")
	honest := deflated(t, data, openZlib)
	if _, err := status.Decompress(honest, 1); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	if _, err := status.Decompress(deflated(t, make([]byte, status.MaxListSize), openZlib), 1); err != nil {
		t.Fatalf("honest twin at the limit: %v", err)
	}
	badSum := bytes.Clone(honest)
	badSum[len(badSum)-1] ^= 1
	for name, in := range map[string][]byte{
		"T01 bomb":         deflated(t, make([]byte, status.MaxListSize+1), openZlib),
		"T01 trailing":     append(bytes.Clone(honest), 0),
		"T01 two streams":  append(bytes.Clone(honest), honest...),
		"T01 checksum":     badSum,
		"T01 truncated":    honest[:len(honest)-1],
		"T01 empty":        nil,
		"T01 no entries":   deflated(t, nil, openZlib),
		"T01 input size":   make([]byte, status.MaxCompressedSize+1),
		"T01 gzip":         deflated(t, data, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"T01 raw deflate":  deflated(t, data, func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 9); return f }),
		"T01 preset dict":  deflated(t, data, func(w io.Writer) io.WriteCloser { z, _ := zlib.NewWriterLevelDict(w, 9, data); return z }),
		"T01 not zlib":     []byte("status"),
		"T01 header alone": honest[:2],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := status.Decompress(in, 1); !errors.Is(err, status.ErrList) {
				t.Errorf("error = %v", err)
			}
		})
	}
	for _, bits := range []int{-1, 0, 3, 5, 16, 64} {
		if _, err := status.Decompress(honest, bits); !errors.Is(err, status.ErrList) {
			t.Errorf("T02 bits %d: error = %v", bits, err)
		}
	}
}

func TestNegReference(t *testing.T) {
	t.Parallel()
	ref := func(idx, uri credentials.Value) credentials.Object {
		return credentials.Object{"status_list": credentials.Object{"idx": idx, "uri": uri}}
	}
	uri := credentials.Text(listURI)
	got, err := status.ParseReference(ref(credentials.Int(0), uri))
	if diff := cmp.Diff(&credentials.StatusRef{URI: listURI}, got); err != nil || diff != "" {
		t.Fatalf("honest twin: %v %s", err, diff)
	}
	both := ref(credentials.Int(0), uri)
	both["identifier_list"] = credentials.Object{}
	for name, claim := range map[string]credentials.Value{
		"T02 negative":          ref(credentials.Int(-1), uri),
		"T02 float":             ref(credentials.Float(1.5), uri),
		"T02 string":            ref(credentials.Text("1"), uri),
		"T02 null":              ref(credentials.Null{}, uri),
		"T02 no uri":            credentials.Object{"status_list": credentials.Object{"idx": credentials.Int(1)}},
		"T04 http":              ref(credentials.Int(1), credentials.Text("http://status.example/1")),
		"T04 file":              ref(credentials.Int(1), credentials.Text("file:///etc/passwd")),
		"T04 relative":          ref(credentials.Int(1), credentials.Text("/lists/1")),
		"T04 user information":  ref(credentials.Int(1), credentials.Text("https://a@status.example/1")),
		"T04 no host":           ref(credentials.Int(1), credentials.Text("https:///1")),
		"T04 fragment":          ref(credentials.Int(1), uri+"#x"),
		"T05 two mechanisms":    both,
		"T05 unknown mechanism": credentials.Object{"other": credentials.Object{}},
		"T05 empty":             credentials.Object{},
		"T05 not an object":     credentials.Text("VALID"),
		"T05 list not object":   credentials.Object{"status_list": credentials.Array{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := status.ParseReference(claim); !errors.Is(err, status.ErrReference) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for v, want := range map[status.Value]string{0: "VALID", 1: "INVALID", 2: "SUSPENDED", 3: "0x3", 12: "0xc"} {
		if v.String() != want || v.IsValid() != (v == 0) {
			t.Errorf("%d: %s, valid %v", v, v, v.IsValid())
		}
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add(deflated(f, []byte{0xb9, 0xa3}, openZlib), 1)
	f.Add(deflated(f, make([]byte, 1000), openZlib), 8)
	f.Fuzz(func(t *testing.T, data []byte, bits int) {
		list, err := status.Decompress(data, bits)
		if err != nil {
			return
		}
		if _, err := list.Get(list.Len() - 1); err != nil {
			t.Error(err)
		}
		if _, err := list.Get(list.Len()); !errors.Is(err, status.ErrIndex) {
			t.Error("index past the end")
		}
	})
}
