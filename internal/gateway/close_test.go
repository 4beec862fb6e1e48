package gateway

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func (b *bench) closeRequest(p pay.Payment) CloseRequest {
	return CloseRequest{Credential: b.credential, PaymentID: p.ID, Minor: p.Amount.Minor}
}

// atNet is a payment of 12.30 HKD through the account whose wallet can close.
// Two numbers that are two orders' name neither: a closing cannot be taken back.
func TestAClosingWhoseNumbersDisagreeClosesNothing(t *testing.T) {
	b := newBench(t)
	p, other := b.ordered("A1", true), b.ordered("A2", true)
	r := b.closeRequest(p)
	r.OrderNo = other.OrderNo
	_, err := b.Close(t.Context(), r)
	wantCode(t, err, pay.BadParameter)
	for _, id := range []string{p.ID, other.ID} {
		if got := b.stored(id); got.Status != pay.Pending || got.CloseID != "" {
			t.Errorf("stored %+v", got)
		}
	}
	r.OrderNo = p.OrderNo
	if _, err := b.Close(t.Context(), r); err != nil || b.stored(p.ID).Status != pay.Closed {
		t.Errorf("with both of its numbers: %v", err)
	}
}

func (b *bench) atNet(orderNo string) pay.Payment {
	b.t.Helper()
	r := b.request(orderNo)
	r.PayType = pay.AlipayHK
	b.wallet.pay = func(o wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "ref-" + o.Number}, nil }
	o, err := b.Pay(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.stored(o.ID)
}

func TestAnOrderThatNobodyOpenedIsClosedWithoutAskingTheWallet(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		p := b.ordered("A1", false)
		c, err := b.Close(t.Context(), b.closeRequest(p))
		if err != nil || c.Payment.Status != pay.Closed || len(c.ID) != 26 || c.At.IsZero() || b.wallet.count() != 0 {
			t.Fatalf("closing %+v, %v, wallet asked %v", c, err, b.wallet.asked)
		}
		byNumber := CloseRequest{Credential: b.credential, OrderNo: "A1", Minor: 1230}
		again, err := b.Close(t.Context(), byNumber)
		if err != nil || again.ID != c.ID || again.Payment.Status != pay.Closed {
			t.Errorf("closing again: %+v, %v", again, err)
		}
		if _, way, err := b.Visit(t.Context(), b.Token(p.ID)); err != nil || way.URL != "" {
			t.Errorf("the link still leads to %q, %v", way, err)
		}
		_, err = b.Pay(t.Context(), b.request("A1"))
		wantCode(t, err, pay.AlreadyClosed)
		if got := b.history(p.ID); got != "[closed by merchant]" || !b.stored(p.ID).DueAt.IsZero() {
			t.Errorf("history %s, %+v", got, b.stored(p.ID))
		}
	})
}

func TestAnOpenedOrderIsClosedOnTheWalletsWord(t *testing.T) {
	for name, c := range map[string]struct {
		state  wallet.State
		err    error
		code   pay.Code
		status pay.Status
	}{
		"it waits for the buyer":     {wallet.State{Outcome: wallet.Waiting}, nil, "", pay.Closed},
		"it knows of no trade":       {wallet.State{Outcome: wallet.NotFound}, nil, "", pay.Closed},
		"it closed the trade itself": {wallet.State{Outcome: wallet.Closed}, nil, "", pay.Closed},
		"the buyer was faster":       {paidBy("T1"), nil, pay.AlreadyPaid, pay.Paid},
		"it does not answer":         {wallet.State{}, wallet.ErrUnknown, "", pay.Pending},
		"it says something unlisted": {wallet.State{Outcome: wallet.Unknown}, nil, "", pay.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				p := b.ordered("A1", true)
				b.says(c.state, c.err)
				got, err := b.Close(t.Context(), b.closeRequest(p))
				wantCode(t, err, c.code)
				after := b.stored(p.ID)
				if got.ID != after.CloseID || got.ID == "" || got.Payment.Status != c.status || after.Status != c.status || after.Late {
					t.Errorf("closing %+v, stored %+v", got, after)
				}
				if c.status != pay.Paid && after.DueAt.IsZero() {
					t.Error("nobody will look at the wallet again")
				}
				if _, way, err := b.Visit(t.Context(), b.Token(p.ID)); err != nil || way.URL != "" {
					t.Errorf("the link still leads to %q, %v", way, err)
				}
			})
		})
	}
}

func TestAClosingThatTheWalletDidNotAnswerIsFinishedLater(t *testing.T) {
	for name, c := range map[string]struct {
		state wallet.State
		code  pay.Code
		want  pay.Status
	}{
		"closed in the end": {wallet.State{Outcome: wallet.Waiting}, "", pay.Closed},
		"paid in the end":   {paidBy("T1"), pay.AlreadyPaid, pay.Paid},
	} {
		t.Run(name, func(t *testing.T) {
			recovering(t, func(t *testing.T, b *bench) {
				p := b.ordered("A1", true)
				b.says(wallet.State{}, wallet.ErrUnknown)
				first, err := b.Close(t.Context(), b.closeRequest(p))
				if err != nil || !first.Payment.Status.Open() {
					t.Fatalf("%+v, %v", first, err)
				}
				_, err = b.Pay(t.Context(), b.request("A1"))
				wantCode(t, err, pay.Processing)
				time.Sleep(time.Hour)
				if got := b.stored(p.ID); !got.Status.Open() {
					t.Errorf("%s though the wallet was silent", got.Status)
				}
				b.says(c.state, nil)
				time.Sleep(15 * time.Minute)
				again, err := b.Close(t.Context(), b.closeRequest(p))
				wantCode(t, err, c.code)
				if again.ID != first.ID || again.Payment.Status != c.want {
					t.Errorf("%+v, want the closing %s", again, first.ID)
				}
			})
		})
	}
}

