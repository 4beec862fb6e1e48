package store

import (
	"context"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Events lists a payment's events, oldest first.
func (db *DB) Events(ctx context.Context, merchantID, paymentID string) ([]pay.Event, error) {
	return list(toEvent)(db.read.Events(ctx, queries.EventsParams{
		MerchantID: merchantID, PaymentID: paymentID,
	}))
}

// Events is DB.Events within a transaction.
func (tx *Tx) Events(merchantID, paymentID string) ([]pay.Event, error) {
	return list(toEvent)(tx.q.Events(tx.ctx, queries.EventsParams{
		MerchantID: merchantID, PaymentID: paymentID,
	}))
}

// CountEvents returns how many events of a kind a payment has.
func (tx *Tx) CountEvents(merchantID, paymentID string, kind pay.EventKind) (int, error) {
	n, err := tx.q.CountEvents(tx.ctx, queries.CountEventsParams{
		MerchantID: merchantID, PaymentID: paymentID, Kind: string(kind),
	})
	return int(n), wrap("count events of payment "+paymentID, err)
}

// fromEvent returns the event's row without its Seq.
func fromEvent(e pay.Event) queries.Event {
	return queries.Event{
		MerchantID: e.MerchantID, PaymentID: e.PaymentID, ID: e.ID, At: ms(e.At),
		Kind: string(e.Kind), Actor: string(e.By.Role), ActorName: clean(e.By.Name),
		Amount: e.Amount.Minor, Currency: string(e.Amount.Currency), TradeNo: clean(e.TradeNo),
		RefundID: clean(e.RefundID),
		Number:   clean(e.Number), Reason: string(e.Reason), Code: clean(e.Code), Note: clean(e.Note),
	}
}

func toEvent(e queries.Event) pay.Event {
	return pay.Event{
		MerchantID: e.MerchantID, PaymentID: e.PaymentID, ID: e.ID, Seq: int(e.Seq), At: at(e.At),
		Kind: pay.EventKind(e.Kind), By: pay.Actor{Role: pay.Role(e.Actor), Name: e.ActorName},
		Amount: pay.Amount{Minor: e.Amount, Currency: pay.Currency(e.Currency)}, TradeNo: e.TradeNo,
		RefundID: e.RefundID,
		Number:   e.Number, Reason: pay.Reason(e.Reason), Code: e.Code, Note: e.Note,
	}
}
