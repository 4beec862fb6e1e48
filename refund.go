package sampan

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// RefundRequest gives back a part of a payment or all of it. PaymentID, OrderNo
// and Amount are required.
type RefundRequest struct {
	PaymentID string    // syssn of the payment
	OrderNo   string    // the refund's own number, which no payment and no other refund has
	Amount    int64     // minor units of the payment's currency, above 0
	StoreID   string    // the client's if empty
	DeviceID  string    // echoed in answers
	Time      time.Time // the merchant's time of the refund; now if zero
}

// Refund is a refund that the gateway has on record.
type Refund struct {
	ID        string // syssn of the refund
	PaymentID string
	OrderNo   string // of the refund
	Amount    int64
	Currency  string
	Code      Code      // CodeSuccess: the money went back; CodeProcessing: the gateway is still finding out
	CreatedAt time.Time // by the gateway's clock
	DoneAt    time.Time // zero while Code is CodeProcessing
}

// Refund gives money back. One whose outcome is not known yet is no error: its
// Code is CodeProcessing, the gateway goes on by itself, and a notification or a
// query under the refund's OrderNo tells the end. Calling Refund again with the
// same request gives the same refund, never a second one.
//
// Errors that are final for the number are CodeRefundDenied, CodeFundsShort,
// CodeRefundTooLate and CodeRefundTooLarge. After an error that Repeat reports,
// never give the money back in another way, nor under another OrderNo: the refund
// may be under way.
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

// CloseRequest calls an order off. PaymentID or OrderNo names it, and Amount
// must be the order's.
type CloseRequest struct {
	PaymentID string // syssn
	OrderNo   string // out_trade_no
	Amount    int64  // minor units
	StoreID   string
	DeviceID  string
	Time      time.Time
}

// Closing is an order that was called off.
type Closing struct {
	ID        string // syssn of the closing
	PaymentID string
	OrderNo   string // of the payment
	Amount    int64
	Currency  string
	Code      Code // CodeSuccess: closed; CodeProcessing: the gateway is still finding out
	At        time.Time
}

// Close calls an order off that is not paid; reversal is the API's other name
// for it. CodeAlreadyPaid if the buyer was faster: then the order counts as
// paid, and a refund gives the money back. Calling it again gives the same
// closing.
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

// undo makes a call that is answered CodeSuccess or, of what the gateway has
// taken on, by a code that is Pending. Anything else is an error.
func (c *Client) undo(ctx context.Context, path string, p sign.Params, minor int64, at time.Time, store, device string) (*answer, Code, error) {
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

// AddNote keeps a text of at most 200 characters with a payment, for those who
// look at it later. id is the syssn of the payment or of a refund of it. An order
// keeps 100 notes.
func (c *Client) AddNote(ctx context.Context, id, note string) error {
	_, err := c.call(ctx, "/trade/v1/add_note", sign.Params{"code": c.AppCode, "syssn": id, "note": note})
	return err
}
