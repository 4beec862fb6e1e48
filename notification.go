package sampan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sampanpay/sampan/internal/sign"
)

const maxNotification = 64 << 10

// ErrBadSignature means that the gateway did not sign the notification with this key, or that it
// was altered.
var ErrBadSignature = errors.New("sampan: the notification's signature is missing or wrong")

var errNoKey = errors.New("sampan: no client key to verify a notification with")

// Notification reports a successful payment or, if Refund is set, a refund that is done. For a
// refund, ID, OrderNo and Amount are the refund's own.
type Notification struct {
	Transaction
	OriginalOrderNo string // of a refund: OrderNo of its payment
	Raw             []byte // the body as received; it contains no secret
}

// VerifyNotification reads the body of r, at most 64 KiB, and verifies its signature before it
// parses it. The error is ErrBadSignature for a wrong signature and an *http.MaxBytesError for a
// body that is too large. An empty key is an error too. Clock times are read as UTC+8; use
// [Client.VerifyNotification] for another zone.
//
// The signature proves who sends the notification, not that the order is yours in that amount.
// Compare OrderNo, Amount and Currency with your order. Of a refund these are the refund's own; the
// refund may be partial.
func VerifyNotification(r *http.Request, clientKey string) (*Notification, error) {
	return (&Client{ClientKey: clientKey}).VerifyNotification(r)
}

// VerifyNotification is like the function [VerifyNotification], with the client's key and zone.
func (c *Client) VerifyNotification(r *http.Request) (*Notification, error) {
	if c.ClientKey == "" {
		return nil, errNoKey
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxNotification))
	if err != nil {
		return nil, fmt.Errorf("sampan: read the notification: %w", err)
	}
	if !sign.VerifyNotification(body, c.ClientKey, r.Header.Get("X-QF-SIGN")) {
		return nil, ErrBadSignature
	}
	a := &answer{zone: c.zone()}
	if err := json.Unmarshal(body, &a.fields); err != nil {
		return nil, fmt.Errorf("sampan: the notification is not JSON: %w", err)
	}
	n := &Notification{Transaction: a.transaction(), OriginalOrderNo: a.text("orig_out_trade_no"), Raw: body}
	n.OriginalID = a.text("orig_syssn")
	switch kind := a.text("notify_type"); kind {
	case "payment":
	case "refund":
		n.Refund = true
	default:
		return nil, fmt.Errorf("sampan: unknown notify_type %.40q", kind)
	}
	// The gateway notifies only successes. Anything else must not be taken for one.
	if a.text("status") != "1" || n.Code != CodeSuccess {
		return nil, fmt.Errorf("sampan: the notification of %.40q does not report a success", n.OrderNo)
	}
	if a.err != nil {
		return nil, a.err
	}
	return n, nil
}

// NotificationHandler serves the address to which the gateway sends notifications. It calls handle
// with each verified notification. It answers SUCCESS, which ends the deliveries, only after handle
// has returned nil. Otherwise the gateway tries again: eight times in all, over about a day.
//
// So handle receives a notification again whenever an acknowledgement was lost, possibly twice at
// the same moment, and also after a query showed that the order is paid. It must be idempotent. For
// a payment, find the order by OrderNo, compare amount and currency, check that the order is not
// marked paid and mark it in one transaction, and return nil if it was marked already. For a
// refund, find the order by OriginalOrderNo and the refund by OrderNo, compare the amount with the
// refund's, and count it once. handle runs in the request's context and has ten seconds.
//
// The error answers are 401 for a bad signature, 413 for more than 64 KiB, 400 for a notification
// that cannot be read, and 500 when handle returns an error or the client has no key. The handler
// does not recover a panic of handle: the server logs it and closes the connection.
func (c *Client) NotificationHandler(handle func(context.Context, *Notification) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "send notifications by POST", http.StatusMethodNotAllowed)
			return
		}
		n, err := c.VerifyNotification(r)
		if err != nil {
			status := errorStatus(err)
			c.log().WarnContext(r.Context(), "notification refused",
				"status", status, "remote", r.RemoteAddr, "error", err)
			http.Error(w, http.StatusText(status), status)
			return
		}
		if err := handle(r.Context(), n); err != nil {
			c.log().ErrorContext(r.Context(), "notification handler failed",
				"order", n.OrderNo, "syssn", n.ID, "error", err)
			http.Error(w, "not handled", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "SUCCESS")
	})
}

// errorStatus returns the HTTP status for an error of VerifyNotification.
func errorStatus(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, ErrBadSignature):
		return http.StatusUnauthorized
	case errors.Is(err, errNoKey):
		return http.StatusInternalServerError
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}