func TestWhereTheWalletCanCloseOnlyAConfirmedCloseCounts(t *testing.T) {
	for name, c := range map[string]struct {
		state wallet.State
		err   error
		then  wallet.State // what a query says from then on
		code  pay.Code
		want  pay.Status // called off; one that ends by itself is expired instead
	}{
		"closed there":         {wallet.State{Outcome: wallet.Closed}, nil, wallet.State{}, "", pay.Closed},
		"unknown there":        {wallet.State{Outcome: wallet.NotFound}, nil, wallet.State{}, "", pay.Closed},
		"the buyer was faster": {wallet.State{Outcome: wallet.Paid}, nil, paidBy("T1"), pay.AlreadyPaid, pay.Paid},
		"no answer":            {wallet.State{}, wallet.ErrUnknown, wallet.State{}, "", pay.Pending},
		"no clear answer":      {wallet.State{Outcome: wallet.Unknown}, nil, wallet.State{}, "", pay.Pending},
		"refused":              {wallet.State{}, &wallet.Rejection{Code: "NO"}, wallet.State{}, "", pay.Pending},
	} {
		answers := func(b *bench) {
			b.says(wallet.State{Outcome: wallet.Waiting}, nil)
			b.wallet.close = func(context.Context, wallet.Order) (wallet.State, error) {
				if c.then.Outcome != "" {
					b.says(c.then, nil)
				}
				return c.state, c.err
			}
		}
		t.Run("called off, "+name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				p := b.atNet("A1")
				answers(b)
				got, err := b.Close(t.Context(), b.closeRequest(p))
				wantCode(t, err, c.code)
				if got.Payment.Status != c.want || b.stored(p.ID).Status != c.want {
					t.Errorf("%+v", got)
				}
			})
		})
		t.Run("past its life, "+name, func(t *testing.T) {
			b := newBench(t)
			p := b.atNet("A1")
			answers(b)
			b.pass(32 * time.Minute)
			b.recoverDue()
			want := c.want
			if want == pay.Closed {
				want = pay.Expired
			}
			if got := b.stored(p.ID); got.Status != want {
				t.Errorf("%+v, want %s", got, want)
			}
		})
	}
}

func TestAClosingIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		order func(b *bench) CloseRequest
		want  pay.Code
	}{
		"of an order that never was": {func(b *bench) CloseRequest {
			return CloseRequest{Credential: b.credential, OrderNo: "A0", Minor: 1230}
		}, pay.NotFound},
		"of another app code's": {func(b *bench) CloseRequest {
			r := b.closeRequest(b.ordered("A1", true))
			r.Credential.AppCode = "OTHER"
			return r
		}, pay.NotFound},
		"with another amount": {func(b *bench) CloseRequest {
			r := b.closeRequest(b.ordered("A1", true))
			r.Minor++
			return r
		}, pay.AmountMismatch},
		"of a paid order": {func(b *bench) CloseRequest { return b.closeRequest(b.paid("A1")) }, pay.AlreadyPaid},
		"of an expired order": {func(b *bench) CloseRequest {
			p := b.ordered("A1", true)
			if _, err := b.notice(p.ID, wallet.State{Outcome: wallet.Closed}); err != nil {
				b.t.Fatal(err)
			}
			return b.closeRequest(p)
		}, pay.AlreadyExpired},
		"of one that the wallet refused": {func(b *bench) CloseRequest {
			r := b.request("A1")
			r.PayType = pay.AlipayHK
			b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{}, &wallet.Rejection{Code: "NO"} }
			o, err := b.Pay(b.t.Context(), r)
			wantCode(b.t, err, pay.WalletRejected)
			return b.closeRequest(o.Payment)
		}, pay.WalletRejected},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			r := c.order(b)
			before := b.wallet.count()
			_, err := b.Close(t.Context(), r)
			wantCode(t, err, c.want)
			if b.wallet.count() != before {
				t.Errorf("the wallet was asked %v", b.wallet.asked)
			}
			if r.PaymentID != "" && b.stored(r.PaymentID).CloseID != "" {
				t.Error("the closing was remembered")
			}
		})
	}
}

// A buyer pays while the merchant calls the order off, on two replicas: it is
// paid and says so, or closed and the money is late and goes back.
func TestOfAPaymentAndAClosingAtOnceEitherWins(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		replica := b.over(b.Store)
		for i := range 12 {
			p := b.ordered(string(rune('a'+i)), true)
			var wg sync.WaitGroup
			var closing Closing
			var refused error
			wg.Go(func() { closing, refused = replica.Close(t.Context(), b.closeRequest(p)) })
			wg.Go(func() {
				if _, err := b.notice(p.ID, paidBy("T"+p.ID)); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			b.pass(time.Minute)
			b.recoverDue()
			after := b.stored(p.ID)
			_, deliveries := b.books(p.ID)
			switch {
			case after.Status != pay.Paid || len(deliveries) != 1:
				t.Errorf("money that arrived is not there: %+v, %d deliveries", after, len(deliveries))
			case after.Late && (refused != nil || after.Refunded != 1230 || deliveries[0].Kind != "refund"):
				t.Errorf("late: closing %+v, %v; %+v", closing, refused, after)
			case !after.Late && (pay.CodeOf(refused) != pay.AlreadyPaid || after.Refunded != 0 || deliveries[0].Kind != "payment"):
				t.Errorf("in time: closing %+v, %v; %+v", closing, refused, after)
			}
		}
	})
}
