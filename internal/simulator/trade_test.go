package simulator

import (
	"strings"
	"testing"
	"time"
)

// The vendor's table "When is a transaction created", by the buyer's progress.
func TestWhenATradeIsCreated(t *testing.T) {
	for _, c := range []struct {
		progress string
		acts     []Act
		wap, pc  string
	}{
		{"cashier opened, no login", nil, "TRADE_NOT_EXIST", "TRADE_NOT_EXIST"},
		{"left before logging in", []Act{Leave}, "TRADE_NOT_EXIST", "TRADE_NOT_EXIST"},
		{"cancelled", []Act{Cancel}, "TRADE_NOT_EXIST", "TRADE_NOT_EXIST"},
		{"wrong password", []Act{WrongPassword}, "TRADE_NOT_EXIST", "WAIT_BUYER_PAY"},
		{"right password, no funds", []Act{InsufficientFunds}, "WAIT_BUYER_PAY", "WAIT_BUYER_PAY"},
		{"no funds, then cancelled", []Act{InsufficientFunds, Cancel}, "WAIT_BUYER_PAY", "WAIT_BUYER_PAY"},
		{"paid", []Act{Pay}, "TRADE_FINISHED", "TRADE_FINISHED"},
		{"paid after a wrong password and no funds",
			[]Act{WrongPassword, InsufficientFunds, Pay}, "TRADE_FINISHED", "TRADE_FINISHED"},
		{"paid after leaving", []Act{Leave, Pay}, "TRADE_FINISHED", "TRADE_FINISHED"},
		{"cancelled, then tried to pay", []Act{Cancel, Pay}, "TRADE_NOT_EXIST", "TRADE_NOT_EXIST"},
	} {
		for service, want := range map[string]string{createWAP: c.wap, createPC: c.pc} {
			t.Run(service+" "+c.progress, func(t *testing.T) {
				h := newHarness(t, nil)
				path := h.open(orderFor("T-1", "service", service))
				for _, act := range c.acts {
					h.does(path, act, "mei")
				}
				if got := h.status("T-1"); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

func TestBalanceLimitsPayment(t *testing.T) {
	h := newHarness(t, nil)
	path := h.open(orderFor("T-1")) // USD 12.34 cost CNY 87.62; bo has 50
	page := h.get(h.sim.Wallet(), path).Body.String()
	for _, want := range []string{"USD 12.34", "CNY 87.62", "Tea 茶", "Tea House", "T-1", "CNY 50.00",
		"CNY 10,000,000.00"} {
		if !strings.Contains(page, want) {
			t.Errorf("the cashier does not show %q", want)
		}
	}
	if strings.Contains(page, "Wing") {
		t.Error("the mainland's cashier offers a buyer of AlipayHK")
	}
	wantOutcome(t, h.does(path, Pay, "bo"), NoFunds)
	if got := h.status("T-1"); got != "WAIT_BUYER_PAY" {
		t.Errorf("got %s", got)
	}
	for number, c := range map[string]struct{ currency, fee, shown string }{
		"T-2": {"JPY", "120000", "JPY 120,000"}, "T-3": {"HKD", "1234.50", "HKD 1,234.50"},
	} {
		page := h.get(h.sim.Wallet(), h.open(orderFor(number, "currency", c.currency, "total_fee",
			c.fee))).Body.String()
		if !strings.Contains(page, `id="total">`+c.shown+"<") {
			t.Errorf("the cashier does not show %s", c.shown)
		}
	}
}

func TestRepeatedOrderNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		acts []Act // in the first attempt
		wait time.Duration
		code string // of the second create; "" opens the cashier
		diff bool   // whether the second has another amount
	}{
		{"no trade, same terms", []Act{WrongPassword}, 0, "", false},
		{"no trade, other terms", []Act{WrongPassword}, 0, "", true},
		{"waiting, same terms", []Act{InsufficientFunds}, 0, "", false},
		{"waiting, other terms", []Act{InsufficientFunds}, 0, "CONTEXT_INCONSISTENT", true},
		{"paid", []Act{Pay}, 0, "TRADE_HAS_SUCCESS", false},
		{"paid, other terms", []Act{Pay}, 0, "TRADE_HAS_SUCCESS", true},
		{"closed", []Act{InsufficientFunds}, 12 * time.Hour, "REPEAT_OUT_TRADE_NO", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			path := h.open(orderFor("T-1"))
			for _, act := range c.acts {
				h.does(path, act, "mei")
			}
			h.now = h.now.Add(c.wait)
			again := orderFor("T-1", "notify_url", "https://shop.example/n2")
			if c.diff {
				again["total_fee"] = "12.35"
			}
			rec := h.call(again)
			if c.code == "" && rec.Code != 302 || !strings.Contains(rec.Body.String(), c.code) {
				t.Errorf("want %q, got %d %s", c.code, rec.Code, rec.Body)
			}
			if rec := h.call(orderFor("T-1", "partner", "2088000000000003", "secondary_merchant_id", "1",
				"secondary_merchant_name", "1", "secondary_merchant_industry", "1")); rec.Code != 302 {
				t.Errorf("another partner's order of the same number is refused: %s", rec.Body)
			}
		})
	}
}

func TestAmountsAreComparedAsNumbers(t *testing.T) {
	h := newHarness(t, nil)
	h.does(h.open(orderFor("T-1", "total_fee", "12.30")), InsufficientFunds, "mei")
	if rec := h.call(orderFor("T-1", "total_fee", "12.3")); rec.Code != 302 {
		t.Errorf("12.3 is taken for another amount than 12.30: %s", rec.Body)
	}
}

// Both tabs were opened before there was a trade.
func TestSecondTabCannotPayAgain(t *testing.T) {
	h := newHarness(t, nil)
	one, two := h.open(orderFor("T-1")), h.open(orderFor("T-1"))
	other := h.open(orderFor("T-1", "total_fee", "99.00"))
	h.does(one, InsufficientFunds, "mei")
	page := h.does(two, Pay, "bo")
	wantOutcome(t, page, OtherBuyer)
	if !strings.Contains(page, "ALIN10023") {
		t.Error("no ALIN10023 for another buyer")
	}
	page = h.does(other, Pay, "mei")
	wantOutcome(t, page, Inconsistent)
	if !strings.Contains(page, "ALIN42282") {
		t.Error("no ALIN42282 for other terms")
	}
	wantOutcome(t, h.does(two, Pay, "mei"), PaidNow)
	wantOutcome(t, h.does(one, Pay, "mei"), AlreadyPaid)
	wantOutcome(t, h.does(two, Cancel, "mei"), PaidNow)
	if o := h.sim.orders[orderKey{testPartner, "T-1"}]; len(o.trades) != 1 || len(o.notices) != 1 {
		t.Errorf("%d trades and %d notifications, want one of each", len(o.trades), len(o.notices))
	}
}

func TestTimeoutRuleCountsFromLogin(t *testing.T) {
	for _, c := range []struct {
		name  string
		pairs []string
		life  time.Duration
	}{
		{"12 hours by default", nil, 12 * time.Hour},
		{"5 minutes if enabled", []string{"timeout_rule", "5m"}, 5 * time.Minute},
		{"the shop's own validity wins on a PC", []string{"service", createPC, "timeout_rule", "5m",
			"order_gmt_create", "2026-01-03 03:04:05", "order_valid_time", "600"}, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			path := h.open(orderFor("T-1", c.pairs...))
			h.now = h.now.Add(24 * time.Hour) // opening the cashier starts no timeout
			wantOutcome(t, h.does(path, InsufficientFunds, "mei"), NoFunds)
			h.now = h.now.Add(c.life - time.Second)
			if got := h.status("T-1"); got != "WAIT_BUYER_PAY" {
				t.Fatalf("a second before its end the trade is %s", got)
			}
			h.now = h.now.Add(time.Second)
			if got := h.status("T-1"); got != "TRADE_CLOSED" {
				t.Errorf("at its end the trade is %s", got)
			}
			wantOutcome(t, h.does(path, Pay, "mei"), AlreadyClosed)
		})
	}

	t.Run("a login without a trade ends too, untold", func(t *testing.T) {
		h := newHarness(t, nil)
		path := h.open(orderFor("T-1"))
		h.does(path, WrongPassword, "mei")
		h.now = h.now.Add(12 * time.Hour)
		wantOutcome(t, h.does(path, Pay, "mei"), Expired)
		if got := h.status("T-1"); got != "TRADE_NOT_EXIST" {
			t.Errorf("got %s", got)
		}
		wantOutcome(t, h.does(h.open(orderFor("T-1")), Pay, "mei"), PaidNow)
	})

	t.Run("a login in the last minute is refused", func(t *testing.T) {
		h := newHarness(t, nil)
		path := h.open(orderFor("T-1", "service", createPC, "order_gmt_create", "2026-01-02 03:04:05",
			"order_valid_time", "61"))
		h.now = h.now.Add(2 * time.Second)
		wantOutcome(t, h.does(path, Pay, "mei"), Expired)
	})
}

func TestCashierLanguage(t *testing.T) {
	h := newHarness(t, nil)
	path := h.open(orderFor("T-1", "payment_inst", "ALIPAYHK", "currency", "HKD"))
	for accept, want := range map[string]string{
		"":                         `lang="en"`,
		"en-GB,zh-HK;q=0.5":        `lang="en"`,
		"zh-HK,zh;q=0.9,en;q=0.8":  "支付寶香港",
		"zh-TW":                    "餘額不足",
		"zh-CN,zh;q=0.9":           "余额不足",
		"zh":                       "余额不足",
		"fr":                       `lang="en"`,
		strings.Repeat("zh,", 300): `lang="en"`,
	} {
		rec := h.get(h.sim.Wallet(), path, "Accept-Language", accept)
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%.40q: the page has no %s", accept, want)
		}
		if csp := rec.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
			rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("head %v", rec.Header())
		}
	}
	for key, text := range texts {
		for i, words := range text {
			if words == "" {
				t.Errorf("%s has no text in %s", key, languages[i])
			}
		}
	}
	page := h.get(h.sim.Wallet(), path).Body.String()
	for _, id := range []string{"pay", "wrong-password", "insufficient", "cancel", "leave"} {
		if !strings.Contains(page, `id="`+id+`"`) {
			t.Errorf("no #%s", id)
		}
	}
	if !strings.Contains(page, `name="buyer" value="wing" checked`) || !strings.Contains(page, "Simulator") {
		t.Error("no buyer is chosen, or the page does not say that it is a simulator")
	}
}

