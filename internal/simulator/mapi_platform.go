package simulator

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// globalGateway holds the rules of the global gateway for one partner. The partner is zero without
// a contract.
type globalGateway struct {
	partner Partner
	gaps    []time.Duration
}

func (g globalGateway) name() string { return g.partner.Name }

func (g globalGateway) hasFault(f Fault) bool {
	switch f {
	case CallLost, CallDown, CallError, CallForged:
		return false
	}
	return true
}

func (g globalGateway) buyer(a *Attempt, id string) (Buyer, bool) {
	return pickBuyer(a.Terms.Wallet, id)
}

func (g globalGateway) namesBuyer() bool { return false }

// logIn records another buyer's login, from which the order's life counts. A login with less than a
// minute left is refused. (Alipay, "timeout_rule".) Once there is a trade, it belongs to the buyer
// who made it.
func (g globalGateway) logIn(a *Attempt, t *Trade, b Buyer, now time.Time) Outcome {
	if a.Buyer != b.ID {
		a.Buyer, a.LoginAt = b.ID, now
		if g.deadline(a.Terms, now).Sub(now) < time.Minute {
			return Expired
		}
	}
	if t != nil && t.Buyer != b.ID {
		return OtherBuyer
	}
	return ""
}

// createsTrade follows "When is a transaction created": in the mobile cashier the right password
// creates the trade, on a PC the login.
func (g globalGateway) createsTrade(service string, out Outcome) bool {
	return out == NoFunds || (out == BadPassword && service == createPC)
}

// deadline counts timeout_rule from the login. A shop's own creation time and validity take
// precedence.
func (g globalGateway) deadline(t Terms, login time.Time) time.Time {
	if t.CreatedByShop != "" {
		from, _ := time.ParseInLocation(time.DateTime, t.CreatedByShop, beijing)
		seconds, _ := strconv.Atoi(t.ValidSeconds)
		return from.Add(time.Duration(seconds) * time.Second)
	}
	rule := t.TimeoutRule
	if rule == "" {
		rule = defaultTimeout
	}
	life, _ := timeout(rule)
	return login.Add(life)
}

func (g globalGateway) paid(time.Time) (Status, time.Time) { return Finished, time.Time{} }

// returnURL keeps the query of the order's return_url and adds the result in the vendor's order of
// fields. (Alipay, "Synchronous notification".)
func (g globalGateway) returnURL(a *Attempt, t *Trade) (string, error) {
	if a.ReturnURL == "" {
		return "", nil
	}
	m := mapi.Message{
		"out_trade_no": t.OutTradeNo,
		"total_fee":    t.Total.Decimal(),
		"trade_status": string(t.Status),
		"trade_no":     t.TradeNo,
		"currency":     t.Total.Currency,
	}
	if err := g.sign(m); err != nil {
		return "", err
	}
	var query []string
	names := []string{
		"out_trade_no", "total_fee", "trade_status", "sign", "trade_no", "currency", "sign_type",
	}
	for _, name := range names {
		query = append(query, name+"="+url.QueryEscape(m[name]))
	}
	to, fragment, hasFragment := strings.Cut(a.ReturnURL, "#")
	join := "?"
	if strings.Contains(to, "?") {
		join = "&"
	}
	to += join + strings.Join(query, "&")
	if hasFragment {
		to += "#" + fragment
	}
	return to, nil
}

// unlistedStatus is a status of other products of the vendor.
func (g globalGateway) unlistedStatus() string { return "TRADE_SUCCESS" }

func (g globalGateway) tradeNotice(t *Trade, a *Attempt) mapi.Message {
	m := mapi.Message{
		"notify_type":  "trade_status_sync",
		"out_trade_no": t.OutTradeNo,
		"trade_no":     t.TradeNo,
		"trade_status": string(t.Status),
		"total_fee":    t.Total.Decimal(),
		"currency":     t.Total.Currency,
	}
	if a.Terms.RMB.Minor > 0 {
		m["rmb_fee"] = a.Terms.RMB.Decimal()
	}
	return m
}

// refundNotice follows forex_refund, "Asynchronous notification", which leaves the value of
// notify_type open.
func (g globalGateway) refundNotice(t *Trade, _ *Attempt, r Refund) mapi.Message {
	return mapi.Message{
		"notify_type":   "refund_status_sync",
		"out_trade_no":  t.OutTradeNo,
		"out_return_no": r.Number,
		"refund_status": "REFUND_SUCCESS",
		"currency":      r.Amount.Currency,
		"return_amount": r.Amount.Decimal(),
	}
}

func (g globalGateway) charsetField() string { return "_input_charset" }

func (g globalGateway) amountField() string { return "total_fee" }

func (g globalGateway) sign(m mapi.Message) error {
	if g.partner.ID == "" {
		return errors.New("the partner has no contract any more")
	}
	return m.Sign(g.partner.keys())
}

func (g globalGateway) retryGaps() []time.Duration { return g.gaps }

// acknowledges ignores case and surrounding space.
func (g globalGateway) acknowledges(answer string) bool {
	return strings.ToLower(strings.TrimSpace(answer)) == "success"
}
