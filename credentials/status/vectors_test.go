package status_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/status"
)

// draftFile reads a published file; testdata/README.md says where it is from.
func draftFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// unwrap joins the lines that the draft breaks.
func unwrap(s string) string { return strings.Join(strings.Fields(s), "") }

// TestVectorsAppendixC decodes the four lists of 2^20 entries and compares all
// the statuses that the draft prints, and that there are no others.
func TestVectorsAppendixC(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`(?m)^status\[(\d+)\] ?= 0b([01]+)$`)
	sections := strings.Split("\n"+draftFile(t, "appendix-c-statuses.txt"), "\n## ")[1:]
	for i, file := range []string{"1_long", "2_long", "4", "8"} {
		bits := 1 << i
		t.Run(fmt.Sprintf("TV-02 %d bits", bits), func(t *testing.T) {
			t.Parallel()
			want := newList(t, 1<<20, bits)
			lines := line.FindAllStringSubmatch(sections[i], -1)
			for _, m := range lines {
				index, errIndex := strconv.ParseUint(m[1], 10, 64)
				value, errValue := strconv.ParseUint(m[2], 2, 8)
				if errIndex != nil || errValue != nil {
					t.Fatal(errIndex, errValue)
				}
				if err := want.Set(index, status.Value(value)); err != nil {
					t.Fatal(err)
				}
			}
			if counts := []int{11, 11, 15, 256}; len(lines) != counts[i] {
				t.Fatalf("%d statuses found, want %d", len(lines), counts[i])
			}
			fromJSON, err := status.ParseJSON([]byte(unwrap(draftFile(t, "status_list_encoding"+file+"_json.md"))))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(unwrap(draftFile(t, "status_list_encoding"+file+"_cbor.md")))
			if err != nil {
				t.Fatal(err)
			}
			fromCBOR, err := status.ParseCBOR(raw)
			if err != nil {
				t.Fatal(err)
			}
			if fromJSON.Bits() != bits || !bytes.Equal(fromJSON.Bytes(), want.Bytes()) {
				t.Error("JSON form differs")
			}
			if fromCBOR.Bits() != bits || !bytes.Equal(fromCBOR.Bytes(), want.Bytes()) {
				t.Error("CBOR form differs")
			}
		})
	}
}

// TestVectorToken verifies the signed example of section 5.1.
func TestVectorToken(t *testing.T) {
	t.Parallel()
	token := unwrap(draftFile(t, "status_list_jwt_raw.md"))
	key, err := jose.ParseJWK([]byte(draftFile(t, "key.json")))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	const uri = "https://example.com/statuslists/1"
	at := time.Unix(1686920170, 0)
	got, err := status.VerifyWithKey(token, uri, pub, at)
	if err != nil {
		t.Fatalf("TV-03: %v", err)
	}
	if got.TTL != 12*time.Hour || got.Expires.Unix() != 2291720170 || !bytes.Equal(got.List().Bytes(), []byte{0xb9, 0xa3}) {
		t.Errorf("TV-03: %+v", got)
	}
}

// TestVectorTokenCWT verifies the signed example of section 5.2.
func TestVectorTokenCWT(t *testing.T) {
	t.Parallel()
	token, err := hex.DecodeString(unwrap(draftFile(t, "status_list_cwt.md")))
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.ParseJWK([]byte(draftFile(t, "key.json")))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	const uri = "https://example.com/statuslists/1"
	got, err := status.VerifyCWTWithKey(token, uri, pub, time.Unix(1686920170, 0))
	if err != nil {
		t.Fatalf("TV-04: %v", err)
	}
	if got.TTL != 12*time.Hour || got.Expires.Unix() != 2291720170 || !bytes.Equal(got.List().Bytes(), []byte{0xb9, 0xa3}) {
		t.Errorf("TV-04: %+v", got)
	}
	token[len(token)-1] ^= 1
	if _, err := status.VerifyCWTWithKey(token, uri, pub, time.Unix(1686920170, 0)); !errors.Is(err, status.ErrToken) {
		t.Errorf("TV-04 with another signature: %v", err)
	}
}
