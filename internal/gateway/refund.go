package gateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// RefundRequest is a merchant's request to refund a part or all of a payment.
type RefundRequest struct {
	Credential  pay.Credential
	StoreID     string
	PaymentID   string
	OrderNo     string // of the refund
	Fingerprint string
	Minor       int64 // in the payment's currency
	ClientTime  string
	DeviceID    string
	RefuseNew   error // if not nil, refuses a new refund; a repeat gets its refund all the same
}

// Refund stores a refund, sends it to the wallet and returns it as it is then. It is
// pending if the outcome is not known, and Recover finishes it. The same request again
// gets the same refund, never a second one.
//
// If the refund has failed, Refund returns it, with its ID, and one of the errors
// RefundDenied, FundsShort, RefundTooLate, RefundTooLarge and WalletTrouble. Other
// errors are *pay.Error of NotFound, NotPaid, AlreadyRefunded, RefundTooLarge,
// RefundTooLate, NumberUsed, Forbidden, BadParameter, Unconfirmed, StoreDisabled and
// those of the store id. An error of the store is returned as it is if nothing of the
// refund is stored.
func (g *Gateway) Refund(ctx context.Context, r RefundRequest) (pay.Refund, pay.Payment, error) {
	s, err := g.standingOf(ctx, r.Credential, r.StoreID)
	if err != nil {
		return pay.Refund{}, pay.Payment{}, err
	}
	r.RefuseNew = firstError(s.checkRefunds(), r.RefuseNew)
	if r.Minor <= 0 {
		return pay.Refund{}, pay.Payment{}, &pay.Error{Code: pay.BadParameter, Field: "amount",
			Message: "must be above zero"}
	}
	scope := pay.Scope{MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID}
	p, err := g.paymentInScope(ctx, scope, r.PaymentID)
	if err != nil {
		return pay.Refund{}, p, err
	}
	claim, err := g.findOrCreateRefund(ctx, p, r)
	if err != nil {
		return pay.Refund{}, p, err
	}
	refund := claim.Refund
	if claim.Lease != "" { // a new one
		// The wallet's answer must be stored even if the merchant closes the connection.
		refund = g.pursue(context.WithoutCancel(ctx), claim, pay.ByMerchant(scope.AppCode))
	}
	if now, err := g.paymentInScope(ctx, scope, refund.PaymentID); err == nil { // else p is recent enough
		p = now
	}
	return refund, p, refundError(refund)
}

