package simulator

import (
	"errors"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// openPlatform holds the rules of the open platform for one application. The application is zero
// without a contract.
type openPlatform struct {
	app  App
	gaps []time.Duration
}

func (o openPlatform) name() string { return o.app.Name }

func (o openPlatform) hasFault(Fault) bool { return true }

func (o openPlatform) buyer(a *Attempt, id string) (Buyer, bool) {
	if id == a.Buyer {
		return o.app.buyer(id), true
	}
	return pickBuyer(a.Terms.Wallet, id)
}

func (o openPlatform) namesBuyer() bool { return true }

// logIn needs the trade's own buyer: the trade existed before its buyer opened the cashier.
func (o openPlatform) logIn(_ *Attempt, t *Trade, b Buyer, _ time.Time) Outcome {
	if o.app.buyer(t.Buyer).ID != b.ID {
		return OtherBuyer
	}
	return ""
}

// createsTrade is false: alipay.trade.create does it.
func (o openPlatform) createsTrade(string, Outcome) bool { return false }

// deadline prefers time_expire to timeout_express.
func (o openPlatform) deadline(t Terms, login time.Time) time.Time {
	if t.TimeExpire != "" {
		end, _ := time.ParseInLocation(time.DateTime, t.TimeExpire, beijing)
		return end
	}
	life, _ := timeout(t.TimeoutRule)
	return login.Add(life)
}

// paid leaves the trade refundable until the wallet finishes it.
func (o openPlatform) paid(now time.Time) (Status, time.Time) { return Success, now.Add(finishAfter) }

// returnURL is empty: the page that opened the cashier learns the result from the app.
func (o openPlatform) returnURL(*Attempt, *Trade) (string, error) { return "", nil }

// unlistedStatus is a status of the vendor's older documents.
func (o openPlatform) unlistedStatus() string { return "TRADE_PENDING" }

// tradeNotice follows "Asynchronous notification".
func (o openPlatform) tradeNotice(t *Trade, a *Attempt) mapi.Message {
	total := t.Total.Decimal()
	m := mapi.Message{
		"notify_type":    "trade_status_sync",
		"app_id":         o.app.ID,
		"auth_app_id":    o.app.ID,
		"charset":        "utf-8",
		"version":        "1.0",
		"trade_no":       t.TradeNo,
		"out_trade_no":   t.OutTradeNo,
		"buyer_logon_id": maskedLogin(t.Buyer),
		"seller_id":      o.app.Seller,
		"trade_status":   string(t.Status),
		"subject":        a.Terms.Subject,
		"gmt_create":     stamp(t.CreatedAt),
		"total_amount":   total,
	}
	for name, value := range map[string]string{"body": a.Terms.Body, "passback_params": a.Terms.Passback} {
		if value != "" {
			m[name] = value
		}
	}
	who := "buyer_id"
	if !buyerID.MatchString(t.Buyer) {
		who = "buyer_open_id"
	}
	m[who] = t.Buyer
	if !t.PaidAt.IsZero() {
		m["gmt_payment"] = stamp(t.PaidAt)
		m["receipt_amount"], m["invoice_amount"], m["buyer_pay_amount"] = total, total, total
		m["point_amount"] = "0.00"
		m["fund_bill_list"] = `[{"amount":` + strconv.Quote(total) + `,"fundChannel":"ALIPAYACCOUNT"}]`
	}
	if !t.ClosedAt.IsZero() {
		m["gmt_close"] = stamp(t.ClosedAt)
	}
	return m
}

// refundNotice is one more notification about the trade, with the refund in it.
func (o openPlatform) refundNotice(t *Trade, a *Attempt, r Refund) mapi.Message {
	m := o.tradeNotice(t, a)
	m["out_biz_no"], m["refund_fee"] = r.Number, t.refundedTotal().Decimal()
	m["gmt_refund"] = r.DoneAt.In(beijing).Format(time.DateTime + ".000")
	return m
}

func (o openPlatform) charsetField() string { return "charset" }

func (o openPlatform) amountField() string { return "total_amount" }

func (o openPlatform) sign(m mapi.Message) error {
	if o.app.ID == "" {
		return errors.New("the application has no contract any more")
	}
	return openapi.Message(m).SignNotification(o.app.keys())
}

func (o openPlatform) retryGaps() []time.Duration { return o.gaps }

// acknowledges wants the exact word.
func (o openPlatform) acknowledges(answer string) bool { return answer == "success" }
