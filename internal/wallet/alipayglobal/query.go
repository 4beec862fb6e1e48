package alipayglobal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// beijing is the time zone of all times on this wire.
var beijing = time.FixedZone("+08:00", 8*60*60)

// outcomes maps the trade statuses that the documents list.
var outcomes = map[string]wallet.Outcome{
	"WAIT_BUYER_PAY": wallet.Waiting,
	"TRADE_FINISHED": wallet.Paid,
	"TRADE_CLOSED":   wallet.Closed,
}

// accountErrors are the gateway's refusals (of its pages "Error codes" and single_trade_query) that
// say nothing about an order: the account, its keys or its contract must be corrected. SYSTEM_ERROR
// and errors about parameters are not among them: after those the outcome is unknown.
var accountErrors = map[string]bool{
	"ILLEGAL_SIGN":                 true,
	"ILLEGAL_DYN_MD5_KEY":          true,
	"ILLEGAL_ENCRYPT":              true,
	"ILLEGAL_SIGN_TYPE":            true,
	"ILLEGAL_SECURITY_PROFILE":     true,
	"ILLEGAL_SERVICE":              true,
	"ILLEGAL_PARTNER":              true,
	"ILLEGAL_USER":                 true,
	"ILLEGAL_AGENT":                true,
	"ILLEGAL_EXTERFACE":            true,
	"ILLEGAL_PARTNER_EXTERFACE":    true,
	"EXTERFACE_IS_CLOSED":          true,
	"ILLEGAL_CHARSET":              true,
	"INVALID_CHARACTER_SET":        true,
	"ILLEGAL_CLIENT_IP":            true,
	"ILLEGAL_EXTER_INVOKE_IP":      true,
	"ILLEGAL_REQUEST_REFERER":      true,
	"ILLEGAL_TARGET_SERVICE":       true,
	"ILLEGAL_ACCESS_SWITCH_SYSTEM": true,
	"HAS_NO_PRIVILEGE":             true,
	"HASH_NO_PRIVILEGE":            true,
}

// Query calls single_trade_query. State.Amount stays zero: the answer has no currency, and the
// currency of its total_fee is not documented.
func (c *connector) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s, _, err := c.query(ctx, o)
	if err != nil {
		return s, fmt.Errorf("alipayglobal: query %s: %w", o.Number, err)
	}
	return s, nil
}

func (c *connector) query(ctx context.Context, o wallet.Order) (s wallet.State, fee string, err error) {
	return c.queryBy(ctx, o, mapi.Message{"out_trade_no": o.Number})
}

// queryBy queries a trade of the order by the order's number or by the trade's. An order may have
// several trades; by the order's number the wallet returns one of them. fee is the trade's
// total_fee.
func (c *connector) queryBy(ctx context.Context, o wallet.Order,
	by mapi.Message) (s wallet.State, fee string, err error) {
	s = wallet.State{Outcome: wallet.Unknown}
	doc, err := c.post(ctx, "single_trade_query", by)
	if err != nil {
		return s, "", err
	}
	a, err := mapi.ParseAnswer(doc)
	if err != nil {
		return s, "", fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if !a.Success { // the gateway does not sign errors
		s.Code = a.Error
		if a.Error == "TRADE_NOT_EXIST" {
			s.Outcome = wallet.NotFound
			return s, "", nil
		}
		return s, "", failure(a.Error)
	}
	if err := a.Verify(c.keys); err != nil {
		return s, "", fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if a.Kind != "trade" || a.Fields["out_trade_no"] != o.Number {
		return s, "", fmt.Errorf("%w: the answer is about another order", wallet.ErrUnknown)
	}
	if err := wallet.Plain(a.Fields, "trade_no", "trade_status"); err != nil {
		return s, "", fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	s, err = tradeState(a.Fields)
	return s, a.Fields["total_fee"], err
}

// tradeState reads a trade's state from an answer.
func tradeState(m mapi.Message) (wallet.State, error) {
	s := wallet.State{Outcome: wallet.Unknown, TradeNo: m["trade_no"], Code: m["trade_status"]}
	outcome, listed := outcomes[s.Code]
	switch {
	case !listed:
		return s, fmt.Errorf("%w: trade_status %.64q", wallet.ErrUnlisted, s.Code)
	case outcome == wallet.Paid && s.TradeNo == "":
		return s, fmt.Errorf("%w: paid without a trade_no", wallet.ErrUnknown)
	case outcome == wallet.Closed && m["gmt_payment"] != "":
		outcome, s.GivenBack = wallet.Paid, true // paid, and refunded in full
	}
	s.Outcome, s.BuyerID, s.At = outcome, buyer(m), when(m, "gmt_payment", "gmt_close")
	return s, nil
}

// post signs and sends one request and returns the answer's body.
func (c *connector) post(ctx context.Context, service string, m mapi.Message) ([]byte, error) {
	if err := c.sign(service, m); err != nil {
		return nil, fmt.Errorf("%w: %w", wallet.ErrNotSent, err)
	}
	// The gateway needs the charset to read the body, so it must be in the address too.
	return wallet.PostForm(ctx, c.http, c.gateway+"?_input_charset=UTF-8", m.Encode())
}

// buyer returns the buyer's masked account, or else the id with its middle masked.
func buyer(m mapi.Message) string {
	if email := wallet.CleanText(m["buyer_email"], 100); strings.Contains(email, "***") {
		return email
	}
	return wallet.MaskID(m["buyer_id"])
}

// when returns the first of the named times that exists, or the zero time.
func when(m mapi.Message, names ...string) time.Time {
	for _, name := range names {
		if at, err := time.ParseInLocation(time.DateTime, m[name], beijing); err == nil {
			return at
		}
	}
	return time.Time{}
}
