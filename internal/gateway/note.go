package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// MaxNotes is how many notes an order can have.
const MaxNotes = 100

// Note stores a merchant's note as an event. id is the payment's syssn or that of one
// of its refunds.
//
// Errors are *pay.Error: NotFound for any other id, Forbidden for an app code that
// has stores, BadParameter if the order has MaxNotes notes, and Unconfirmed if the
// note may be stored.
func (g *Gateway) Note(ctx context.Context, c pay.Credential, id, text string) error {
	if c.HasStores {
		return &pay.Error{Code: pay.Forbidden, Message: "an app code that has stores cannot add notes"}
	}
	scope := pay.Scope{MerchantID: c.MerchantID, AppCode: c.AppCode}
	switch r, err := g.Store.Refund(ctx, c.MerchantID, id); {
	case err == nil:
		id = r.PaymentID
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	p, err := g.paymentInScope(ctx, scope, id)
	if err != nil {
		return err
	}
	_, err = g.judgeLocked(ctx, p, pay.Word{}, func(tx *store.Tx, r pay.Recorded) (pay.Verdict, error) {
		switch n, err := tx.CountEvents(p.MerchantID, p.ID, pay.EventNote); {
		case err != nil:
			return pay.Verdict{}, err
		case n >= MaxNotes:
			return pay.Verdict{}, &pay.Error{Code: pay.BadParameter, Field: "note",
				Message: fmt.Sprintf("the order has %d notes, and can have no more", MaxNotes)}
		}
		note := pay.Event{Kind: pay.EventNote, Note: text}
		return pay.Act(r, r.Payment, note, pay.ByMerchant(c.AppCode), g.Now()), nil
	})
	return maybeStored("note", err)
}
