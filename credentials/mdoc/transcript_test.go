package mdoc_test

import (
	"encoding/hex"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/mdoc"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The examples of OpenID4VP 1.0 appendix B.2.6.
const (
	exampleThumbprint       = "4283ec927ae0f208daaa2d026a814f2b22dca52cf85ffa8f3f8626c6bd669047"
	exampleRedirect         = "83f6f682714f70656e494434565048616e646f7665725820048bc053c00442af9b8eed494cefdd9d95240d254b046b11b68013722aad38ac"
	exampleDCAPI            = "83f6f682764f70656e4944345650444341504948616e646f7665725820fbece366f4212f9762c74cfdbf83b8c69e371d5d68cea09cb4c48ca6daab761a"
	exampleNonce            = "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA"
	exampleClientID         = "x509_san_dns:example.com"
	exampleResponseURI      = "https://example.com/response"
	exampleOrigin           = "https://example.com"
	exampleOriginWithPrefix = "origin:https://example.com"
)

func TestTranscriptVectors(t *testing.T) {
	t.Parallel()
	thumbprint := unhex(t, exampleThumbprint)
	redirect := credentials.Binding{Mode: credentials.BindingRedirect, Nonce: exampleNonce, ClientID: exampleClientID, ResponseURI: exampleResponseURI, EncryptionKeyThumbprint: thumbprint}
	dcapi := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: exampleNonce, Origin: exampleOrigin, EncryptionKeyThumbprint: thumbprint}
	for name, c := range map[string]struct {
		b    credentials.Binding
		want string
	}{
		"TV-05 redirect": {redirect, exampleRedirect},
		"TV-06 DC API":   {dcapi, exampleDCAPI},
	} {
		got, err := mdoc.Transcript(c.b)
		if err != nil || hex.EncodeToString(got.Bytes()) != c.want {
			t.Errorf("%s: got %x, %v", name, got.Bytes(), err)
		}
	}
	prefixed := dcapi
	prefixed.Origin = exampleOriginWithPrefix
	unencrypted := redirect
	unencrypted.EncryptionKeyThumbprint = nil
	for name, c := range map[string]struct {
		b    credentials.Binding
		same string
	}{
		"MDO-03 origin with prefix": {prefixed, exampleDCAPI},
		"MDO-04 not encrypted":      {unencrypted, exampleRedirect},
	} {
		got, err := mdoc.Transcript(c.b)
		if err != nil || hex.EncodeToString(got.Bytes()) == c.same {
			t.Errorf("%s: got %x, %v", name, got.Bytes(), err)
		}
	}
}

func TestTranscriptRefusesIncompleteBindings(t *testing.T) {
	t.Parallel()
	redirect := credentials.Binding{Mode: credentials.BindingRedirect, Nonce: "n", ClientID: "c", ResponseURI: "r"}
	dcapi := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: "n", Origin: "o"}
	for _, b := range []credentials.Binding{redirect, dcapi} {
		if _, err := mdoc.Transcript(b); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	}
	edit := func(b credentials.Binding, f func(*credentials.Binding)) credentials.Binding { f(&b); return b }
	for name, b := range map[string]credentials.Binding{
		"no mode":          edit(redirect, func(b *credentials.Binding) { b.Mode = 0 }),
		"no nonce":         edit(redirect, func(b *credentials.Binding) { b.Nonce = "" }),
		"no client":        edit(redirect, func(b *credentials.Binding) { b.ClientID = "" }),
		"no response URI":  edit(redirect, func(b *credentials.Binding) { b.ResponseURI = "" }),
		"no origin":        edit(dcapi, func(b *credentials.Binding) { b.Origin = "" }),
		"empty thumbprint": edit(dcapi, func(b *credentials.Binding) { b.EncryptionKeyThumbprint = []byte{} }),
		"short thumbprint": edit(redirect, func(b *credentials.Binding) { b.EncryptionKeyThumbprint = make([]byte, 31) }),
	} {
		if _, err := mdoc.Transcript(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := mdoc.RedirectTranscript(dcapi); err == nil {
		t.Error("redirect transcript for the Digital Credentials API")
	}
	if _, err := mdoc.DCAPITranscript(redirect); err == nil {
		t.Error("Digital Credentials API transcript for a redirect")
	}
}
