package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/httpd"
)

// TestTypeMetadata fetches the metadata of the flagship type: it names the type
// and every claim that the issuer metadata names, in Japanese and English.
func TestTypeMetadata(t *testing.T) {
	t.Parallel()
	documents, err := typeDocuments(Identity())
	if err != nil {
		t.Fatal(err)
	}
	h, err := httpd.New(httpd.Options{Name: "issuer", Origin: "https://issuer.example", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.Echo().GET(pathType, (&handler{issuer: &Issuer{types: documents}}).typeMetadata)
	get := func(name, tag string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodGet, "https://issuer.example/types/"+name, nil)
		request.Header.Set("If-None-Match", tag)
		response := httptest.NewRecorder()
		h.Handler().ServeHTTP(response, request)
		return response
	}
	response := get("identity_sd_jwt", "")
	m, err := sdjwt.ParseTypeMetadata(response.Body.Bytes(), IdentityVCT)
	if err != nil {
		t.Fatalf("%d: %v", response.Code, err)
	}
	if diff := cmp.Diff([]sdjwt.TypeDisplay{{Locale: "ja", Name: "本人確認証明書（基本4情報）"}, {Locale: "en", Name: "Identity (Japan)"}}, m.Display); diff != "" {
		t.Error(diff)
	}
	var described []credentials.Path
	for _, c := range m.Claims {
		described = append(described, c.Path)
		if c.Disclosure != sdjwt.SDAlways || len(c.Display) != 2 || c.Display[0].Locale != "ja" || c.Display[1].Locale != "en" {
			t.Errorf("%v: %+v", c.Path, c)
		}
	}
	var want []credentials.Path
	for _, c := range new(Issuer).describe(&Identity()[0]).Metadata.Claims {
		want = append(want, c.Path)
	}
	got, _ := json.Marshal(described)
	wanted, _ := json.Marshal(want)
	if string(got) != string(wanted) {
		t.Errorf("claims %s, want %s", got, wanted)
	}
	tag := response.Header().Get("ETag")
	if again := get("identity_sd_jwt", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the same once more: %d", again.Code)
	}
	if other := get("identity_sd_jwt", `"other"`); other.Code != http.StatusOK {
		t.Errorf("with another tag: %d", other.Code)
	}
	for _, name := range []string{"identity_mdoc", "unknown", IdentityVCT} {
		if response := get(name, ""); response.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, response.Code)
		}
	}
}

// TestTypeMetadataIsValid refuses a catalogue whose types nobody could read.
func TestTypeMetadataIsValid(t *testing.T) {
	t.Parallel()
	spoiled := Identity()
	spoiled[0].Name = append(spoiled[0].Name, Text{"ja", "二度目"})
	if _, err := typeDocuments(spoiled); err == nil {
		t.Error("a language named twice")
	}
}
