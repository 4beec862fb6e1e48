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

// ErrBadSignature is returned for a notification that the gateway did not sign
// with the key at hand, or that was altered on the way.
var ErrBadSignature = errors.New("sampan: the notification's signature is missing or wrong")

var errNoKey = errors.New("sampan: no client key to check a notification with")

// Notification is the gateway's word that a payment succeeded or, if Refund is
// set, that a refund did. A refund's own numbers are in ID and OrderNo.
type Notification struct {
	Transaction
	OriginalOrderNo string // OrderNo of the payment that a refund is of
	Raw             []byte // the body as it came; it holds no secret
}

// VerifyNotification reads the body of r, at most 64 KiB, and checks its
// signature before it looks at anything in it. The error is ErrBadSignature if
// that fails, an *http.MaxBytesError if the body is too large. An empty key is
// an error too. Clock times are taken for UTC+8; a Client with another Zone has
// a method for it.
//
// A notification proves who speaks, not that the order is yours in that amount:
// compare OrderNo, Amount and Currency with what you asked for. Of a refund these
// are the refund's own, which may be of a part of the payment.
func VerifyNotification(r *http.Request, clientKey string) (*Notification, error) {
	return (&Client{ClientKey: clientKey}).VerifyNotification(r)
}

// VerifyNotification is the function of that name with the client's key and zone.
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
		return nil, fmt.Errorf("sampan: notification of unknown type %.40q", kind)
	}
	// Only successes are notified; anything else must not pass for one.
	if a.text("status") != "1" || n.Code != CodeSuccess {
		return nil, fmt.Errorf("sampan: notification of %.40q is not of a success", n.OrderNo)
	}
	if a.err != nil {
		return nil, a.err
	}
	return n, nil
}

// NotificationHandler serves the address that the gateway notifies. It calls
// handle with each verified notification and answers SUCCESS, which ends the
// deliveries, only after handle has returned nil. Otherwise the gateway tries
// again: eight times, over about a day.
//
// So handle will see a notification again whenever an acknowledgement was lost,
// possibly at the same moment twice, and after the order was found paid by a
// query. It must therefore be idempotent: look the order up by OrderNo, compare
// amount and currency, mark it paid in the same transaction that checks that it
// was not, and return nil if it was already. Of a refund, look the order up by
// OriginalOrderNo and the refund by OrderNo, compare the amount with that of the
// refund, which may be a part of the order's, and count it once. It runs in the
// request's context and has the gateway's ten seconds.
//
// The answers are 401 for a bad signature, 413 for more than 64 KiB, 400 for
// what cannot be read, 500 when handle returns an error or the client has no
// key. A panic of handle is left to the server, which logs it and cuts the
// connection.
func (c *Client) NotificationHandler(handle func(context.Context, *Notification) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "notifications are posted", http.StatusMethodNotAllowed)
			return
		}
		n, err := c.VerifyNotification(r)
		if err != nil {
			status := refusal(err)
			c.log().WarnContext(r.Context(), "notification refused", "status", status, "remote", r.RemoteAddr, "err", err)
			http.Error(w, http.StatusText(status), status)
			return
		}
		if err := handle(r.Context(), n); err != nil {
			c.log().ErrorContext(r.Context(), "notification not handled", "order", n.OrderNo, "syssn", n.ID, "err", err)
			http.Error(w, "not handled", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "SUCCESS")
	})
}

func refusal(err error) int {
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
