package pay

import (
	"strings"
	"testing"
)

func TestOpenIDs(t *testing.T) {
	for s, want := range map[string]bool{
		"2088102122524333": true, "2088000000000000": true,
		"074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5": true, "o": true, "a-b_C9": true,
		strings.Repeat("x", 64): true,
		"":                      false, "208810212252433": false, "20881021225243330": false,
		"2089102122524333": false, "1": false,
		"20881021225243３3": false, "2088102122524333 ": false, "a b": false, "a.b": false,
		"a+b": false, "a=b": false,
		"a\n": false,
		"茶":   false, "<script>": false, strings.Repeat("x", 65): false, strings.Repeat("2", 1000): false,
	} {
		if got := ValidOpenID(s); got != want {
			t.Errorf("%.40q: got %v", s, got)
		}
	}
}
