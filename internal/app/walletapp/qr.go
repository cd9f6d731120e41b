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
	text, err := decodeQR(picture)
	if err != nil {
		return "", fmt.Errorf("%s: no QR code was found: %w", file, err)
	}
	return text, nil
}

// decodeQR tries what finds codes in photographs before what reads clean pictures:
// each finds some that the other does not.
func decodeQR(picture image.Image) (string, error) {
	source := gozxing.NewLuminanceSourceFromImage(picture)
	var failure error
	for _, binarizer := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source)} {
		bitmap, err := gozxing.NewBinaryBitmap(binarizer)
		if err != nil {
			return "", err
		}
		for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
			result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true})
			if err == nil {
				return result.GetText(), nil
			}
			failure = err
		}
	}
	return "", failure
}
