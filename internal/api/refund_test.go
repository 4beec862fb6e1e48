package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// paid is an order that the wallet says is paid.
func (h *harness) paid(t *testing.T, number string) (syssn string) {
	t.Helper()
	syssn = h.pay(t, "out_trade_no", number).get("syssn")
	h.pass(time.Second)
	h.callback(t, "100001/main", "SIGNED "+syssn+" T-"+number, 200, "success")
	return syssn
}

func (h *harness) refund(t *testing.T, syssn, number, amount string, changes ...string) reply {
	t.Helper()
	h.pass(time.Second)
	p := map[string]string{"syssn": syssn, "out_trade_no": number, "txamt": amount,
		"txdtm": "2026-01-03 00:00:00"}
	for i := 0; i < len(changes); i += 2 {
		if p[changes[i]] = changes[i+1]; changes[i+1] == "" {
			delete(p, changes[i])
		}
	}
	return h.send(t, "/trade/v1/refund", "plain", p)
}

func TestRefundsInPartsNeverExceedThePayment(t *testing.T) {
	h := newHarness(t)
	order := h.paid(t, "A-1") // 12.00
	first := h.refund(t, order, "R-1", "700", "udid", "till")
	wantCode(t, first, 200, "0000", "")
	if first.get("orig_syssn") != order || first.get("txamt") != "700" || first.get("txcurrcd") != "HKD" ||
		first.get("out_trade_no") != "R-1" ||
		first.get("chnlsn") != "T-A-1" || first.get("udid") != "till" || len(first.get("syssn")) != 26 ||
		first.get("syssn") == order {
		t.Errorf("got %s", first.raw)
	}
	if want := strings.Fields("syssn orig_syssn txamt txcurrcd txdtm sysdtm paydtm " +
		"udid out_trade_no respcd resperr respmsg chnlsn cardcd " +
		"cash_fee cash_fee_type cash_refund_fee cash_refund_fee_type"); !slices.Equal(first.keys(t), want) {
		t.Errorf("keys %v", first.keys(t))
	}

	again := h.refund(t, order, "R-1", "700", "udid", "till")
	if again.raw != first.raw {
		t.Errorf("the same again: %s", again.raw)
	}
	wantCode(t, h.refund(t, order, "R-1", "600", "udid", "till"), 200, "2011", "out_trade_no: ")
	wantCode(t, h.refund(t, order, "A-1", "100"), 200, "2011", "out_trade_no: ")
	wantCode(t, h.pay(t, "out_trade_no", "R-1"), 200, "2011", "out_trade_no: ")
	wantCode(t, h.refund(t, order, "R-2", "501"), 200, "1272", "txamt: ")
	wantCode(t, h.refund(t, order, "R-3", "2"), 200, "1269", "POOR")
	wantCode(t, h.refund(t, order, "R-3", "2"), 200, "1269", "POOR")
	wantCode(t, h.refund(t, order, "R-4", "1"), 200, "1145", "query")
	wantCode(t, h.refund(t, order, "R-5", "500"), 200, "1272", "4.99")
	wantCode(t, h.refund(t, order, "R-6", "499"), 200, "0000", "")

	query := func(params ...string) []any {
		t.Helper()
		p := map[string]string{}
		for i := 0; i < len(params); i += 2 {
			p[params[i]] = params[i+1]
		}
		r := h.send(t, "/trade/v1/query", "plain", p)
		wantCode(t, r, 200, "0000", "")
		return r.fields["data"].([]any)
	}
	field := func(line any, name string) string { s, _ := line.(map[string]any)[name].(string); return s }
	if all := query(); len(all) != 5 || field(all[4], "order_type") != "payment" ||
		field(all[4], "cancel") != "5" || field(all[4], "respcd") != "0000" {
		t.Errorf("got %v", all)
	}
	for number, code := range map[string]string{"R-1": "0000", "R-3": "1269", "R-4": "1145", "R-6": "0000"} {
		lines := query("out_trade_no", number)
		if len(lines) != 1 || field(lines[0], "order_type") != "refund" ||
			field(lines[0], "origssn") != order || field(lines[0], "respcd") != code {
			t.Errorf("%s: %v", number, lines)
		}
	}
	for code, count := range map[string]int{"0000": 3, "1269": 1, "1145": 1, "1143": 0} {
		if lines := query("respcd", code); len(lines) != count {
			t.Errorf("%s: %v", code, lines)
		}
	}
	if page := query("page_size", "2", "page", "3"); len(page) != 1 || field(page[0], "syssn") != order {
		t.Errorf("the last page: %v", page)
	}
	if lines := query("syssn", first.get("syssn")+","+order); len(lines) != 2 {
		t.Errorf("by syssn: %v", lines)
	}

	whole := h.paid(t, "A-2")
	wantCode(t, h.refund(t, whole, "R-7", "1200"), 200, "0000", "")
	wantCode(t, h.refund(t, whole, "R-8", "1"), 200, "1125", "")
	if lines := query("syssn", whole); field(lines[0], "cancel") != "3" ||
		field(lines[0], "respcd") != "0000" {
		t.Errorf("refunded in full: %v", lines)
	}
}

