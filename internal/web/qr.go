package web

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

// QR is a QR code as an SVG path: one unit per module, in a square of Size units.
type QR struct {
	Size int
	Path string
}

// QROf makes the QR code of a link. It returns the zero value if the link is too
// long for one.
func QROf(link string) QR {
	code, err := qrcode.New(link, qrcode.Medium)
	if err != nil {
		return QR{}
	}
	rows := code.Bitmap()
	var b strings.Builder
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from, y, x-from, x-from)
			}
		}
	}
	return QR{Size: len(rows), Path: b.String()}
}
