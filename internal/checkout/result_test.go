package checkout

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sampanpay/sampan/internal/pay"
)

func TestTheReturnPageAsksTheWalletOnce(t *testing.T) {
	for path, want := range map[string]string{
		"/return/tok": "Returned",
		"/return/tok?out_trade_no=1&trade_status=TRADE_FINISHED&sign=x&again=": "Returned",
		"/return/tok?again=1":              "Lookup",
		"/return/tok?again=99999999999":    "Lookup",
		"/return/tok?again=-7":             "Returned",
		"/return/tok?again=1&lang=zh-Hant": "Lookup",
	} {
		f := pending()
		w := get(t, f, path)
		if w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{want}) {
			t.Errorf("%s: got %d, calls %q, want %s", path, w.Code, f.calls, want)
		}
		if !strings.Contains(w.Body.String(), `<body class="waiting">`) {
			t.Errorf("%s: what the address says made it more than waiting:\n%s", path, w.Body)
		}
	}
}

func TestAWaitingPageFollowsThePayment(t *testing.T) {
	w := get(t, pending(), "/return/tok?lang=zh-Hans")
	shows(t, w, `data-poll="../pay/tok/status"`)
	shows(t, w, `data-next="?again=1&lang=zh-Hans"`)
	shows(t, w, `<noscript><meta http-equiv="refresh" content="3;url=?again=1&lang=zh-Hans"></noscript>`)
	shows(t, w, `id="slow" hidden`)
	shows(t, w, `href="../pay/tok?lang=zh-Hans&open=1"`)
	shows(t, w, `href="https://shop.example/orders/7?a=1&b=2"`)

	w = get(t, pending(), "/return/tok?again=10")
	shows(t, w, `id="slow">This is taking longer than usual`)
	shows(t, w, `content="15;url=?again=11"`)
	for _, last := range []string{"60", "9999999999"} {
		w = get(t, pending(), "/return/tok?again="+last)
		hides(t, w, `http-equiv="refresh"`)
		shows(t, w, `id="slow">This is taking longer than usual`)
	}

	late := pending()
	late.ExpiresAt = noon
	w = get(t, late, "/return/tok")
	shows(t, w, "Confirming your payment") // money may be on its way
	hides(t, w, "open=1")
}

func TestAKnownOutcomeLeadsBackToTheShop(t *testing.T) {
	for _, s := range []pay.Status{pay.Paid, pay.Failed, pay.Closed, pay.Expired} {
		w := get(t, ended(s), "/return/tok")
		shows(t, w,
			`<noscript><meta http-equiv="refresh" content="2;url=https://shop.example/orders/7?a=1&b=2"></noscript>`)
		shows(t, w, `id="leave" href="https://shop.example/orders/7?a=1&b=2"`)
		shows(t, w, `data-soon="Taking you back to the shop in {n} s…"`)
		hides(t, w, "data-poll")
	}
	f := ended(pay.Paid)
	f.ReturnURL = ""
	w := get(t, f, "/return/tok")
	shows(t, w, "You can close this page now.")
	hides(t, w, "refresh")
}

func TestOnlyWebAddressesAreLedTo(t *testing.T) {
	for _, bad := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil.example/", "/local",
		"https:evil.example",
		"https://", "\x01https://a.example", " https://a.example", "vbscript:x", "intent://x#Intent;end", "",
	} {
		f := ended(pay.Paid)
		f.ReturnURL = bad
		for _, path := range []string{"/pay/tok", "/return/tok", "/pay/tok/status"} {
			w := get(t, f, path)
			hides(t, w, `id="leave"`)
			hides(t, w, "refresh")
			hides(t, w, "return_url")
			if w.Code != http.StatusOK {
				t.Errorf("%s with %q: got %d", path, bad, w.Code)
			}
		}
	}
}

func TestTheStatusIsPlainAndFresh(t *testing.T) {
	for status, want := range map[pay.Status]string{
		pay.Created: "waiting", pay.Pending: "waiting", pay.Paid: "paid", pay.Failed: "failed",
		pay.Closed: "closed", pay.Expired: "expired",
	} {
		w := get(t, ended(status), "/pay/tok/status")
		var got map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"status": want, "amount": "1234.50", "currency": "HKD",
			"return_url": "https://shop.example/orders/7?a=1&b=2"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", status, diff)
		}
		if w.Header().Get("Cache-Control") != "no-store" ||
			w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("headers: %v", w.Header())
		}
	}
}

// goingBack is money that came when nobody wanted it any more.
func goingBack() *payments {
	f := ended(pay.Paid)
	f.Late, f.Reserved = true, f.Amount.Minor
	return f
}

// A buyer whose money goes back must not read that all is well, nor be sent away
// before they have read that it does.
func TestMoneyThatGoesBackIsNoPaymentToTheBuyer(t *testing.T) {
	done := goingBack()
	done.Refunded = done.Amount.Minor
	asked := ended(pay.Paid)
	asked.Reserved, asked.Refunded = asked.Amount.Minor, asked.Amount.Minor // by the merchant
	for name, f := range map[string]*payments{"on its way": goingBack(), "back": done,
		"given back by the merchant": asked} {
		for _, path := range []string{"/pay/tok", "/return/tok"} {
			w := get(t, f, path)
			shows(t, w, "Payment returned")
			hides(t, w, "Payment complete")
			shows(t, w, `id="leave"`)
			hides(t, w, "refresh")
			hides(t, w, `id="leaving"`)
		}
		if w := get(t, f, "/pay/tok/status"); !strings.Contains(w.Body.String(), `"status":"returned"`) {
			t.Errorf("%s: the status is %s", name, w.Body)
		}
	}
	part := ended(pay.Paid)
	part.Reserved, part.Refunded = 5, 5
	shows(t, get(t, part, "/return/tok"), "Payment complete")
}
