package jose_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"github.com/tegata-id/tegata/credentials/jose"
)

// The literals below are printed in the RFCs that each test names. Whatever is
// refused is first checked with the algorithm in question, by the standard
// library or by jwx, so that it is known to be the published token and to be
// refused for nothing but its algorithm.

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	out, err := jose.DecodeBase64(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims is the payload of RFC 7515 appendices A.1, A.2, A.3 and A.5.
const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

func TestVectorsJWS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, token, key, payload string }{
		{
			"RFC 7515 A.3 ES256",
			"eyJhbGciOiJFUzI1NiJ9." + claims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
		},
		{
			"RFC 7515 A.4 ES512",
			"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_" +
				"7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
			`{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",` +
				`"y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`,
			"Payload",
		},
	} {
		t.Run("TV-30 "+tc.name, func(t *testing.T) {
			t.Parallel()
			key, err := jose.ParseJWK([]byte(tc.key))
			if err != nil {
				t.Fatal(err)
			}
			pub, err := key.PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			u, err := jose.Parse(tc.token)
			if err != nil {
				t.Fatal(err)
			}
			if payload, err := u.Verify(pub); err != nil || string(payload) != tc.payload {
				t.Errorf("payload %q, error %v", payload, err)
			}
			parts := strings.Split(tc.token, ".")
			parts[1] = "e30"
			if u, err = jose.Parse(strings.Join(parts, ".")); err != nil {
				t.Fatal(err)
			}
			if _, err := u.Verify(pub); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("another payload: error %v", err)
			}
		})
	}
}

func TestVectorsRefusedJWS(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token   string
		genuine func(t *testing.T, input, signature []byte) bool
	}{
		"RFC 7515 A.1 HS256": {
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + claims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
			func(t *testing.T, input, signature []byte) bool {
				mac := hmac.New(sha256.New, unbase64(t, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"))
				mac.Write(input)
				return hmac.Equal(mac.Sum(nil), signature)
			},
		},
		"RFC 7515 A.2 RS256": {
			"eyJhbGciOiJSUzI1NiJ9." + claims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" +
				"jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j" +
				"zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
			func(t *testing.T, input, signature []byte) bool {
				n := unbase64(t, "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"+
					"YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k"+
					"G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")
				sum := sha256.Sum256(input)
				pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
				return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], signature) == nil
			},
		},
		"RFC 7515 A.5 none": {
			"eyJhbGciOiJub25lIn0." + claims + ".",
			func(t *testing.T, input, signature []byte) bool { return len(signature) == 0 },
		},
	} {
		t.Run("TV-30 "+name, func(t *testing.T) {
			t.Parallel()
			input, signature := tc.token[:strings.LastIndex(tc.token, ".")], tc.token[strings.LastIndex(tc.token, ".")+1:]
			if !tc.genuine(t, []byte(input), unbase64(t, signature)) {
				t.Fatal("this is not the published token")
			}
			if _, err := jose.Parse(tc.token); !errors.Is(err, jose.ErrToken) {
				t.Errorf("error %v, want ErrToken", err)
			}
		})
	}
}

// openGCM opens AES-GCM content under its key.
func openGCM(t *testing.T, key, aad, iv, ciphertext, tag []byte) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	out, err := gcm.Open(nil, iv, append(ciphertext, tag...), aad)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// openCBC opens the content of A128CBC-HS256 (RFC 7518 section 5.2.3).
func openCBC(t *testing.T, key, aad, iv, ciphertext, tag []byte) string {
	t.Helper()
	mac := hmac.New(sha256.New, key[:16])
	mac.Write(aad)
	mac.Write(iv)
	mac.Write(ciphertext)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(aad))*8))
	if !hmac.Equal(mac.Sum(nil)[:16], tag) {
		t.Fatal("this is not the published token")
	}
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, ciphertext)
	return string(out[:len(out)-int(out[len(out)-1])])
}

