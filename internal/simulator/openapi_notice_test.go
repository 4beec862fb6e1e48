package simulator

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// liveApps is liveAt with the applications.
func liveApps(t *testing.T, percent int, seed uint64, f func(h *harness)) {
	t.Helper()
	platformKeys() // made outside the bubble
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(c *Config) {
			withApps(c)
			c.Now, c.Awkward, c.Seed = time.Now, percent, seed
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.sim.Run(ctx) }()
		f(h)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// askHere makes a call without a network, which does not work in a bubble.
func (h *harness) askHere(method string, biz any) (r reply) {
	h.t.Helper()
	f := common(method).with("biz_content", asJSON(biz), "notify_url", shopNotify).signed(h.t)
	rec := httptest.NewRecorder()
	func() {
		defer func() {
			if recover() != nil {
				rec.Code = 0 // the connection was cut
			}
		}()
		req := httptest.NewRequest("POST", "/gateway.do?"+f.form(), nil)
		h.sim.Wallet().ServeHTTP(rec, req)
	}()
	return readReply(h.t, method, rec.Result(), nil)
}

// notified returns the notifications so far, and how many are genuine.
func (h *harness) notified() (all []fields, genuine int) {
	for _, r := range h.shop.all() {
		f := fields(r.body)
		if isAlipays(f.joined("sign", "sign_type"), f["sign"]) {
			genuine++
		}
		all = append(all, f)
	}
	return all, genuine
}

func TestAppNotificationSequence(t *testing.T) {
	const m, hour = time.Minute, time.Hour
	want := []time.Duration{0, 4 * m, 14 * m, 24 * m, 84 * m, 204 * m, 564 * m, 24*hour + 24*m}
	for answer, sends := range map[string]int{"success": 1, "SUCCESS": 8, "success\n": 8,
		"fail": 8, `"success"`: 8} {
		liveApps(t, 0, 0, func(h *harness) {
			h.shop.answer = says(200, answer)
			h.askHere("alipay.trade.create", trade("T1"))
			began := time.Now()
			h.pays("T1")
			settleFor(48 * time.Hour)
			var at []time.Duration
			ids := map[string]bool{}
			for _, r := range h.shop.all() {
				at = append(at, r.at.Sub(began))
				ids[r.body["notify_id"]] = true
				if got := r.at.In(beijing).Format(time.DateTime); r.body["notify_time"] != got {
					h.t.Errorf("notify_time %s at %s", r.body["notify_time"], got)
				}
			}
			if !slices.Equal(at, want[:sends]) || len(ids) != 1 {
				h.t.Errorf("%q: sent at %v under %d ids", answer, at, len(ids))
			}
			if _, genuine := h.notified(); genuine != sends {
				h.t.Errorf("%q: %d of %d are signed", answer, genuine, sends)
			}
		})
	}
}

func TestEveryChangeOfAnAppTradeIsNotified(t *testing.T) {
	liveApps(t, 0, 0, func(h *harness) {
		h.askHere("alipay.trade.create", trade("T1").with("passback_params", "a%3D1", "body", "two cups"))
		settleFor(time.Second)
		h.pays("T1")
		settleFor(time.Second)
		h.askHere("alipay.trade.refund",
			fields{"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "2.34"})
		settleFor(time.Second)
		h.askHere("alipay.trade.refund", fields{"out_trade_no": "T1", "out_request_no": "R1",
			"refund_amount": "2.34"}) // repeats the first
		settleFor(time.Second)
		h.askHere("alipay.trade.refund",
			fields{"out_trade_no": "T1", "out_request_no": "R2", "refund_amount": "10.00"})
		settleFor(time.Second)
		h.askHere("alipay.trade.create", trade("T2"))
		h.askHere("alipay.trade.close", fields{"out_trade_no": "T2"})
		settleFor(time.Second)
		h.askHere("alipay.trade.create", trade("T3").with("timeout_express", "1m"))
		h.askHere("alipay.trade.create", trade("T4"))
		h.pays("T4")
		settleFor(finishAfter)
		type one struct{ number, status, total, request, sum, refunded, paid, closed string }
		var got []one
		all, genuine := h.notified()
		for _, f := range all {
			has := func(name string) string { return map[bool]string{true: name}[f[name] != ""] }
			got = append(got, one{f["out_trade_no"], f["trade_status"], f["total_amount"], f["out_biz_no"],
				f["refund_fee"], has("gmt_refund"), has("gmt_payment"), has("gmt_close")})
		}
		want := []one{
			{"T1", "TRADE_SUCCESS", "12.34", "", "", "", "gmt_payment", ""},
			{"T1", "TRADE_SUCCESS", "12.34", "R1", "2.34", "gmt_refund", "gmt_payment", ""},
			{"T1", "TRADE_CLOSED", "12.34", "R2", "12.34", "gmt_refund", "gmt_payment", "gmt_close"},
			{"T2", "TRADE_CLOSED", "12.34", "", "", "", "", "gmt_close"},
			{"T4", "TRADE_SUCCESS", "12.34", "", "", "", "gmt_payment", ""},
			{"T3", "TRADE_CLOSED", "12.34", "", "", "", "", "gmt_close"},
			{"T4", "TRADE_FINISHED", "12.34", "", "", "", "gmt_payment", ""},
		}
		if !slices.Equal(got, want) || genuine != len(want) {
			h.t.Errorf("%d are signed of\n%v, want\n%v", genuine, got, want)
		}
		for name, value := range map[string]string{
			"app_id": testApp, "auth_app_id": testApp, "seller_id": seller, "buyer_id": mei,
			"buyer_logon_id": "mei***@mail.example", "subject": "Tea 茶",
			"body": "two cups", "passback_params": "a%3D1", "charset": "utf-8", "version": "1.0",
			"sign_type":      "RSA2",
			"notify_type":    "trade_status_sync",
			"receipt_amount": "12.34", "buyer_pay_amount": "12.34",
			"fund_bill_list": `[{"amount":"12.34","fundChannel":"ALIPAYACCOUNT"}]`,
		} {
			if all[0][name] != value {
				h.t.Errorf("%s is %q, want %q", name, all[0][name], value)
			}
		}
		for _, f := range all {
			for name, value := range f {
				if value == "" {
					h.t.Errorf("%s of %s is empty: implementations sign that differently", name,
						f["out_trade_no"])
				}
			}
		}
	})
}

func TestAppNotificationFaults(t *testing.T) {
	type sent struct {
		after          time.Duration
		status, amount string
		genuine        bool
	}
	plain := sent{0, "TRADE_SUCCESS", "12.34", true}
	after := func(d time.Duration) sent { s := plain; s.after = d; return s }
	for fault, want := range map[Fault][]sent{
		Duplicate:    {plain, plain},
		Late:         {after(30 * time.Second)},
		ReturnFirst:  {after(5 * time.Second)},
		Reordered:    {plain, {time.Second, "WAIT_BUYER_PAY", "12.34", true}},
		Forged:       {plain, {0, "TRADE_SUCCESS", "12.34", false}, {0, "TRADE_SUCCESS", "112.34", false}},
		Drop:         nil,
		UnknownField: {plain},
		Shuffled:     {plain},
		NoticeGBK:    {plain},
		Underpaid:    {{0, "TRADE_SUCCESS", "6.17", true}},
		Unlisted:     {{0, "TRADE_PENDING", "12.34", true}},
		SecondTrade:  {plain, after(2 * time.Second)},
	} {
		liveApps(t, 0, 0, func(h *harness) {
			h.askHere("alipay.trade.create", trade("T1"))
			h.control("POST", "/faults?out_trade_no=T1&fault="+string(fault), "", "")
			began := time.Now()
			h.pays("T1")
			settleFor(time.Hour)
			var got []sent
			for _, r := range h.shop.all() {
				f := fields(r.body)
				got = append(got, sent{r.at.Sub(began), f["trade_status"], f["total_amount"],
					isAlipays(f.joined("sign", "sign_type"), f["sign"])})
				if fault == NoticeGBK && (f["charset"] != "GBK" ||
					f["body"] != "\xb2\xe8, \xd5\\\x81|\x81{\x81}") {
					h.t.Errorf("not in GBK: %q", f)
				}
				if f["trade_status"] == "WAIT_BUYER_PAY" &&
					(f["gmt_payment"] != "" || f["fund_bill_list"] != "") {
					h.t.Errorf("%s: a waiting trade is shown as paid: %v", fault, f)
				}
			}
			slices.SortFunc(got, func(a, b sent) int {
				switch {
				case a.after != b.after:
					return int(a.after - b.after)
				case a.genuine != b.genuine:
					return map[bool]int{true: -1, false: 1}[a.genuine]
				}
				return len(a.amount) - len(b.amount)
			})
			if !slices.Equal(got, want) {
				h.t.Errorf("%s: got %v, want %v", fault, got, want)
			}
		})
	}
}

// A refund's notification that arrives out of order shows the trade before the refund.
func TestStaleRefundNotificationHasNoRefund(t *testing.T) {
	liveApps(t, 0, 0, func(h *harness) {
		h.askHere("alipay.trade.create", trade("T1"))
		h.pays("T1")
		h.control("POST", "/faults?out_trade_no=T1&fault=reordered", "", "")
		h.askHere("alipay.trade.refund",
			fields{"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "12.34"})
		settleFor(time.Minute)
		all, _ := h.notified()
		if last := all[len(all)-1]; len(all) != 3 || last["trade_status"] != "WAIT_BUYER_PAY" ||
			last["out_biz_no"] != "" || last["refund_fee"] != "" || last["gmt_close"] != "" {
			h.t.Errorf("notified %v", all)
		}
	})
}

// The first three calls of each kind get faulty answers, but are carried out.
func TestFaultyCallsAreCarriedOut(t *testing.T) {
	steps := []struct {
		method string
		biz    fields
		done   func(reply) bool // whether an answer is right again
	}{
		{"alipay.trade.create", trade("T1"), func(r reply) bool { return r.fields["trade_no"] != "" }},
		{"alipay.trade.query", fields{"out_trade_no": "T1"},
			func(r reply) bool { return r.fields["trade_status"] == "WAIT_BUYER_PAY" }},
		{"pay", nil, nil},
		{"alipay.trade.refund", fields{"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "1.00"},
			func(r reply) bool { return r.fields["fund_change"] == "N" }},
		{"alipay.trade.create", trade("T2"), nil},
		{"alipay.trade.close", fields{"out_trade_no": "T2"},
			func(r reply) bool { return r.says() == "ACQ.TRADE_STATUS_ERROR" }},
	}
	for fault, bad := range map[Fault]func(reply, time.Duration) bool{
		CallLost:  func(r reply, took time.Duration) bool { return !r.whole && took == slowAnswer },
		CallDown:  func(r reply, _ time.Duration) bool { return r.genuine && r.fields["code"] == "20000" },
		CallError: func(r reply, _ time.Duration) bool { return r.genuine && r.says() == "ACQ.SYSTEM_ERROR" },
		CallForged: func(r reply, _ time.Duration) bool {
			return r.whole && !r.genuine && r.fields["trade_status"] == "TRADE_SUCCESS"
		},
	} {
		liveApps(t, 0, 0, func(h *harness) {
			h.control("POST", "/faults?scope=all&fault="+string(fault), "", "")
			for _, step := range steps {
				if step.method == "pay" {
					h.pays("T1")
					continue
				}
				for range badQueryLimit {
					began := time.Now()
					if r := h.askHere(step.method, step.biz); !bad(r, time.Since(began)) {
						h.t.Errorf("%s: %s %v: %q after %s", fault, step.method, step.biz, r.raw,
							time.Since(began))
					}
				}
				if r := h.askHere(step.method, step.biz); step.done != nil && (!r.genuine || !step.done(r)) {
					h.t.Errorf("%s: then %s: %s", fault, step.method, r.raw)
				}
			}
		})
	}
}

func TestQueryAndRefundFaultsOnOpenPlatform(t *testing.T) {
	query, refund := fields{"out_trade_no": "T1"},
		fields{"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "1.00"}
	for fault, x := range map[Fault]struct {
		method  string
		biz     fields
		first   string
		took    time.Duration
		forever bool
	}{
		Query500:      {"alipay.trade.query", query, "nothing", 0, false},
		QuerySlow:     {"alipay.trade.query", query, "10000", slowAnswer, false},
		QueryCut:      {"alipay.trade.query", query, "nothing", 0, false},
		Refund500:     {"alipay.trade.refund", refund, "nothing", 0, false},
		RefundSlow:    {"alipay.trade.refund", refund, "10000", slowAnswer, false},
		RefundCut:     {"alipay.trade.refund", refund, "nothing", 0, false},
		RefundPending: {"alipay.trade.refund", refund, "ACQ.SYSTEM_ERROR", 0, false},
		RefundShort:   {"alipay.trade.refund", refund, "ACQ.SELLER_BALANCE_NOT_ENOUGH", 0, true},
	} {
		liveApps(t, 0, 0, func(h *harness) {
			h.askHere("alipay.trade.create", trade("T1"))
			h.pays("T1")
			h.control("POST", "/faults?scope=all&fault="+string(fault), "", "")
			began := time.Now()
			if r := h.askHere(x.method, x.biz); r.says() != x.first || time.Since(began) != x.took {
				h.t.Errorf("%s: %q after %s", fault, r.raw, time.Since(began))
			}
			settleFor(time.Minute)
			for range badQueryLimit {
				h.askHere(x.method, x.biz)
			}
			if r := h.askHere(x.method, x.biz); (r.says() == "10000") == x.forever {
				h.t.Errorf("%s: in the end %q", fault, r.raw)
			}
			// A fault of one kind of call does not strike the other kind.
			other := map[string]string{"alipay.trade.query": "alipay.trade.refund",
				"alipay.trade.refund": "alipay.trade.query"}[x.method]
			if r := h.askHere(other, refund.with("out_request_no", "R2")); r.says() != "10000" {
				h.t.Errorf("%s: %s: %q", fault, other, r.raw)
			}
		})
	}
	liveApps(t, 0, 0, func(h *harness) {
		h.askHere("alipay.trade.create", trade("T1"))
		h.pays("T1")
		h.control("POST", "/faults?scope=all&fault=query-unknown&fault=unknown-field&fault=shuffled", "", "")
		if r := h.askHere("alipay.trade.query", query); r.fields["trade_status"] != "TRADE_SUSPENDED" ||
			r.fields[unknownField] == "" || !r.genuine {
			h.t.Errorf("%s", r.raw)
		}
		h.askHere("alipay.trade.create", trade("T2"))
		h.control("POST", "/faults?scope=all&fault=early", "", "")
		h.pays("T2")
		r := h.askHere("alipay.trade.query", fields{"out_trade_no": "T2"})
		if r.fields["trade_status"] != "WAIT_BUYER_PAY" || r.fields["send_pay_date"] != "" {
			h.t.Errorf("early: %s", r.raw)
		}
		settleFor(hiddenFor)
		r = h.askHere("alipay.trade.query", fields{"out_trade_no": "T2"})
		if r.fields["trade_status"] != "TRADE_SUCCESS" {
			h.t.Errorf("later: %s", r.raw)
		}
	})
}

func TestAnswerInGBKIsSignedInGBK(t *testing.T) {
	liveApps(t, 0, 0, func(h *harness) {
		h.askHere("alipay.trade.create", trade("T1"))
		h.pays("T1")
		h.control("POST", "/faults?scope=all&fault=query-gbk", "", "")
		raw := h.askHere("alipay.trade.query", fields{"out_trade_no": "T1"}).raw
		_, content, _ := strings.Cut(raw, `"alipay_trade_query_response":`)
		content, sign, _ := strings.Cut(content, `,"sign":"`)
		if !strings.Contains(content, "\xb2\xe8, \xd5\\\x81|\x81{\x81}") ||
			!isAlipays(content, strings.TrimSuffix(sign, `"}`)) {
			h.t.Errorf("not GBK, or not signed in GBK: %q", raw)
		}
	})
}

func TestFaultForNextOrderStrikesItsCreation(t *testing.T) {
	liveApps(t, 0, 0, func(h *harness) {
		h.control("POST", "/faults?scope=next&fault=call-error", "", "")
		if r := h.askHere("alipay.trade.create", trade("T1")); r.says() != "ACQ.SYSTEM_ERROR" {
			h.t.Errorf("%s", r.raw)
		}
		if r := h.askHere("alipay.trade.create", trade("T2")); r.says() != "10000" {
			h.t.Errorf("the one after: %s", r.raw)
		}
		r := h.askHere("alipay.trade.create", trade("T3").with("total_amount", "9100.24"))
		if r.fields["code"] != "20000" {
			h.t.Errorf("by its amount: %s", r.raw)
		}
	})
}

func TestOpenPlatformDrawsOnlyItsFaults(t *testing.T) {
	h := newHarness(t, func(c *Config) { withApps(c); c.Awkward = 100 })
	for on, want := range map[Occasion][]Fault{
		OnCreate: {CallDown, CallError, CallForged, CallLost},
		OnClose:  {CallDown, CallError, CallForged, CallLost},
		OnQuery: {CallDown, CallError, CallForged, CallLost, Query500, QueryCut, QueryGBK,
			QuerySlow, QueryUnknown, Shuffled, UnknownField},
		OnRefund: {CallDown, CallError, CallForged, CallLost, Refund500, RefundCut,
			RefundPending, RefundSlow},
		OnNotice: {Duplicate, Early, Forged, Late, NoticeGBK, Reordered, Shuffled, UnknownField},
		OnReturn: {NotifyFirst, ReturnFirst},
	} {
		var drawn []Fault
		for place := range 500 {
			drawn = append(drawn, h.sim.pickFault(&order{key: orderKey{testApp, "T1"}, place: place},
				on, 1)...)
		}
		slices.Sort(drawn)
		if got := slices.Compact(drawn); !slices.Equal(got, want) {
			t.Errorf("%s: drew %v, want %v", on, got, want)
		}
		fourth := h.sim.pickFault(&order{key: orderKey{testApp, "T1"}}, on, 4)
		if (len(fourth) == 0) != (on != OnNotice && on != OnReturn) {
			t.Errorf("%s: the fourth draws %v", on, fourth)
		}
	}
}

// At any awkwardness, a client that asks four times and believes only signed answers finds the
// truth.
func TestOpenPlatformIsHonestAtFullAwkwardness(t *testing.T) {
	for seed := range uint64(20) {
		liveApps(t, 100, seed, func(h *harness) {
			made := map[string]bool{}
			four := func(method string, biz fields, right func(reply) bool) {
				n := 0
				for range badQueryLimit + 1 {
					r := h.askHere(method, biz)
					if r.genuine && right(r) {
						n++
					}
					if r.genuine && r.fields["trade_no"] != "" {
						made[r.fields["trade_no"]] = true
					}
				}
				if n == 0 {
					h.t.Errorf("seed %d: %s: four answers, none of them right", seed, method)
				}
			}
			four("alipay.trade.create", trade("T1"), func(r reply) bool { return r.says() == "10000" })
			h.pays("T1")
			settleFor(59 * time.Second)
			four("alipay.trade.query", fields{"out_trade_no": "T1"},
				func(r reply) bool { return r.fields["trade_status"] == "TRADE_SUCCESS" })
			refund := fields{"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "12.34"}
			four("alipay.trade.refund", refund, func(r reply) bool { return r.fields["refund_fee"] != "" })
			settleFor(time.Minute)
			if tr := h.sim.orders[orderKey{testApp, "T1"}].trade(); tr.Status != Closed ||
				tr.refundedTotal() != tr.Total || len(tr.Refunds) != 1 || len(made) != 1 {
				h.t.Errorf("seed %d: %+v, under the numbers %v", seed, tr, made)
			}
			all, genuine := h.notified()
			if genuine == 0 {
				h.t.Errorf("seed %d: no genuine notification among %v", seed, all)
			}
		})
	}
}
