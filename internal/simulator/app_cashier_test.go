package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestAppCashierResultCodes(t *testing.T) {
	for _, x := range []struct {
		what, outcome, user string
		change              []string // changes to the request
		want, status        string
	}{
		{"paid", "9000", "", nil, "9000", "TRADE_SUCCESS"},
		{"in process", "8000", "", nil, "8000", "TRADE_SUCCESS"},
		{"without a network", "6002", "", nil, "6002", "TRADE_SUCCESS"},
		{"left", "6001", "", nil, "6001", "WAIT_BUYER_PAY"},
		{"failed", "4000", "", nil, "4000", "WAIT_BUYER_PAY"},
		{"as the right user", "9000", "mei", nil, "9000", "TRADE_SUCCESS"},
		{"as another", "9000", "bo", nil, "4000", "WAIT_BUYER_PAY"},
		{"as somebody", "9000", "", []string{"buyer_id", somebody}, "9000", "TRADE_SUCCESS"},
		{"without the funds", "9000", "", []string{"buyer_id", bo, "total_amount", "50.01"}, "4000",
			"WAIT_BUYER_PAY"},
		{"with just the funds", "9000", "", []string{"buyer_id", bo, "total_amount", "50.00"},
			"9000", "TRADE_SUCCESS"},
		{"in a way that is none", "9999", "", nil, "", "WAIT_BUYER_PAY"},
	} {
		h := newHarness(t, withApps)
		made := h.create("T1", x.change...)
		got := h.inTheCashier(made.fields["trade_no"], x.outcome, x.user)
		if got["resultCode"] != x.want {
			t.Errorf("%s: the page gets %v", x.what, got)
		}
		if status := h.trade("T1").fields["trade_status"]; status != x.status {
			t.Errorf("%s: the trade is %s", x.what, status)
		}
		if x.user == "bo" && got["memo"] != "ALI38110: the trade belongs to another buyer" {
			t.Errorf("%s: %v", x.what, got)
		}
	}
	h := newHarness(t, withApps)
	made := h.create("T1")
	shown := func() (v appCashier) {
		rec := h.get(h.sim.App(), "/~app/trade?tradeNO="+made.fields["trade_no"])
		if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", rec.Body, err)
		}
		if v.Words["9000"] != "Pay" || v.Words["simulator"] != texts["simulator"][0] {
			t.Errorf("its words are %v", v.Words)
		}
		v.Words = nil
		return v
	}
	want := asJSON(appCashier{Payee: "Tea House", Subject: "Tea 茶", Total: "CNY 12.34", Buyer: "mei"})
	if got := asJSON(shown()); got != want {
		t.Errorf("the cashier shows %s, want %s", got, want)
	}
	h.closes("T1")
	if got := shown(); got.Why != "ALI40247: the trade is TRADE_CLOSED" {
		t.Errorf("of a closed trade it shows %v", got)
	}
	for no, code := range map[string]string{made.fields["trade_no"]: "4000",
		"2026010200000000000000000000": "4000", "": "4000"} {
		if got := h.inTheCashier(no, "9000", ""); got["resultCode"] != code || got["memo"] == "" {
			t.Errorf("%q: %v", no, got)
		}
	}
}

// inTheCashier carries out a buyer's choice in the app and returns what the page gets, or nil for
// an unknown choice.
func (h *harness) inTheCashier(tradeNo, outcome, user string) fields {
	h.t.Helper()
	header := []string{}
	if user != "" {
		header = []string{"Cookie", userCookie + "=" + user}
	}
	rec := post(h.sim.App(), "/~app/trade", url.Values{"tradeNO": {tradeNo}, "outcome": {outcome}}.Encode(),
		header...)
	if rec.Code != http.StatusOK {
		return nil
	}
	return readFields(h.t, rec)
}

func TestAppCashierWaitsForNotification(t *testing.T) {
	for _, answered := range []bool{true, false} {
		liveApps(t, 0, 0, func(h *harness) {
			h.shop.answer = func(r *http.Request) (*http.Response, error) {
				if answered {
					time.Sleep(2 * time.Second)
					return says(200, "success")(r)
				}
				return says(500, "")(r)
			}
			// a fault's amount
			made := h.askHere("alipay.trade.create", trade("T1").with("total_amount", "9100.04"))
			began := time.Now()
			got := h.inTheCashier(made.fields["trade_no"], "9000", "")
			took := time.Since(began)
			if early, late := 2*time.Second, notifyLead; got["resultCode"] != "9000" || answered &&
				(took < early || took > early+time.Second) || !answered && took != late {
				h.t.Errorf("answered: %t: %v after %s", answered, got, took)
			}
		})
	}
}
