package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestARequestOfAnotherTimeIsRefusedOnDemand(t *testing.T) {
	h := newHarness(t) // whose clock says 2026-01-02 11:04:05 +0800
	for i, txdtm := range []string{"2019-01-01 00:00:00", "2030-01-01 00:00:00"} {
		wantCode(t, h.pay(t, "out_trade_no", fmt.Sprint("any-", i), "txdtm", txdtm, "txzone", "odd"), 200,
			"0000", "")
	}
	must(t, h.Store.SetMaxAge(t.Context(), "plain", 10*time.Minute))
	for i, c := range []struct{ txdtm, txzone, says string }{
		{"2026-01-02 11:04:05", "", ""},
		{"2026-01-02 10:54:05", "", ""},
		{"2026-01-02 11:14:05", "", ""},
		{"2026-01-02 10:54:04", "",
			"txdtm: must be within 10m0s of our time, which is 2026-01-02 11:04:05 in the zone +0800"},
		{"2026-01-02 11:14:06", "", "txdtm: "},
		{"2026-01-02 03:04:05", "", "txdtm: "},
		{"2026-01-02 03:04:05", "+0000", ""},
		{"2026-01-02 03:04:05", "+0800", "which is 2026-01-02 11:04:05 in the zone +0800"},
		{"2026-01-01 22:04:05", "-0500", ""},
		{"2026-01-02 08:34:05", "+0530", ""},
		{"2026-01-02 11:04:05", "+0530", "which is 2026-01-02 08:34:05 in the zone +0530"},
		{"2026-01-02 11:04:05", "0800", "txzone: must be"},
		{"0001-01-01 00:00:00", "", "txdtm: "},
		{"9999-12-31 23:59:59", "", "txdtm: "},
	} {
		number := fmt.Sprint("A-", i)
		got := h.pay(t, "out_trade_no", number, "txdtm", c.txdtm, "txzone", c.txzone)
		if c.says != "" {
			wantCode(t, got, 200, "1104", c.says)
			continue
		}
		wantCode(t, got, 200, "0000", "")
	}
	if n := h.stored(t); n != 2+6 {
		t.Errorf("%d payments are stored", n)
	}

	// A repeat of what is stored is not refused for its time.
	first := h.pay(t, "out_trade_no", "R", "txdtm", "2026-01-02 11:04:05")
	h.pass(time.Hour)
	wantCode(t, h.pay(t, "out_trade_no", "R", "txdtm", "2026-01-02 11:04:05"), 200, "1181", "")
	wantCode(t, h.pay(t, "out_trade_no", "R", "txdtm", "2026-01-02 11:04:05", "txamt", "1201"), 200,
		"2011", "")
	_ = first

	paid := func() string {
		syssn := h.pay(t, "out_trade_no", "P", "txdtm", "2026-01-02 12:04:05").get("syssn")
		h.callback(t, "100001/main", "SIGNED "+syssn+" T", 200, "success")
		return syssn
	}()
	wantCode(t, h.refund(t, paid, "B-1", "100"), 200, "1104", "txdtm: ") // of 2026-01-03
	now := h.clock().In(time.FixedZone("", 8*60*60)).Format(layout)
	wantCode(t, h.refund(t, paid, "B-1", "100", "txdtm", now), 200, "0000", "")
	wantCode(t, h.refund(t, paid, "B-1", "100"), 200, "0000", "")
	open := h.pay(t, "out_trade_no", "C", "txdtm", now).get("syssn")
	wantCode(t, h.closing(t, open), 200, "1104", "txdtm: ")
	end := map[string]string{"syssn": open, "txamt": "1200", "txdtm": now}
	wantCode(t, h.send(t, "/trade/v1/close", "plain", end), 200, "0000", "")
	wantCode(t, h.closing(t, open), 200, "0000", "")
	// Calls that have no txdtm have no age.
	wantCode(t, h.note(t, paid), 200, "0000", "")
	wantCode(t, h.send(t, "/trade/v1/query", "plain",
		map[string]string{"syssn": paid, "txdtm": "2019-01-01 00:00:00"}), 200, "0000", "")
}

func TestAnAppCodeMayTakeSHA256Alone(t *testing.T) {
	h := newHarness(t)
	must(t, h.Store.SetSHA256Only(t.Context(), "plain", true))
	params := order()
	send := func(appCode, hash, signature string) reply {
		r := h.request(t, "/trade/v1/payment", encode(params), appCode, signature)
		if hash != "" {
			r.Header.Set("X-QF-SIGNTYPE", hash)
		}
		return h.do(t, r)
	}
	for _, hash := range []string{"", "MD5", "md5"} {
		wantCode(t, send("plain", hash, signature(params, false)), 200, "1108",
			"X-QF-SIGNTYPE: must be SHA256")
		// Who has not the key learns nothing: neither that the app code exists nor what it takes.
		for _, appCode := range []string{"plain", "nobody", "revoked"} {
			got := send(appCode, hash, strings.Repeat("0", 32))
			if wantCode(t, got, 200, "1108", "X-QF-SIGN: does not fit"); strings.Contains(got.raw, "SHA256") {
				t.Errorf("%s: %s", appCode, got.raw)
			}
		}
	}
	if n := h.stored(t); n != 0 {
		t.Errorf("%d payments are stored", n)
	}
	wantCode(t, send("plain", "SHA256", signature(params, true)), 200, "0000", "")
	wantCode(t, send("plain", "SHA256", signature(params, false)), 200, "1108", "X-QF-SIGN: ")
	must(t, h.Store.SetSHA256Only(t.Context(), "plain", false))
	wantCode(t, send("plain", "", signature(params, false)), 200, "0000", "")
}

func TestADisabledMerchantIsAnsweredByCall(t *testing.T) {
	h := newHarness(t)
	calls := h.calls(t)
	must(t, h.Store.SetMerchantDisabled(t.Context(), "100001", pay.Disabling{Disabled: true}))
	for name, want := range map[string]string{
		"payment": "1243", "payment, in app": "1243", "payment, again": "0000",
		"refund": "0000", "close": "0000",
		"note":            "0000",
		"query by number": "0000", "query by nothing": "0000",
	} {
		wantCode(t, calls[name](), 200, want, "")
	}
	must(t, h.Store.SetMerchantDisabled(t.Context(), "100001",
		pay.Disabling{Disabled: true, StopRefunds: true}))
	wantCode(t, calls["refund"](), 200, "0000", "") // which is there already
	paid := h.send(t, "/trade/v1/query", "plain", map[string]string{"out_trade_no": "C-paid"})
	syssn := paid.fields["data"].([]any)[0].(map[string]any)["syssn"].(string)
	wantCode(t, h.refund(t, syssn, "C-other", "100"), 200, "1243", "")
	must(t, h.Store.SetCredentialDisabled(t.Context(), "plain", true))
	for name, call := range calls {
		if got := call(); got.get("respcd") != "1108" {
			t.Errorf("%s of a disabled app code: %s", name, got.raw)
		}
	}
}
