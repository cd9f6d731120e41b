package pages

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// QR is a QR code as an SVG image, which a strict content security policy lets
// through.
type QR struct {
	// Size is the length of a side of the view box, in modules with a margin of
	// four on every side (ISO/IEC 18004).
	Size int
	// Path draws the dark modules.
	Path string
}

const quietZone = 4

// NewQR encodes a text with medium error correction, or low if it is too long
// for that.
func NewQR(text string) (*QR, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		code, err = qr.Encode(text, qr.L)
	}
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	return &QR{Size: code.Size + 2*quietZone, Path: path.String()}, nil
}
