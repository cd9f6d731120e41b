package walletapp

import (
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // formats of pictures that people have
	_ "image/png"
	"os"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// maxPixels bounds the pictures that are read: those of a phone's camera.
const maxPixels = 50_000_000

// ReadQR returns the text of the QR code in a PNG or JPEG file.
func ReadQR(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, _, err := image.DecodeConfig(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if size.Width*size.Height > maxPixels {
		return "", errors.New(file + ": the picture is too large")
	}
	if _, err := f.Seek(0, 0); err != nil {
		return "", err
	}
	picture, _, err := image.Decode(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		return "", fmt.Errorf("%s: no QR code was found: %w", file, err)
	}
	return result.GetText(), nil
}