func TestCashierRefusesForeignForms(t *testing.T) {
	h := newHarness(t, nil)
	path := h.open(orderFor("T-1"))
	for _, c := range []struct{ path, act, buyer, want string }{
		{path, "steal", "mei", "ILLEGAL_ARGUMENT"},
		{path, "pay", "wing", "ILLEGAL_USER"},
		{path, "pay", "nobody", "ILLEGAL_USER"},
		{"/cashier/0", "pay", "mei", "SESSION_TIMEOUT"},
	} {
		rec := post(h.sim.Wallet(), c.path, "act="+c.act+"&buyer="+c.buyer)
		if !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%v: got %d %s", c, rec.Code, rec.Body)
		}
	}
	rec := post(h.sim.Wallet(), path, "act=pay&buyer=mei", "Sec-Fetch-Site", "cross-site")
	if rec.Code != 403 {
		t.Errorf("another site's page may pay: %d", rec.Code)
	}
	if rec := post(h.sim.Wallet(), path, "act="+strings.Repeat("x", 5000)); rec.Code != 200 ||
		!strings.Contains(rec.Body.String(), "ILLEGAL_ARGUMENT") {
		t.Errorf("a huge form: %d", rec.Code)
	}
	if rec := h.get(h.sim.Wallet(), "/cashier/nosuch"); rec.Code != 404 {
		t.Errorf("a page that is not there: %d", rec.Code)
	}
	if got := h.status("T-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("got %s", got)
	}
}
