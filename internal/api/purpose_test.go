package api

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

// replay posts what was captured, as it was signed, to another path, cut as body says.
func (h *harness) replay(t *testing.T, path string, captured, cut map[string]string) reply {
	t.Helper()
	return h.do(t, h.request(t, path, encode(cut), "plain", signature(captured, false)))
}

func TestACapturedPaymentClosesNothing(t *testing.T) {
	h := newHarness(t)
	captured := order("out_trade_no", "A-1", "udid", "till")
	syssn := h.send(t, "/trade/v1/payment", "plain", captured).get("syssn")
	for _, path := range []string{"/trade/v1/close", "/trade/v1/reversal"} {
		wantCode(t, h.replay(t, path, captured, captured), 200, "1104", "pay_type: ")
	}
	if p, err := h.Store.Payment(t.Context(), "100001", syssn); err != nil || p.Status != pay.Pending ||
		p.CloseID != "" {
		t.Errorf("stored %+v, %v", p, err)
	}
	// A client with one builder for all calls sends either of the two, or both empty.
	for i, extra := range []map[string]string{{"pay_type": "801107"}, {"txcurrcd": "HKD"},
		{"pay_type": "801107", "txcurrcd": ""}, {"note": "", "code": ""}} {
		number := fmt.Sprint("B-", i)
		wantCode(t, h.pay(t, "out_trade_no", number), 200, "0000", "")
		p := map[string]string{"out_trade_no": number, "txamt": "1200", "txdtm": "2026-01-03 00:00:00",
			"goods_name": "Tea", "return_url": "https://shop.example/?code=1"}
		maps.Copy(p, extra)
		wantCode(t, h.send(t, "/trade/v1/close", "plain", p), 200, "0000", "")
	}
}

// Addresses may hold the names of parameters, so one can hide the middle of a payment while
// the query of the other gives the number.
func TestAPaymentInsideAnAddressClosesNothing(t *testing.T) {
	h := newHarness(t)
	const back = "https://shop.example/back?a=1"
	captured := order("out_trade_no", "A-1", "notify_url", "https://shop.example/notify", "return_url",
		back+"&out_trade_no=A-1")
	wantCode(t, h.send(t, "/trade/v1/payment", "plain", captured), 200, "0000", "")
	cut := maps.Clone(captured)
	delete(cut, "pay_type")
	delete(cut, "return_url")
	cut["notify_url"] += "&out_trade_no=A-1&pay_type=" + captured["pay_type"] + "&return_url=" + back
	for _, path := range []string{"/trade/v1/close", "/trade/v1/reversal"} {
		wantCode(t, h.replay(t, path, captured, cut), 200, "1104", "pay_type: ")
	}
	p, err := h.Store.PaymentByOrderNo(t.Context(), pay.Scope{MerchantID: "100001", AppCode: "plain"}, "A-1")
	if err != nil || p.CloseID != "" {
		t.Errorf("stored %+v, %v", p, err)
	}
	// What a client with one builder sends rightly.
	for i, c := range []struct{ name, value string }{
		{"return_url", back + "&pay_type=801107&out_trade_no=B"},
		{"notify_url", back + "&txcurrcd=HKD&pay_type=1"},
	} {
		number := fmt.Sprint("B-", i)
		wantCode(t, h.pay(t, "out_trade_no", number), 200, "0000", "")
		p := map[string]string{"out_trade_no": number, "txamt": "1200",
			"txdtm": "2026-01-03 00:00:00", c.name: c.value}
		wantCode(t, h.send(t, "/trade/v1/close", "plain", p), 200, "0000", "")
	}
}

func TestANoteCutAnewGivesNoMoneyBack(t *testing.T) {
	h := newHarness(t)
	paid := h.paid(t, "A-1")
	note := "hello&out_trade_no=R-1&syssn=" + paid + "&txamt=1200&txdtm=2026-01-03 00:00:00&udid=till"
	captured := map[string]string{"code": "plain", "note": note, "syssn": paid}
	wantCode(t, h.send(t, "/trade/v1/add_note", "plain", captured), 200, "1104", "note: ")
	for name, cut := range map[string]map[string]string{
		"in the open": {"code": "plain", "note": "hello", "out_trade_no": "R-1", "syssn": paid,
			"txamt": "1200", "txdtm": "2026-01-03 00:00:00", "udid": "till&syssn=" + paid},
		"note within code": {"code": "plain&note=hello", "out_trade_no": "R-1",
			"syssn": paid, "txamt": "1200", "txdtm": "2026-01-03 00:00:00", "udid": "till&syssn=" + paid},
		"all within the end": {"code": "plain",
			"note": "hello&out_trade_no=R-1&syssn=" + paid +
				"&txamt=1200&txdtm=2026-01-03 00:00:00&udid=till&syssn=" + paid},
	} {
		for _, path := range []string{"/trade/v1/refund", "/trade/v1/close", "/trade/v1/reversal",
			"/trade/v1/payment"} {
			got := h.replay(t, path, captured, cut)
			wantCode(t, got, 200, "1104", "")
			if m := got.get("respmsg"); strings.Contains(m, "is required") {
				t.Errorf("%s at %s: refused by chance: %s", name, path, m)
			}
		}
	}
	if refunds, err := h.Store.RefundsOf(t.Context(), "100001", paid); err != nil || len(refunds) != 0 {
		t.Errorf("refunds %v, %v", refunds, err)
	}
}

