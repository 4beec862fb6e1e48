package delivery

import (
	"strings"
	"testing"
	"time"
)

func TestAFrozenBodyDiffersInWhatItSaysOfMoney(t *testing.T) {
	body := string(Body(examplePayment(), hongKong))
	for _, c := range []struct{ name, frozen, stored, want string }{
		{"the same", body, "", ""},
		{"another zone", string(Body(examplePayment(), time.FixedZone("", -9*3600-30*60))), "", ""},
		{"made before a member was thought of", strings.Replace(body, `"goods_info": "", `, "", 1), "", ""},
		{"made with a member that is no more", strings.Replace(body, "{", `{"old": "1", `, 1), "", ""},
		{"another amount", strings.Replace(body, `"1230"`, `"123000"`, 1), "txamt 123000", "txamt 1230"},
		{"another currency", strings.Replace(body, `"HKD"`, `"JPY"`, 1), "txcurrcd JPY", "txcurrcd HKD"},
		{"no amount", strings.Replace(body, `"txamt": "1230", `, "", 1), "txamt ", "txamt 1230"},
		{"another order", strings.Replace(body, `"T-1"`, `"T-2"`, 1), "out_trade_no T-2", "out_trade_no T-1"},
		{"another trade", strings.Replace(body, `"20260102220014`, `"20260102220019`, 1),
			"chnlsn 2026010222001900000000000001", "chnlsn 2026010222001400000000000001"},
		{"another minute", strings.Replace(body, "03:05:07", "03:06:07", 1), "paydtm 2026-01-02 03:06:07",
			"paydtm 2026-01-02 03:05:07"},
		{"another week", strings.Replace(body, "2026-01-02 03:05:07", "2026-01-09 03:05:07", 1),
			"paydtm 2026-01-09 03:05:07", "paydtm 2026-01-02 03:05:07"},
		{"no time", strings.Replace(body, "2026-01-02 03:05:07", "soon", 1), "paydtm soon",
			"paydtm 2026-01-02 03:05:07"},
		{"no body", "{", "{", body},
	} {
		t.Run(c.name, func(t *testing.T) {
			if stored, want := Differ([]byte(c.frozen), []byte(body)); stored != c.stored || want != c.want {
				t.Errorf("got %q and %q, want %q and %q", stored, want, c.stored, c.want)
			}
		})
	}
}
