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
	p, err := g.own(ctx, scope, id)
	if err != nil {
		return err
	}
	err = g.Store.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Payment(p.MerchantID, p.ID); err != nil { // locked, as for every event
			return err
		}
		switch n, err := tx.CountEvents(p.MerchantID, p.ID, pay.EventNote); {
		case err != nil:
			return err
		case n >= MaxNotes:
			return &pay.Error{Code: pay.BadParameter, Field: "note", Message: fmt.Sprintf("the order has %d notes, and keeps no more", MaxNotes)}
		}
		return g.record(tx, g.event(p, pay.ByMerchant(c.AppCode), pay.Event{Kind: pay.EventNote, Note: text}))
	})
	return maybeStored("note", err)
}
