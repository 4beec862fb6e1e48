package operator

import (
	"context"
	"errors"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Payments looks payments up by a number: the syssn of a payment or of a refund,
// whose digits name its merchant, or else the merchant's own number of either.
// Merchants choose their numbers, so several payments may have the same; merchantID,
// if not "", restricts the search to one merchant. Finding nothing is not an error.
func (d *Deployment) Payments(ctx context.Context, number, merchantID string) ([]pay.Payment, error) {
	if isSyssn(number) {
		p, err := d.bySyssn(ctx, merchantOf(number), number)
		if !errors.Is(err, store.ErrNotFound) {
			return []pay.Payment{p}, err
		}
	}
	merchants, err := d.db.Merchants(ctx)
	if err != nil {
		return nil, err
	}
	var found []pay.Payment
	for _, m := range merchants {
		if merchantID != "" && m.ID != merchantID {
			continue
		}
		scopes, err := d.scopes(ctx, m.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range scopes {
			p, err := d.byOrderNo(ctx, s, number)
			if err == nil {
				found = append(found, p)
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
	}
	return found, nil
}

// isSyssn reports whether a number has the form of ours: 26 digits.
func isSyssn(number string) bool {
	return len(number) == 26 && strings.Trim(number, "0123456789") == ""
}

// merchantOf is the merchant that the digits of a syssn name.
func merchantOf(syssn string) string { return syssn[8:14] }

func (d *Deployment) bySyssn(ctx context.Context, merchantID, id string) (pay.Payment, error) {
	p, err := d.db.Payment(ctx, merchantID, id)
	if !errors.Is(err, store.ErrNotFound) {
		return p, err
	}
	r, err := d.db.Refund(ctx, merchantID, id)
	if err != nil {
		return p, err
	}
	return d.db.Payment(ctx, merchantID, r.PaymentID)
}

func (d *Deployment) byOrderNo(ctx context.Context, s pay.Scope, number string) (pay.Payment, error) {
	p, err := d.db.PaymentByOrderNo(ctx, s, number)
	if !errors.Is(err, store.ErrNotFound) {
		return p, err
	}
	r, err := d.db.RefundByOrderNo(ctx, s, number)
	if err != nil {
		return p, err
	}
	return d.db.Payment(ctx, r.MerchantID, r.PaymentID)
}

// scopes lists the scopes of a merchant's order numbers.
func (d *Deployment) scopes(ctx context.Context, merchantID string) (all []pay.Scope, err error) {
	credentials, err := d.db.Credentials(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	for _, c := range credentials {
		if !c.HasStores {
			all = append(all, pay.Scope{MerchantID: merchantID, AppCode: c.AppCode})
		}
	}
	stores, err := d.db.Stores(ctx, merchantID)
	for _, s := range stores {
		all = append(all, pay.Scope{MerchantID: merchantID, AppCode: s.AppCode, StoreID: s.ID})
	}
	return all, err
}

// History is a payment and everything that happened to it.
type History struct {
	pay.Payment
	Events     []pay.Event
	Refunds    []pay.Refund
	Movements  []pay.Movement
	Deliveries []store.Delivery // the first thousand
}

// History reads what happened to a payment.
func (d *Deployment) History(ctx context.Context, p pay.Payment) (h History, err error) {
	h.Payment = p
	if h.Movements, err = d.db.Movements(ctx, p.MerchantID, p.ID); err != nil {
		return h, err
	}
	if h.Refunds, err = d.db.RefundsOf(ctx, p.MerchantID, p.ID); err != nil {
		return h, err
	}
	if h.Events, err = d.db.Events(ctx, p.MerchantID, p.ID); err != nil {
		return h, err
	}
	h.Deliveries, err = d.db.Deliveries(ctx,
		store.DeliveryFilter{MerchantID: p.MerchantID, PaymentID: p.ID, Limit: 1000})
	return h, err
}