func TestVectorsRefusedJWE(t *testing.T) {
	t.Parallel()
	// The content encryption key of appendix A.1, and the one of A.2 and A.3.
	keyA1 := []byte{
		177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246,
		138, 7, 110, 91, 112, 46, 34, 105, 47, 130, 203, 46, 122, 234, 64, 252,
	}
	keyA2 := []byte{
		4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206,
		107, 124, 212, 45, 111, 107, 9, 219, 200, 177, 0, 240, 143, 156, 44, 207,
	}
	for name, tc := range map[string]struct {
		token, plaintext string
		open             func(t *testing.T, key, aad, iv, ciphertext, tag []byte) string
		key              []byte
	}{
		"RFC 7516 A.1 RSA-OAEP": {
			"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr" +
				"05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfq" +
				"Nzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg." +
				"48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ",
			"The true sign of intelligence is not knowledge but imagination.", openGCM, keyA1,
		},
		"RFC 7516 A.2 RSA1_5": {
			"eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i" +
				"8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPLgNZ__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2" +
				"Yw8kZqa2rMWI5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv-B3oWh2TbqmScqXMR4gp_A." +
				"AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.9hH0vgRfYgPnAHOd8stkvw",
			"Live long and prosper.", openCBC, keyA2,
		},
		"RFC 7516 A.3 A128KW": {
			"eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ." +
				"AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ",
			"Live long and prosper.", openCBC, keyA2,
		},
	} {
		t.Run("TV-30 "+name, func(t *testing.T) {
			t.Parallel()
			p := strings.Split(tc.token, ".")
			got := tc.open(t, tc.key, []byte(p[0]), unbase64(t, p[2]), unbase64(t, p[3]), unbase64(t, p[4]))
			if got != tc.plaintext {
				t.Fatalf("plaintext %q", got)
			}
			if strings.HasSuffix(name, "A128KW") {
				out, err := jwe.Decrypt([]byte(tc.token), jwe.WithKey(jwa.A128KW, unbase64(t, "GawgguFyGrWKav7AX4VKUg")))
				if err != nil || string(out) != tc.plaintext {
					t.Fatalf("plaintext %q, error %v", out, err)
				}
			}
			if _, err := jose.ParseEncrypted(tc.token); !errors.Is(err, jose.ErrToken) {
				t.Errorf("error %v, want ErrToken", err)
			}
		})
	}
}

// TestVectorKeyAgreement holds ECDH-ES against RFC 7518 appendix C. It prints
// no JWE, so one is sealed here under the key that the appendix derives; it
// opens only if the recipient derives the same.
func TestVectorKeyAgreement(t *testing.T) {
	t.Parallel()
	const header = `{"alg":"ECDH-ES","enc":"A128GCM","apu":"QWxpY2U","apv":"Qm9i","epk":{"kty":"EC","crv":"P-256",` +
		`"x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0","y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}}`
	bob, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unbase64(t, "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"))
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewJWK(bob.Public())
	if err != nil {
		t.Fatal(err)
	}
	if jwk.X != "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ" || jwk.Y != "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck" {
		t.Fatalf("this is not the published key: %+v", jwk)
	}
	seal := func(derived string) string {
		block, err := aes.NewCipher(unbase64(t, derived))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		protected, iv := jose.EncodeBase64([]byte(header)), make([]byte, 12)
		out := gcm.Seal(nil, iv, []byte("to Bob"), []byte(protected))
		n := len(out) - 16
		return protected + ".." + jose.EncodeBase64(iv) + "." + jose.EncodeBase64(out[:n]) + "." + jose.EncodeBase64(out[n:])
	}
	for derived, ok := range map[string]bool{"VqqN6vgjbSBcIijNcacQGg": true, "VqqN6vgjbSBcIijNcacQGQ": false} {
		e, err := jose.ParseEncrypted(seal(derived))
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Decrypt(bob, jose.A128GCM)
		if (err == nil && string(out) == "to Bob") != ok {
			t.Errorf("TV-30 RFC 7518 C, key %s: %q, %v", derived, out, err)
		}
	}
}

// TestVectorThumbprint holds thumbprints against RFC 9449 section 6.1, and the
// RSA key of RFC 7638 section 3.1, which is genuine, against the refusal of
// RSA keys.
func TestVectorThumbprint(t *testing.T) {
	t.Parallel()
	key, err := jose.ParseJWK([]byte(`{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := jose.EncodeBase64(key.Thumbprint()); got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("TV-30 RFC 9449 6.1: %s", got)
	}
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9y" +
		"BXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2Nc" +
		"Rwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	rsaKey := `{"e":"AQAB","kty":"RSA","n":"` + n + `"}`
	if sum := sha256.Sum256([]byte(rsaKey)); jose.EncodeBase64(sum[:]) != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Fatal("this is not the published key")
	}
	if _, err := jose.ParseJWK([]byte(rsaKey)); !errors.Is(err, jose.ErrKey) {
		t.Errorf("TV-30 RFC 7638 3.1: error %v, want ErrKey", err)
	}
}
