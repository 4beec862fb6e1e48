package web

import (
	"strings"
	"testing"
)

func TestQRCodeIsTheLink(t *testing.T) {
	code := QROf("https://pay.example.com/pay/tok")
	// the finder's upper edge, after the quiet zone
	if code.Size < 25 || !strings.HasPrefix(code.Path, "M4 4h7v1h-7z") {
		t.Errorf("got %d modules, %.40s", code.Size, code.Path)
	}
	if got := QROf(strings.Repeat("x", 5000)); got.Size != 0 {
		t.Errorf("a link that fits no code gave %d modules", got.Size)
	}
}
