package openid4vp_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vp"
)

// TestPublishedDCAPI has the payloads of signed requests over the Digital
// Credentials API that OpenID4VP appendix A prints. They leave out the query,
// which is put in, and are printed without the JWS, so that they are read as
// the unsigned requests that they would be without client_id.
func TestPublishedDCAPI(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"signed_request_payload_compact"} {
		data := string(must(os.ReadFile("testdata/dc_api_" + name + ".json"))(t))
		parse := func(data string) (*openid4vp.Request, error) {
			return openid4vp.ParseDCAPIRequest(context.Background(), openid4vp.ProtocolUnsigned, []byte(data), origin, openid4vp.ParseOptions{Now: clock})
		}
		honest := strings.Replace(data, "{...}", query, 1)
		got, err := parse(honest)
		if err != nil {
			t.Errorf("TV-10 %s: %v", name, err)
			continue
		}
		if p := got.Parameters; p.Nonce != "n-0S6_WzA2Mj" || p.ResponseMode != openid4vp.DCAPI || len(p.ClientMetadata.JWKS.Keys) != 1 {
			t.Errorf("TV-10 %s: read %+v", name, p)
		}
		for fault, variant := range map[string]string{
			"as printed":         data,
			"no nonce":           strings.Replace(honest, `"nonce"`, `"once"`, 1),
			"for redirects":      strings.Replace(honest, `"dc_api"`, `"direct_post"`, 1),
			"the nonce twice":    strings.Replace(honest, `"nonce"`, `"nonce":"a","nonce"`, 1),
			"other type":         strings.Replace(honest, `"vp_token"`, `"code"`, 1),
			"query of no format": strings.Replace(honest, `"format"`, `"form"`, 1),
		} {
			if _, err := parse(variant); code(err) == "" {
				t.Errorf("TV-10 %s, %s: %v", name, fault, err)
			}
		}
	}
	got, err := openid4vp.ParseDCAPIResponse(must(os.ReadFile("testdata/dc_api_error_invalid_request.json"))(t), openid4vp.DCAPI)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(openid4vp.InvalidRequest, got.Params.Error); diff != "" {
		t.Error(diff)
	}
}
