package walletapp_test

import (
	"crypto/rand"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/tegata-id/tegata/internal/app/walletapp"
)

// drawQR writes a QR code as the screenshot of one.
func drawQR(t *testing.T, path, text string, scale int) {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	margin := 4 * scale
	picture := image.NewGray(image.Rect(0, 0, code.Size*scale+2*margin, code.Size*scale+2*margin))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range code.Size * scale {
		for x := range code.Size * scale {
			if code.Black(x/scale, y/scale) {
				picture.SetGray(x+margin, y+margin, color.Gray{})
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, picture), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestReadQR reads codes of all lengths that links have.
func TestReadQR(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "qr.png")
	for n := 1; n <= 24; n++ {
		link := "openid4vp://?client_id=x509_hash%3A" + strings.Repeat(rand.Text(), n)
		drawQR(t, path, link, 3+n%4)
		if got, err := walletapp.ReadQR(path); err != nil || got != link {
			t.Errorf("%d characters: %q, %v", len(link), got, err)
		}
	}
	for name, data := range map[string]string{"no picture": "x", "empty": ""} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := walletapp.ReadQR(path); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}
