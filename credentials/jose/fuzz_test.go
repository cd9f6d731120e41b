package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
)

// FuzzJWK: what is accepted is a point on a curve, and comes back the same.
func FuzzJWK(f *testing.F) {
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}`))
	f.Add([]byte(`{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",` +
		`"y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2","use":"sig","key_ops":["verify"]}`))
	f.Add([]byte(`{"kty":"oct","k":"AA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := jose.ParseJWK(data)
		if err != nil {
			return
		}
		pub, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jose.NewJWK(pub)
		if err != nil || jose.EncodeBase64(again.Thumbprint()) != jose.EncodeBase64(key.Thumbprint()) {
			t.Errorf("%+v became %+v, %v", key, again, err)
		}
	})
}

// FuzzUnmarshalJSON: encoding/json reads what is accepted, and reads the same.
func FuzzUnmarshalJSON(f *testing.F) {
	f.Add([]byte(`{"iss":"joe","exp":1300819380,"http://example.com/is_root":true}`))
	f.Add([]byte(`{"a":1,"A":2,"b":[null,1e3,"\ud83d\ude00"]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, plain any
		if jose.UnmarshalJSON(data, &strict) != nil {
			return
		}
		if err := json.Unmarshal(data, &plain); err != nil || !reflect.DeepEqual(strict, plain) {
			t.Errorf("%q: %v here, %v and %v in encoding/json", data, strict, plain, err)
		}
	})
}

// FuzzDecrypt: only what was encrypted to the key opens, whatever the header.
func FuzzDecrypt(f *testing.F) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 7))
	if err != nil {
		f.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	for _, enc := range []string{jose.A128GCM, jose.A256GCM} {
		token, err := jose.Encrypt([]byte("plain"), jwk, enc, jose.EncryptOptions{Cty: "json", APU: []byte("a"), APV: []byte("b")})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
	}
	f.Add("eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSJ9..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		e, err := jose.ParseEncrypted(token)
		if err != nil {
			return
		}
		if e.Header.Alg != jose.ECDHES {
			t.Errorf("accepted %+v", e.Header)
		}
		_, _ = e.Decrypt(key, jose.A128GCM, jose.A256GCM)
	})
}
