package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// CloseRequest is a merchant's wish to call an order off before it is paid. The
// order is named by PaymentID or by OrderNo.
type CloseRequest struct {
	Credential pay.Credential
	StoreID    string
	PaymentID  string
	OrderNo    string
	Minor      int64 // must be the order's
	ClientTime string
	DeviceID   string
}

// Closing is an order that a merchant has called off, or has asked to.
type Closing struct {
	ID      string // 26 digits: the closing's own number (syssn)
	At      time.Time
	Payment pay.Payment
}

// Close calls an order off. The wallet is asked first: where the buyer was
// faster the order is paid and the error is AlreadyPaid; where the wallet does
// not answer the closing is remembered, Payment.Status is still open and Recover
// finishes it. Otherwise Payment.Status is Closed. Closing again gives the same
// Closing.
func (g *Gateway) Close(ctx context.Context, r CloseRequest) (Closing, error) {
	return Closing{}, errors.New("gateway: closing is not there yet")
}
