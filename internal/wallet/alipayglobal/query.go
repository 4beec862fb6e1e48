package alipayglobal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// beijing is the zone of all times on this wire.
var beijing = time.FixedZone("+08:00", 8*60*60)

// outcomes are the statuses of a trade that the documents list.
var outcomes = map[string]wallet.Outcome{
	"WAIT_BUYER_PAY": wallet.Waiting,
	"TRADE_FINISHED": wallet.Paid,
	"TRADE_CLOSED":   wallet.Closed,
}

// accountErrors are the gateway's refusals (of its pages "Error codes" and
// single_trade_query) that say nothing about an order: the account, its keys or
// its contract must be put right. SYSTEM_ERROR and its like are not here, nor
// are complaints about parameters: after those nothing is known.
var accountErrors = map[string]bool{
	"ILLEGAL_SIGN": true, "ILLEGAL_DYN_MD5_KEY": true, "ILLEGAL_ENCRYPT": true, "ILLEGAL_SIGN_TYPE": true,
	"ILLEGAL_SECURITY_PROFILE": true, "ILLEGAL_SERVICE": true, "ILLEGAL_PARTNER": true, "ILLEGAL_USER": true,
	"ILLEGAL_AGENT": true, "ILLEGAL_EXTERFACE": true, "ILLEGAL_PARTNER_EXTERFACE": true, "EXTERFACE_IS_CLOSED": true,
	"ILLEGAL_CHARSET": true, "INVALID_CHARACTER_SET": true, "ILLEGAL_CLIENT_IP": true, "ILLEGAL_EXTER_INVOKE_IP": true,
	"ILLEGAL_REQUEST_REFERER": true, "ILLEGAL_TARGET_SERVICE": true, "ILLEGAL_ACCESS_SWITCH_SYSTEM": true,
	"HAS_NO_PRIVILEGE": true, "HASH_NO_PRIVILEGE": true,
}

// Query asks by single_trade_query. State.Amount stays zero: the answer has no
// currency, and which one its total_fee is in is not documented.
func (c *connector) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s, err := c.query(ctx, o)
	if err != nil {
		return s, fmt.Errorf("alipayglobal: query %s: %w", o.ID, err)
	}
	return s, nil
}

func (c *connector) query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return c.queryBy(ctx, o, mapi.Message{"out_trade_no": o.ID})
}

// queryBy asks for a trade of the order by the order's number, or by the
// trade's: an order may have several, and by its own number the wallet tells of
// one.
func (c *connector) queryBy(ctx context.Context, o wallet.Order, by mapi.Message) (wallet.State, error) {
	doc, err := c.post(ctx, "single_trade_query", by)
	if err != nil {
		return wallet.State{Outcome: wallet.Unknown}, err
	}
	unknown := func(code, format string, args ...any) (wallet.State, error) {
		return wallet.State{Outcome: wallet.Unknown, Code: code},
			fmt.Errorf("%w: %w", wallet.ErrUnknown, fmt.Errorf(format, args...))
	}
	a, err := mapi.ParseAnswer(doc)
	if err != nil {
		return unknown("", "%w", err)
	}
	if !a.Success { // the gateway does not sign these
		if a.Error == "TRADE_NOT_EXIST" {
			return wallet.State{Outcome: wallet.NotFound, Code: a.Error}, nil
		}
		return wallet.State{Outcome: wallet.Unknown, Code: a.Error}, failure(a.Error)
	}
	if err := a.Verify(c.keys); err != nil {
		return unknown("", "%w", err)
	}
	if err := wallet.Plain(a.Fields, "trade_no", "trade_status"); err != nil {
		return unknown("", "%w", err)
	}
	status := a.Fields["trade_status"]
	outcome, listed := outcomes[status]
	switch {
	case a.Kind != "trade" || a.Fields["out_trade_no"] != o.ID:
		return unknown("", "the answer is about another order")
	case !listed:
		return unknown(status, "unlisted trade_status %.64q", status)
	case outcome == wallet.Paid && a.Fields["trade_no"] == "":
		return unknown(status, "paid without a trade_no")
	}
	givenBack := outcome == wallet.Closed && a.Fields["gmt_payment"] != ""
	if givenBack {
		outcome = wallet.Paid // the refund is its own fact
	}
	return wallet.State{
		Outcome: outcome, GivenBack: givenBack,
		TradeNo: a.Fields["trade_no"],
		BuyerID: buyer(a.Fields),
		At:      when(a.Fields, "gmt_payment", "gmt_close"),
		Code:    status,
	}, nil
}

// post signs and sends one request and gives the answer's body.
func (c *connector) post(ctx context.Context, service string, m mapi.Message) ([]byte, error) {
	if err := c.sign(service, m); err != nil {
		return nil, fmt.Errorf("%w: %w", wallet.ErrNotSent, err)
	}
	// The charset is needed to read the body, so the gateway wants it in the
	// address too.
	return wallet.Post(ctx, c.http, c.gateway+"?_input_charset=UTF-8", m.Encode())
}

// buyer gives the masked account of the buyer if there is one, else the id with
// its middle masked.
func buyer(m mapi.Message) string {
	if email := wallet.CleanText(m["buyer_email"], 100); strings.Contains(email, "***") {
		return email
	}
	return wallet.MaskID(m["buyer_id"])
}

// when reads the first of the named times that is there; zero if none is.
func when(m mapi.Message, names ...string) time.Time {
	for _, name := range names {
		if at, err := time.ParseInLocation(time.DateTime, m[name], beijing); err == nil {
			return at
		}
	}
	return time.Time{}
}
