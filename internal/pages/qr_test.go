package pages_test

import (
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/pages"
)

func TestQR(t *testing.T) {
	t.Parallel()
	code, err := pages.NewQR("openid4vp://?client_id=x")
	if err != nil {
		t.Fatal(err)
	}
	// The upper edge of the finder pattern is seven dark modules long.
	if code.Size < 21+8 || !strings.HasPrefix(code.Path, "M4 4h7v1h-7z") {
		t.Errorf("size %d, path %.40s", code.Size, code.Path)
	}
	if _, err := pages.NewQR(strings.Repeat("x", 4000)); err == nil {
		t.Error("a text that does not fit was accepted")
	}
}
