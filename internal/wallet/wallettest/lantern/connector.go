package lantern

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// refusals are the codes by which the wallet says that it does not take an order.
var refusals = map[string]wallet.RejectionKind{
	"PAID": wallet.RejectedOrder, "BLOCKED": wallet.RejectedOrder, "CLOSED": wallet.RejectedOrder,
	"NO_CONTRACT": wallet.RejectedAccount,
}

// outcomes are the states of an order.
var outcomes = map[string]wallet.Outcome{
	"WAITING": wallet.Waiting, "PAID": wallet.Paid, "RETURNED": wallet.Paid, "CLOSED": wallet.Closed,
}

// Pay asks the wallet for the address of its page. The wallet gives the same address
// until it ends, and then another one for the same order.
func (c *connector) Pay(ctx context.Context, o wallet.Order) (wallet.Checkout, error) {
	if !slices.Contains(info.Currencies[o.PayType], o.Amount.Currency) {
		return wallet.Checkout{}, fmt.Errorf(
			"%w: lantern: pay %s: %q does not take %q",
			wallet.ErrNotSent, o.Number, o.PayType, o.Amount.Currency)
	}
	m, err := c.call(ctx, "/pay", message{
		Number: o.Number, Amount: o.Amount.Minor, Currency: string(o.Amount.Currency), Subject: o.Subject,
		ExpiresAt: o.ExpiresAt.UTC().Format(time.RFC3339), CallbackURL: o.CallbackURL, ReturnURL: o.ReturnURL,
	})
	if err != nil {
		return wallet.Checkout{}, fmt.Errorf("lantern: pay %s: %w", o.Number, err)
	}
	ends, err := time.Parse(time.RFC3339Nano, m.EndsAt)
	if err != nil {
		return wallet.Checkout{}, fmt.Errorf("%w: lantern: pay %s: the address has no end",
			wallet.ErrUnknown, o.Number)
	}
	return wallet.Checkout{URL: m.URL, EndsAt: ends, WalletID: m.ID}, nil
}

// Query asks for the state of an order.
func (c *connector) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return c.ask(ctx, "/query", o)
}

// Close cancels an order.
func (c *connector) Close(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return c.ask(ctx, "/cancel", o)
}

// Refund is not among the wallet's calls.
func (c *connector) Refund(context.Context, wallet.Refund) (wallet.State, error) {
	return wallet.State{Outcome: wallet.Unknown}, wallet.ErrUnsupported
}

// QueryRefund is not among the wallet's calls.
func (c *connector) QueryRefund(context.Context, wallet.Refund) (wallet.State, error) {
	return wallet.State{Outcome: wallet.Unknown}, wallet.ErrUnsupported
}

func (c *connector) ask(ctx context.Context, path string, o wallet.Order) (wallet.State, error) {
	m, err := c.call(ctx, path, message{Number: o.Number})
	var no *wallet.Rejection
	if errors.As(err, &no) && no.Code == "UNKNOWN_NUMBER" {
		return wallet.State{Outcome: wallet.NotFound, Code: no.Code}, nil
	}
	s := wallet.State{Outcome: wallet.Unknown}
	if err == nil {
		s, err = stateOf(m)
	}
	if err == nil && s.Outcome == wallet.Unknown {
		err = wallet.ErrUnlisted
	}
	if err != nil {
		s.Outcome = wallet.Unknown
		return s, fmt.Errorf("lantern: %s %s: %w", path[1:], o.Number, err)
	}
	return s, nil
}

// stateOf reads what the wallet says of an order. A state that is not listed is
// wallet.Unknown.
func stateOf(m message) (wallet.State, error) {
	s := wallet.State{
		Outcome: wallet.Unknown, TradeNo: m.TradeNo, Code: m.State, GivenBack: m.State == "RETURNED",
	}
	if outcome, listed := outcomes[m.State]; listed {
		s.Outcome = outcome
	}
	if m.Amount > 0 && pay.Currency(m.Currency).Known() {
		s.Amount = pay.Amount{Minor: m.Amount, Currency: pay.Currency(m.Currency)}
	}
	if s.Outcome == wallet.Paid && (s.TradeNo == "" || s.Amount == pay.Amount{}) {
		return wallet.State{}, fmt.Errorf("%w: paid, but without trade or amount", wallet.ErrUnknown)
	}
	return s, nil
}

// call posts a request and returns an answer that is signed and done.
func (c *connector) call(ctx context.Context, path string, request message) (message, error) {
	u, err := url.Parse(c.gateway + path)
	if err != nil {
		return message{}, fmt.Errorf("%w: %w", wallet.ErrNotSent, err)
	}
	header, body := seal(c.key, u.Path, c.now(), request)
	answer, signed, err := wallet.Post(ctx, c.http, u.String(), header, body)
	if err != nil {
		return message{}, err
	}
	m, err := unseal(c.key, u.Path, signed, answer)
	switch {
	case err != nil:
		return message{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	case m.Number != request.Number:
		return message{}, fmt.Errorf("%w: an answer about another order", wallet.ErrUnknown)
	case m.Result == "S":
		return m, nil
	}
	kind, listed := refusals[m.Code]
	if m.Result == "F" && (listed || m.Code == "UNKNOWN_NUMBER" && path != "/pay") {
		return message{}, &wallet.Rejection{Code: m.Code, Kind: kind}
	}
	return message{}, fmt.Errorf("%w: result %.8q, code %.64q", wallet.ErrUnknown, m.Result, m.Code)
}