func TestACallRefusesWhatBelongsToAnother(t *testing.T) {
	h := newHarness(t)
	paid := h.paid(t, "A-1")
	back := map[string]string{"syssn": paid, "out_trade_no": "R-1", "txamt": "100",
		"txdtm": "2026-01-03 00:00:00"}
	end := map[string]string{"out_trade_no": "A-1", "txamt": "1200", "txdtm": "2026-01-03 00:00:00"}
	note := map[string]string{"code": "plain", "syssn": paid, "note": "hello"}
	for _, test := range []struct {
		path        string
		params      map[string]string
		name, value string
		refused     bool
	}{
		{"payment", order("out_trade_no", "N"), "note", "x", true},
		{"payment", order("out_trade_no", "N"), "code", "plain", true},
		{"payment", order("out_trade_no", "N"), "note", "", false},
		{"payment", order("out_trade_no", "N"), "syssn", paid, false},
		{"refund", back, "note", "x", true},
		{"refund", back, "code", "x", true},
		{"refund", back, "pay_type", "801107", false},
		{"refund", back, "txcurrcd", "HKD", false},
		{"close", end, "note", "x", true},
		{"close", end, "code", "x", true},
		{"reversal", end, "note", "x", true},
		{"reversal", end, "code", "x", true},
		{"add_note", note, "txamt", "100", true},
		{"add_note", note, "txamt", "", false},
		{"add_note", note, "txdtm", "2026-01-03 00:00:00", false},
		{"query", map[string]string{"syssn": paid}, "code", "x", false},
		{"query", map[string]string{"syssn": paid}, "txamt", "1", false},
		{"query", map[string]string{"syssn": paid}, "note", "x", false},
	} {
		p := maps.Clone(test.params)
		p[test.name] = test.value
		got := h.send(t, "/trade/v1/"+test.path, "plain", p)
		if is := got.get("respcd") == "1104" &&
			strings.HasPrefix(got.get("respmsg"), test.name+": "); is != test.refused {
			t.Errorf("%s with %s=%q: %s", test.path, test.name, test.value, got.raw)
		}
	}
}

// Of the parameters of each call, none can be hidden in the value of another: neither what is
// read nor what would have shown that the request is another call's.
func TestNoParameterIsHiddenInItsNeighbour(t *testing.T) {
	h := newHarness(t)
	paid := h.paid(t, "A-1")
	base := map[string]map[string]string{
		"payment":  order("out_trade_no", "N"),
		"refund":   {"syssn": paid, "out_trade_no": "R-1", "txamt": "100", "txdtm": "2026-01-03 00:00:00"},
		"close":    {"out_trade_no": "A-1", "txamt": "1200", "txdtm": "2026-01-03 00:00:00"},
		"reversal": {"out_trade_no": "A-1", "txamt": "1200", "txdtm": "2026-01-03 00:00:00"},
		"add_note": {"code": "plain", "syssn": paid, "note": "hello"},
		"query":    {"syssn": paid},
	}
	also := map[string][]string{"payment": {"note", "code"}, "refund": {"note", "code"},
		"close": {"note", "code", "pay_type", "txcurrcd"}, "add_note": {"txamt"}}
	also["reversal"] = also["close"]
	before := h.kept(t)
	for path, params := range base {
		for _, hidden := range append(slices.Clone(callsByPath[path].reads), also[path]...) {
			for _, in := range []string{"goods_name", "udid", "mchid", "unknown", "out_trade_no"} {
				for _, value := range []string{"x&" + hidden + "=1", "&" + hidden + "=",
					"a&b=c&" + hidden + "=1&d=e"} {
					p := maps.Clone(params)
					p[in] = value
					got := h.send(t, "/trade/v1/"+path, "plain", p)
					if got.get("respcd") != "1104" || !strings.HasPrefix(got.get("respmsg"), in+": ") ||
						!strings.Contains(got.get("respmsg"), "&"+hidden+"=") {
						t.Errorf("%s with %s=%q: %s", path, in, value, got.raw)
					}
				}
			}
		}
	}
	if after := h.kept(t); !slices.Equal(before, after) {
		t.Errorf("stored %q, was %q", after, before)
	}
	for i, value := range []string{"Tea & Co=1", "a&b=c", "a&amp;txamt", "R&D", "txamt=1",
		"a & txamt=1", "&TXAMT=1", "&txamt", "&x_txamt=1", "a&txamt1=2"} {
		wantCode(t, h.pay(t, "out_trade_no", fmt.Sprint("OK-", i), "goods_name", value), 200, "0000", "")
	}
	got := h.pay(t, "out_trade_no", "OK-urls", "return_url",
		"https://shop.example/back?a=1&code=2&out_trade_no=3&note=4", "notify_url",
		"https://shop.example/n?a=1&out_trade_no=3&txamt=4")
	wantCode(t, got, 200, "0000", "")
	// The other calls of a client that sends its addresses everywhere.
	p := base["refund"]
	p["return_url"] = "https://shop.example/back?a=1&code=2"
	wantCode(t, h.send(t, "/trade/v1/refund", "plain", p), 200, "0000", "")
}

// What a handler reads must be known as its call's, or it could be hidden.
func TestTheNamesOfEachCallAreAllThatItReads(t *testing.T) {
	reads := regexp.MustCompile(`(?:v\.[a-zA-Z]+\(|params\[)"([a-z_]+)"`)
	for file, paths := range map[string][]string{"payment.go": {"payment"}, "query.go": {"query"},
		"refund.go": {"refund", "close", "add_note"}} {
		text, err := os.ReadFile(file)
		must(t, err)
		var known []string
		for _, path := range paths {
			known = append(known, callsByPath[path].reads...)
		}
		found := reads.FindAllSubmatch(text, -1)
		if len(found) < 6 {
			t.Errorf("only %d names found in %s", len(found), file)
		}
		for _, m := range found {
			if !slices.Contains(known, string(m[1])) {
				t.Errorf("%s reads %s, which is not known as a parameter of %v", file, m[1], paths)
			}
		}
	}
}
