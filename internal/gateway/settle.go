package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// errForeignTrade: the trade number has paid another payment already.
var errForeignTrade = errors.New("gateway: the trade number belongs to another payment")

// settle makes what a wallet said true here. It is the one place where money
// comes in: in one transaction the payment's state moves by compare-and-set,
// the money record is written and the merchant's notification becomes due.
//
// A success by the order's own trade makes it paid, late if it had been given
// up. A success under another trade number, or of another amount, is money too:
// it is recorded as surplus, the payment is flagged for a person to look at,
// and it is never taken for the order's own. Repeats change nothing. Outcomes
// that are not final change nothing.
func (g *Gateway) settle(ctx context.Context, merchantID, paymentID string, s wallet.State, actor string) (pay.Payment, error) {
	var before, p pay.Payment
	notify := false
	err := g.Store.Tx(ctx, func(tx *store.Tx) error {
		notify = false
		current, err := tx.Payment(merchantID, paymentID)
		if err != nil {
			return err
		}
		before, p = current, current
		switch s.Outcome {
		case wallet.Paid:
			if s.TradeNo == "" {
				return fmt.Errorf("gateway: %s is said to be paid, but under no trade number: %w", paymentID, wallet.ErrUnknown)
			}
			p, notify, err = g.settlePaid(tx, current, s, actor)
			return err
		case wallet.Closed:
			if current.Status.Open() {
				p = g.giveUp(current, pay.Expired)
				return g.move(tx, p, current.Status, g.event(p, "expired", actor, "closed by the wallet: "+s.Code))
			}
		}
		return nil
	})
	if err != nil {
		return before, err
	}
	if notify {
		g.Wake()
	}
	g.logMove(ctx, before, p, actor)
	return p, nil
}

// settlePaid settles a success within its transaction, and reports whether the
// merchant is to be notified.
func (g *Gateway) settlePaid(tx *store.Tx, p pay.Payment, s wallet.State, actor string) (pay.Payment, bool, error) {
	lines, err := tx.Movements(p.MerchantID, p.ID)
	if err != nil {
		return p, false, err
	}
	for _, l := range lines {
		if l.RefundID != "" || l.TradeNo != s.TradeNo {
			continue
		}
		if s.Amount.Currency == "" || s.Amount == l.Amount {
			return p, false, nil // a repeat
		}
		if p.Surplus {
			return p, false, nil
		}
		p.Surplus = true // one trade, two amounts: somebody must ask the wallet
		return p, false, g.move(tx, p, p.Status, g.event(p, "surplus", actor,
			fmt.Sprintf("trade %s was %s before, now %s", s.TradeNo, l.Amount, s.Amount)))
	}
	amount := s.Amount
	if amount.Currency == "" {
		amount = p.Amount // the source does not state it
	}
	if p.Status == pay.Paid || amount != p.Amount {
		p.Surplus = true
		if err := g.book(tx, p, pay.MovementSurplus, amount, s.TradeNo); err != nil {
			return p, false, err
		}
		return p, false, g.move(tx, p, p.Status, g.event(p, "surplus", actor, fmt.Sprintf("%s under trade %s", amount, s.TradeNo)))
	}
	from := p.Status
	if !from.CanBecome(pay.Paid) {
		return p, false, fmt.Errorf("gateway: %s cannot become paid from %s", p.ID, from)
	}
	p.Late = !from.Open()
	p.Status, p.TradeNo, p.BuyerID, p.DueAt = pay.Paid, s.TradeNo, s.BuyerID, time.Time{}
	if p.PaidAt = s.At; p.PaidAt.IsZero() {
		p.PaidAt = g.Now()
	}
	if err := g.book(tx, p, pay.MovementPayment, amount, s.TradeNo); err != nil {
		return p, false, err
	}
	what := "paid"
	if p.Late {
		what = "paid_late"
	}
	if err := g.move(tx, p, from, g.event(p, what, actor, fmt.Sprintf("%s under trade %s", amount, s.TradeNo))); err != nil {
		return p, false, err
	}
	return g.addDelivery(tx, p)
}

// move writes p and its event if the stored status is still from.
func (g *Gateway) move(tx *store.Tx, p pay.Payment, from pay.Status, e pay.Event) error {
	if p.Status != from && !from.CanBecome(p.Status) {
		return fmt.Errorf("gateway: %s cannot become %s from %s", p.ID, p.Status, from)
	}
	moved, err := tx.MovePayment(p, from)
	if err != nil {
		return err
	}
	if !moved {
		return fmt.Errorf("gateway: %s is no longer %s", p.ID, from)
	}
	if e.ID, err = g.newRowID(e.At); err != nil {
		return err
	}
	return tx.AddEvent(e)
}

// event describes what happened to p. Its id is drawn when it is written.
func (g *Gateway) event(p pay.Payment, kind, actor, detail string) pay.Event {
	return pay.Event{MerchantID: p.MerchantID, PaymentID: p.ID, At: g.Now(), Kind: kind, Actor: actor, Detail: detail}
}

// book writes money that came in: the wallet owes it to us, and we owe it to
// the merchant (or, for surplus, to whoever turns out to own it).
func (g *Gateway) book(tx *store.Tx, p pay.Payment, kind pay.MovementKind, a pay.Amount, tradeNo string) error {
	now := g.Now()
	id, err := g.newRowID(now)
	if err != nil {
		return err
	}
	owed := "merchant"
	if kind == pay.MovementSurplus {
		owed = "surplus"
	}
	isNew, err := tx.AddMovement(pay.Movement{
		MerchantID: p.MerchantID, ID: id, PaymentID: p.ID, Kind: kind,
		Debit: "wallet:" + p.AccountID, Credit: owed, Amount: a, TradeNo: tradeNo, At: now,
	})
	if err != nil {
		return err
	}
	if !isNew {
		return fmt.Errorf("%w: %s, found for %s", errForeignTrade, tradeNo, p.ID)
	}
	return nil
}

// addDelivery makes the notification of a paid payment due, and reports whether
// there is one: without an address nobody is told, and an address that cannot
// be read must not keep the money from being recorded.
func (g *Gateway) addDelivery(tx *store.Tx, p pay.Payment) (pay.Payment, bool, error) {
	receiver, ok := receiverOf(p.NotifyURL)
	if !ok {
		if p.NotifyURL != "" {
			g.Log.Error("notify address cannot be read: nobody is told", "syssn", p.ID)
		}
		return p, false, nil
	}
	now := g.Now()
	id, err := g.newRowID(now)
	if err != nil {
		return p, false, err
	}
	return p, true, tx.AddDelivery(store.Delivery{
		MerchantID: p.MerchantID, ID: id, PaymentID: p.ID, AppCode: p.AppCode, Kind: "payment",
		URL: p.NotifyURL, Receiver: receiver, Body: g.Notification(p),
		State: store.DeliveryDue, CreatedAt: now, DueAt: now,
	})
}

// receiverOf names who answers at an address: scheme, host and port.
func receiverOf(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)), true
}

func (g *Gateway) logMove(ctx context.Context, before, p pay.Payment, actor string) {
	switch {
	case p.Surplus && !before.Surplus:
		g.Log.ErrorContext(ctx, "money beyond the order: needs a look", "syssn", p.ID, "status", p.Status, "by", actor)
	case p.Status != before.Status:
		g.Log.InfoContext(ctx, "payment "+string(p.Status), "syssn", p.ID, "from", before.Status, "late", p.Late, "trade_no", p.TradeNo, "by", actor)
	}
}