// Who asks for what is in process must find it on the first page, however many
// orders have come since.
func TestAPageOfOneCodeIsFullOfIt(t *testing.T) {
	h := newHarness(t)
	order := h.paid(t, "A-1")
	pending := h.refund(t, order, "R-1", "1")
	wantCode(t, pending, 200, "1145", "")
	wantCode(t, h.refund(t, order, "R-2", "2"), 200, "1269", "")
	for i := range 3 {
		h.pass(time.Second)
		h.pay(t, "out_trade_no", fmt.Sprint("B-", i))
	}
	for code, want := range map[string]string{"1145": "R-1", "1269": "R-2", "1143": "B-2", "1155": ""} {
		r := h.send(t, "/trade/v1/query", "plain", map[string]string{"respcd": code, "page_size": "1"})
		lines := r.fields["data"].([]any)
		if want == "" {
			if len(lines) != 0 {
				t.Errorf("%s: %v", code, lines)
			}
			continue
		}
		if len(lines) != 1 || lines[0].(map[string]any)["out_trade_no"] != want {
			t.Errorf("%s: the first page is %v, want %s", code, lines, want)
		}
	}
}

func TestImpossibleRefundsAreRefused(t *testing.T) {
	h := newHarness(t)
	order, open := h.paid(t, "A-1"), h.pay(t, "out_trade_no", "A-2").get("syssn")
	for name, test := range map[string]struct {
		syssn, number, amount string
		changes               []string
		code, message         string
	}{
		"no syssn":          {"", "R", "1", nil, "1104", "syssn: is required"},
		"no number":         {order, "", "1", nil, "1104", "out_trade_no: is required"},
		"no amount":         {order, "R", "", nil, "1104", "txamt: is required"},
		"nothing":           {order, "R", "0", nil, "1104", "txamt: "},
		"less than nothing": {order, "R", "-5", nil, "1104", "txamt: "},
		"more than fits":    {order, "R", "99999999999999999999", nil, "1104", "txamt: "},
		"a fraction":        {order, "R", "1.5", nil, "1104", "txamt: "},
		"no time":           {order, "R", "1", []string{"txdtm", ""}, "1104", "txdtm: is required"},
		"a control":         {order, "R\x00", "1", nil, "1104", "out_trade_no: "},
		"an order not paid": {open, "R", "1", nil, "1261", ""},
		"an unknown order":  {"20260102100001000000000000", "R", "1", nil, "1136", ""},
		"a store":           {order, "R", "1", []string{"mchid", "M1"}, "1241", ""},
	} {
		wantCode(t, h.refund(t, test.syssn, test.number, test.amount, test.changes...), 200,
			test.code, test.message)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	foreign := h.send(t, "/trade/v1/refund", "tight",
		map[string]string{"syssn": order, "out_trade_no": "R", "txamt": "1", "txdtm": "2026-01-03 00:00:00"})
	wantCode(t, foreign, 200, "1136", "")
	if refunds, err := h.Store.RefundsOf(t.Context(), "100001", order); err != nil || len(refunds) != 0 {
		t.Errorf("stored %v, %v", refunds, err)
	}
}

func TestAnOrderIsCalledOffOnceAndNotWhenItIsPaid(t *testing.T) {
	h := newHarness(t)
	end := func(path string, params ...string) reply {
		t.Helper()
		p := map[string]string{"txamt": "1200", "txdtm": "2026-01-03 00:00:00"}
		for i := 0; i < len(params); i += 2 {
			p[params[i]] = params[i+1]
		}
		return h.send(t, path, "plain", p)
	}
	order := h.pay(t, "out_trade_no", "A-1").get("syssn")
	wantCode(t, end("/trade/v1/close", "syssn", order, "txamt", "1100"), 200, "1266", "txamt: ")
	wantCode(t, end("/trade/v1/close"), 200, "1104", "syssn: ")
	wantCode(t, end("/trade/v1/close", "syssn", order, "txamt", ""), 200, "1104", "txamt: ")
	wantCode(t, end("/trade/v1/close", "out_trade_no", "A-9"), 200, "1136", "")
	first := end("/trade/v1/close", "out_trade_no", "A-1")
	wantCode(t, first, 200, "0000", "")
	if first.get("orig_syssn") != order || first.get("syssn") == order || first.get("out_trade_no") != "A-1" {
		t.Errorf("got %s", first.raw)
	}
	again := end("/trade/v1/reversal", "syssn", order)
	if wantCode(t, again, 200, "0000", ""); again.get("syssn") != first.get("syssn") {
		t.Errorf("again: %s", again.raw)
	}
	wantCode(t, h.pay(t, "out_trade_no", "A-1"), 200, "1264", "")
	wantCode(t, end("/trade/v1/close", "syssn", h.paid(t, "A-2")), 200, "1260", "")

	late := h.pay(t, "out_trade_no", "A-3").get("syssn")
	h.pass(2 * time.Hour)
	r := h.send(t, "/trade/v1/query", "plain", map[string]string{"syssn": order})
	if line := r.fields["data"].([]any)[0].(map[string]any); line["respcd"] != "1142" ||
		line["cancel"] != "2" {
		t.Errorf("closed: %v", line)
	}
	_ = late
}

func TestANoteIsKeptWithThePayment(t *testing.T) {
	h := newHarness(t)
	order := h.paid(t, "A-1")
	note := func(appCode string, params map[string]string) reply {
		return h.send(t, "/trade/v1/add_note", appCode, params)
	}
	r := note("plain", map[string]string{"code": "plain", "syssn": order, "note": "paid in 店"})
	wantCode(t, r, 200, "0000", "")
	if r.raw != `{"respcd":"0000","resperr":"success","respmsg":"","data":{"syssn":"`+order+`"}}`+"\n" {
		t.Errorf("got %s", r.raw)
	}
	events, err := h.Store.Events(t.Context(), "100001", order)
	if last := events[len(events)-1]; err != nil || last.Kind != pay.EventNote || last.Note != "paid in 店" ||
		last.By.Role != pay.RoleMerchant {
		t.Errorf("got %v, %v", events, err)
	}
	wantCode(t, note("plain", map[string]string{"code": "tight", "syssn": order, "note": "x"}),
		200, "1104", "code: ")
	wantCode(t, note("plain",
		map[string]string{"code": "plain", "syssn": order, "note": strings.Repeat("茶", 201)}),
		200, "1104", "note: ")
	wantCode(t, note("plain", map[string]string{"code": "plain", "syssn": order}), 200, "1104", "note: ")
	wantCode(t, note("tight", map[string]string{"code": "tight", "syssn": order, "note": "x"}), 200,
		"1136", "")
	wantCode(t, note("chain", map[string]string{"code": "chain", "syssn": order, "note": "x"}), 200,
		"1250", "")
	for n := range 99 {
		wantCode(t, note("plain",
			map[string]string{"code": "plain", "syssn": order, "note": strconv.Itoa(n)}), 200,
			"0000", "")
	}
	wantCode(t, note("plain", map[string]string{"code": "plain", "syssn": order, "note": "x"}), 200, "1104",
		"note: the order has 100 notes")
}