// paymentInScope finds a payment of a scope by its number, or by the one that it had
// before a restore. The error is NotFound if the scope has no such payment.
func (g *Gateway) paymentInScope(ctx context.Context, s pay.Scope, id string) (pay.Payment, error) {
	p, err := g.paymentByNumber(ctx, s.MerchantID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.Scope != s {
		return pay.Payment{}, &pay.Error{Code: pay.NotFound, Message: "no such payment"}
	}
	return p, err
}

// refundError returns the error that a merchant reads for a failed refund, and nil for
// other refunds.
func refundError(r pay.Refund) error {
	if r.Status != pay.RefundFailed {
		return nil
	}
	return &pay.Error{Code: r.Cause, Message: "the wallet refused the refund: " + r.Failure}
}

// findOrCreateRefund stores a refund and reserves its amount. If a refund has the
// request's number already, it returns that one, without a lease.
func (g *Gateway) findOrCreateRefund(ctx context.Context, p pay.Payment, r RefundRequest) (
	claim store.RefundClaim, err error) {
	window, err := g.refundWindow(ctx, p)
	if err != nil {
		return claim, err
	}
	refund := pay.Refund{
		OrderNo: r.OrderNo, Fingerprint: r.Fingerprint,
		Amount:     pay.Amount{Minor: r.Minor, Currency: p.Amount.Currency},
		ClientTime: r.ClientTime, DeviceID: r.DeviceID, CreatedAt: g.Now(),
	}
	err = tryNumbers(func(try int) error {
		return g.Store.Tx(ctx, func(tx *store.Tx) error {
			if err := tx.LockNumbers(p.MerchantID); err != nil {
				return err
			}
			known, err := refundOfNumber(tx, p.Scope, refund)
			if claim = (store.RefundClaim{Refund: known}); err != nil || known.ID != "" {
				return err
			}
			if r.RefuseNew != nil {
				return r.RefuseNew
			}
			current, err := tx.Payment(p.MerchantID, p.ID)
			if err != nil {
				return err
			}
			if err := refundable(current, refund, window); err != nil {
				return err
			}
			// The fingerprint would not do: it covers the syssn, and the payment may have two.
			refund.ID = g.numberUnder(current, "refund", refund.OrderNo, refund.Amount.String(), try)
			claim, err = g.addRefund(tx, current, refund,
				refund.CreatedAt.Add(g.Lease), pay.ByMerchant(p.AppCode))
			return err
		})
	})
	return claim, maybeStored("refund", err)
}

// refundOfNumber finds the refund with the order number of r, if there is one. The
// error is NumberUsed if that refund has other values, or a payment has the number.
func refundOfNumber(tx *store.Tx, s pay.Scope, r pay.Refund) (pay.Refund, error) {
	used := func(by string) error {
		return &pay.Error{Code: pay.NumberUsed, Field: "order_no", Message: "the number stands for a " + by}
	}
	known, err := tx.RefundByOrderNo(s, r.OrderNo)
	switch {
	case err == nil && known.Fingerprint == r.Fingerprint:
		return known, nil
	case err == nil:
		return pay.Refund{}, used("refund with other values")
	case !errors.Is(err, store.ErrNotFound):
		return pay.Refund{}, err
	}
	switch taken, err := tx.HasPayment(s, r.OrderNo); {
	case err != nil:
		return pay.Refund{}, err
	case taken:
		return pay.Refund{}, used("payment")
	}
	return pay.Refund{}, nil
}

// refundWindow returns how long after it was paid a payment can be refunded: the
// account's time, or else the deployment's. The error is Forbidden if the wallet
// cannot refund.
func (g *Gateway) refundWindow(ctx context.Context, p pay.Payment) (time.Duration, error) {
	a, err := g.accountOfPayment(ctx, p)
	if err != nil {
		return 0, err
	}
	if !g.Wallets[a.Wallet].Info.Supports(wallet.CanRefund) {
		return 0, &pay.Error{Code: pay.Forbidden, Message: "this wallet cannot refund"}
	}
	if days, err := strconv.Atoi(a.Settings[wallet.RefundDays.Name]); err == nil && days > 0 {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	return g.RefundWindow, nil
}

// refundable returns an error if a refund cannot be made.
func refundable(p pay.Payment, r pay.Refund, window time.Duration) error {
	left := pay.Amount{Minor: p.Amount.Minor - p.Reserved, Currency: p.Amount.Currency}
	switch {
	case p.Status != pay.Paid:
		return &pay.Error{Code: pay.NotPaid, Message: "the order is not paid"}
	case p.Refunded == p.Amount.Minor:
		return &pay.Error{Code: pay.AlreadyRefunded, Message: "the order is refunded in full"}
	case r.Amount.Minor > left.Minor:
		return &pay.Error{Code: pay.RefundTooLarge, Field: "amount",
			Message: "what is left to refund is " + left.String()}
	case r.CreatedAt.After(p.PaidAt.Add(window)):
		return &pay.Error{Code: pay.RefundTooLate, Message: "the time for refunds of this order is over"}
	}
	return nil
}

// addRefund stores a new refund of p and reserves its amount. The refund is claimed
// until the given time.
func (g *Gateway) addRefund(tx *store.Tx, p pay.Payment, r pay.Refund, until time.Time, by pay.Actor) (
	store.RefundClaim, error) {
	c := store.Change{Was: p, Payment: p}
	r = reserve(&c, r, g.Now(), by)
	if err := g.assignIDs(&c); err != nil {
		return store.RefundClaim{}, err
	}
	if err := tx.Apply(c); err != nil {
		return store.RefundClaim{}, err
	}
	return tx.AddRefund(r, until)
}

// reserve adds to a change of a payment that r is asked for: its amount is reserved. It
// returns the refund as it is stored.
func reserve(c *store.Change, r pay.Refund, now time.Time, by pay.Actor) pay.Refund {
	p := &c.Payment
	r.Scope, r.PaymentID, r.AccountID = p.Scope, p.ID, p.AccountID
	r.Status, r.DueAt = pay.RefundPending, r.CreatedAt
	p.Reserved += r.Amount.Minor
	c.Events = append(c.Events, pay.Event{
		Kind: pay.EventRefundAsked, By: by, At: now, Amount: r.Amount, RefundID: r.ID,
	})
	return r
}
