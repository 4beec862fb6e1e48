package gateway

import (
	"context"
	"errors"

	"github.com/sampanpay/sampan/internal/pay"
)

// RefundRequest is a merchant's wish to give back a part or all of a payment.
type RefundRequest struct {
	Credential  pay.Credential
	StoreID     string
	PaymentID   string
	OrderNo     string // of the refund
	Fingerprint string
	Minor       int64 // in the payment's currency
	ClientTime  string
	DeviceID    string
}

// Refund stores the refund, asks the wallet and gives it back as it stands:
// pending while the outcome is not known, and then Recover finishes it. The same
// request again gets the same refund, never a second one.
//
// With an error whose Refund has an ID, the refund is stored and the error is
// what became of it.
func (g *Gateway) Refund(ctx context.Context, r RefundRequest) (pay.Refund, pay.Payment, error) {
	return pay.Refund{}, pay.Payment{}, errors.New("gateway: refunds are not there yet")
}
