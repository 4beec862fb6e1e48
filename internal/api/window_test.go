package api

import (
	"context"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// windowWallet is a wallet that must take an order before its buyer can pay, and
// that wants answers of its own form to its callbacks. The test decides what it
// answers.
type windowWallet struct {
	paperWallet
	mu     sync.Mutex
	asked  []wallet.Order
	err    error
	posted wallet.Callback // the last one
	reply  wallet.Reply    // to all, taken or not
}

func (w *windowWallet) driver() wallet.Driver {
	return wallet.Driver{
		Name: "window",
		Info: wallet.Info{
			Title: "Window", Flow: wallet.InApp, PayTypes: []pay.PayType{pay.AlipayServiceWindow},
			Currencies: map[pay.PayType][]pay.Currency{pay.AlipayServiceWindow: {"CNY"}},
		},
		Open: func(wallet.Account) (wallet.Connector, error) { return w, nil },
	}
}

func (w *windowWallet) Pay(_ context.Context, o wallet.Order) (wallet.Checkout, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, o)
	return wallet.Checkout{Ref: "2026010222001446881000041395"}, w.err
}

func (w *windowWallet) Callback(c wallet.Callback) (wallet.Notice, error) {
	n, err := w.paperWallet.Callback(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posted, n.Reply = c, w.reply
	return n, err
}

func (w *windowWallet) CallbackFailed(c wallet.Callback, err error) wallet.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posted = c
	reply := w.reply
	reply.Body = []byte(pay.CodeOf(err))
	return reply
}

// answers sets what the wallet says from now on, and forgets what it was asked.
func (w *windowWallet) answers(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err, w.asked = err, nil
}

func (w *windowWallet) orders() []wallet.Order {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// payInApp places an order of 12.00 CNY to be paid inside the Alipay app.
func (h *harness) payInApp(t *testing.T, changes ...string) reply {
	t.Helper()
	return h.pay(t, append([]string{"pay_type", "800107", "txcurrcd", "CNY", "openid", "2088102122524333"},
		changes...)...)
}

func TestAnOrderWithinTheAppGetsPayParams(t *testing.T) {
	h := newHarness(t)
	got := h.payInApp(t, "limit_pay", "no_credit", "expired_time", "7")
	wantCode(t, got, 200, "0000", "")
	if _, ok := got.fields["pay_url"]; ok {
		t.Errorf("pay_url is there too: %s", got.raw)
	}
	if !regexp.MustCompile(`"respcd":"0000","pay_params":\{"tradeNO":"2026010222001446881000041395",` +
		`"url":"https://pay\.example/pay/[A-Za-z0-9_-]{36}"\},"chnlsn":""\}\n$`).MatchString(got.raw) {
		t.Errorf("got %s", got.raw)
	}
	asked := h.window.orders()
	if len(asked) != 1 || asked[0].Number != got.get("syssn") || asked[0].OpenID != "2088102122524333" ||
		!asked[0].NoCredit ||
		asked[0].Amount != (pay.Amount{Minor: 1200, Currency: "CNY"}) ||
		asked[0].ExpiresAt.Sub(asked[0].CreatedAt) != 7*time.Minute {
		t.Errorf("the wallet was asked for %+v", asked)
	}
	again := h.payInApp(t, "limit_pay", "no_credit", "expired_time", "7", "txdtm", "2026-01-02 03:04:06")
	if again.get("syssn") != got.get("syssn") || len(h.window.orders()) != 1 {
		t.Errorf("the repeat gave %s, the wallet was asked %d times", again.raw, len(h.window.orders()))
	}
	wantCode(t, h.payInApp(t, "openid", "2088102122524334"), 200, "2011", "")
}

func TestAnOrderInTheAppNeedsItsBuyerAndRenminbi(t *testing.T) {
	h := newHarness(t)
	for _, test := range []struct{ field, value, respcd, rule string }{
		{"openid", "", "1104", "openid: is required"},
		{"openid", "208810212252433", "1104", "openid: must be 2088"},
		{"openid", "o'; DROP", "1104", "openid: must be 2088"},
		{"txcurrcd", "HKD", "1250", "txcurrcd: HKD"},
		{"limit_pay", "no_cash", "1104", "limit_pay"},
	} {
		wantCode(t, h.payInApp(t, test.field, test.value), 200, test.respcd, test.rule)
	}
	if n := h.stored(t); n != 0 || len(h.window.orders()) != 0 {
		t.Errorf("%d orders are stored, the wallet was asked %d times", n, len(h.window.orders()))
	}
}

func TestAnOrderIsRepeatedUntilTheWalletAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		respcd string
	}{
		"silence":     {wallet.ErrUnknown, "1298"},
		"not reached": {wallet.ErrNotSent, "1297"},
		"account wrong": {&wallet.Rejection{Code: "ACQ.ACCESS_FORBIDDEN", Kind: wallet.RejectedAccount},
			"1203"},
		"order refused": {&wallet.Rejection{Code: "ACQ.BUYER_NOT_EXIST", Kind: wallet.RejectedOrder}, "1205"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.window.answers(test.err)
			first := h.payInApp(t)
			wantCode(t, first, 200, test.respcd, "")
			if params, _ := first.fields["pay_params"].(map[string]any); params["tradeNO"] != "" ||
				params["url"] != "" {
				t.Errorf("an order that cannot be paid has %v", params)
			}
			h.window.answers(nil)
			h.pass(time.Minute) // past the time in which the first call could still be answered
			again := h.payInApp(t)
			if again.get("syssn") != first.get("syssn") {
				t.Errorf("syssn %s, then %s", first.get("syssn"), again.get("syssn"))
			}
			if test.respcd == "1297" || test.respcd == "1298" {
				wantCode(t, again, 200, "0000", "")
				if asked := h.window.orders(); len(asked) != 1 || asked[0].Number != first.get("syssn") {
					t.Errorf("the wallet was asked for %+v", asked)
				}
			} else if len(h.window.orders()) != 0 {
				t.Error("a refused order was asked for again")
			}
		})
	}
}
