package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// MaxNotes is how many notes an order keeps.
const MaxNotes = 100

// Note keeps a merchant's words among what happened to a payment, whose number
// or one of whose refunds' numbers id is. Any other number is NotFound. App
// codes that have stores cannot: Forbidden. One note more than MaxNotes is
// BadParameter. Unconfirmed if the note may be stored.
func (g *Gateway) Note(ctx context.Context, c pay.Credential, id, text string) error {
	if c.HasStores {
		return &pay.Error{Code: pay.Forbidden, Message: "an app code that has stores keeps no notes"}
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
	_, err = g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		switch n, err := g.Store.CountEvents(ctx, p.MerchantID, p.ID, pay.EventNote); {
		case err != nil:
			return pay.Verdict{}, err
		case n >= MaxNotes:
			return pay.Verdict{}, &pay.Error{Code: pay.BadParameter, Field: "note",
				Message: fmt.Sprintf("the order has %d notes, and keeps no more", MaxNotes)}
		}
		return pay.Act(r, r.Payment, pay.Event{Kind: pay.EventNote, Note: text}, pay.ByMerchant(c.AppCode), g.Now()), nil
	})
	return maybeStored("note", err)
}
