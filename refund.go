package sampan

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// RefundRequest refunds a payment in full or in part. PaymentID, OrderNo and Amount are required.
type RefundRequest struct {
	PaymentID string    // syssn of the payment
	OrderNo   string    // the refund's own number, different from that of any payment and other refund
	Amount    int64     // minor units of the payment's currency, above 0
	StoreID   string    // default: the client's
	DeviceID  string    // repeated in answers
	Time      time.Time // the merchant's time of the refund; default: now
}

// Refund is a refund in the gateway's records.
type Refund struct {
	ID        string // syssn of the refund
	PaymentID string
	OrderNo   string // of the refund
	Amount    int64
	Currency  string
	Code      Code      // CodeSuccess: done; CodeProcessing: the outcome is not known yet
	CreatedAt time.Time // by the gateway's clock
	DoneAt    time.Time // zero while Code is CodeProcessing
}

// Refund refunds a payment. An outcome that is not known yet is not an error: then Code is
// CodeProcessing, the gateway continues by itself, and a notification or a query with the refund's
// OrderNo gives the outcome. Calling Refund again with the same request returns the same refund,
// never a second one.
//
// The errors CodeRefundDenied, CodeFundsShort, CodeRefundTooLate and CodeRefundTooLarge are final
// for the number. After an error that Repeat reports, do not pay the money back in another way or
// under another OrderNo: the refund may be under way.
func (c *Client) Refund(ctx context.Context, r RefundRequest) (*Refund, error) {
	p := sign.Params{"syssn": r.PaymentID, "out_trade_no": r.OrderNo}
	a, code, err := c.undo(ctx, "/trade/v1/refund", p, r.Amount, r.Time, r.StoreID, r.DeviceID)
	if err != nil {
		return nil, err
	}
	refund := &Refund{
		ID: a.text("syssn"), PaymentID: a.text("orig_syssn"), OrderNo: a.text("out_trade_no"),
		Amount: a.minor("txamt"), Currency: a.text("txcurrcd"), Code: code, CreatedAt: a.time("sysdtm"),
	}
	if code == CodeSuccess {
		refund.DoneAt = a.time("paydtm")
	}
	return refund, a.err
}

// CloseRequest closes an order that is not paid. PaymentID or OrderNo is required, and Amount must
// be the order's.
type CloseRequest struct {
	PaymentID string // syssn
	OrderNo   string // out_trade_no
	Amount    int64  // minor units
	StoreID   string
	DeviceID  string
	Time      time.Time
}

// Closing is the closing of an order.
type Closing struct {
	ID        string // syssn of the closing
	PaymentID string
	OrderNo   string // of the payment
	Amount    int64
	Currency  string
	Code      Code // CodeSuccess: closed; CodeProcessing: the outcome is not known yet
	At        time.Time
}

// Close closes an order that is not paid. The API also calls this reversal. The error is
// CodeAlreadyPaid if the buyer paid first: then the order is paid, and Refund returns the money.
// Calling Close again returns the same closing.
func (c *Client) Close(ctx context.Context, r CloseRequest) (*Closing, error) {
	p := sign.Params{}
	set(p, "syssn", r.PaymentID)
	set(p, "out_trade_no", r.OrderNo)
	a, code, err := c.undo(ctx, "/trade/v1/close", p, r.Amount, r.Time, r.StoreID, r.DeviceID)
	if err != nil {
		return nil, err
	}
	closing := &Closing{
		ID: a.text("syssn"), PaymentID: a.text("orig_syssn"), OrderNo: a.text("out_trade_no"),
		Amount: a.minor("txamt"), Currency: a.text("txcurrcd"), Code: code, At: a.time("sysdtm"),
	}
	return closing, a.err
}

// undo makes a refund or close call. It returns the code CodeSuccess, or a pending code if the
// gateway has accepted the request. Any other answer is an error.
func (c *Client) undo(
	ctx context.Context, path string, p sign.Params, minor int64, at time.Time, store, device string,
) (*answer, Code, error) {
	if at.IsZero() {
		at = c.now()
	}
	p["txamt"] = strconv.FormatInt(minor, 10)
	c.date(p, at)
	set(p, "mchid", c.store(store))
	set(p, "udid", device)
	a, err := c.call(ctx, path, p)
	if e := (*Error)(nil); errors.As(err, &e) && e.Code.Pending() && a.text("syssn") != "" {
		return a, e.Code, nil
	}
	return a, CodeSuccess, err
}

// AddNote stores a note of at most 200 characters with a payment, for people who look at it later.
// id is the syssn of the payment or of one of its refunds. An order holds at most 100 notes.
func (c *Client) AddNote(ctx context.Context, id, note string) error {
	_, err := c.call(ctx, "/trade/v1/add_note", sign.Params{"code": c.AppCode, "syssn": id, "note": note})
	return err
}
