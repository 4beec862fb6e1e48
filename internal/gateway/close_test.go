package gateway

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func (h *harness) closeRequest(p pay.Payment) CloseRequest {
	return CloseRequest{Credential: h.credential, PaymentID: p.ID, Minor: p.Amount.Minor}
}

// atNet returns a payment of 12.30 HKD through the account whose wallet can close.
// Two numbers of two different orders close neither, since a closing cannot be undone.
func TestAClosingWhoseNumbersDisagreeClosesNothing(t *testing.T) {
	h := newHarness(t)
	p, other := h.ordered("A1", true), h.ordered("A2", true)
	r := h.closeRequest(p)
	r.OrderNo = other.OrderNo
	_, err := h.Close(t.Context(), r)
	wantCode(t, err, pay.BadParameter)
	for _, id := range []string{p.ID, other.ID} {
		check(t, h.stored(id), func(want *pay.Payment) { want.Status, want.CloseID = pay.Pending, "" })
	}
	r.OrderNo = p.OrderNo
	if _, err := h.Close(t.Context(), r); err != nil || h.stored(p.ID).Status != pay.Closed {
		t.Errorf("with both of its numbers: %v", err)
	}
}

func (h *harness) orderedAtNet(orderNo string) pay.Payment {
	h.t.Helper()
	r := h.request(orderNo)
	r.PayType = pay.AlipayHK
	h.wallet.pay = func(o wallet.Order) (wallet.Checkout, error) {
		return wallet.Checkout{Ref: "ref-" + o.Number}, nil
	}
	o, err := h.Pay(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.stored(o.ID)
}

func TestAnUnopenedOrderIsClosedUnasked(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", false)
		c, err := h.Close(t.Context(), h.closeRequest(p))
		if err != nil || c.Payment.Status != pay.Closed || len(c.ID) != 26 || c.At.IsZero() ||
			h.wallet.calls() != 0 {
			t.Fatalf("closing %+v, %v, wallet asked %v", c, err, h.wallet.asked)
		}
		byNumber := CloseRequest{Credential: h.credential, OrderNo: "A1", Minor: 1230}
		again, err := h.Close(t.Context(), byNumber)
		if err != nil || again.ID != c.ID || again.Payment.Status != pay.Closed {
			t.Errorf("closing again: %+v, %v", again, err)
		}
		if _, way, err := h.Visit(t.Context(), h.Token(p.ID)); err != nil || way.URL != "" {
			t.Errorf("the link still leads to %q, %v", way, err)
		}
		_, err = h.Pay(t.Context(), h.request("A1"))
		wantCode(t, err, pay.AlreadyClosed)
		if got := h.history(p.ID); got != "[closed by merchant]" || !h.stored(p.ID).DueAt.IsZero() {
			t.Errorf("history %s, %+v", got, h.stored(p.ID))
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
			onEach(t, func(t *testing.T, h *harness) {
				p := h.ordered("A1", true)
				h.answers(c.state, c.err)
				got, err := h.Close(t.Context(), h.closeRequest(p))
				wantCode(t, err, c.code)
				after := h.stored(p.ID)
				if got.ID != after.CloseID || got.ID == "" || got.Payment.Status != c.status {
					t.Errorf("closing %+v", got)
				}
				check(t, after, func(want *pay.Payment) { want.Status, want.Late = c.status, false })
				if c.status != pay.Paid && after.DueAt.IsZero() {
					t.Error("nobody will look at the wallet again")
				}
				if _, way, err := h.Visit(t.Context(), h.Token(p.ID)); err != nil || way.URL != "" {
					t.Errorf("the link still leads to %q, %v", way, err)
				}
			})
		})
	}
}

func TestAnUnansweredClosingIsFinishedLater(t *testing.T) {
	for name, c := range map[string]struct {
		state wallet.State
		code  pay.Code
		want  pay.Status
	}{
		"closed in the end": {wallet.State{Outcome: wallet.Waiting}, "", pay.Closed},
		"paid in the end":   {paidBy("T1"), pay.AlreadyPaid, pay.Paid},
	} {
		t.Run(name, func(t *testing.T) {
			withRun(t, func(t *testing.T, h *harness) {
				p := h.ordered("A1", true)
				h.answers(wallet.State{}, wallet.ErrUnknown)
				first, err := h.Close(t.Context(), h.closeRequest(p))
				if err != nil || !first.Payment.Status.Open() {
					t.Fatalf("%+v, %v", first, err)
				}
				_, err = h.Pay(t.Context(), h.request("A1"))
				wantCode(t, err, pay.Processing)
				time.Sleep(time.Hour)
				if got := h.stored(p.ID); !got.Status.Open() {
					t.Errorf("%s though the wallet was silent", got.Status)
				}
				h.answers(c.state, nil)
				time.Sleep(15 * time.Minute)
				again, err := h.Close(t.Context(), h.closeRequest(p))
				wantCode(t, err, c.code)
				if again.ID != first.ID || again.Payment.Status != c.want {
					t.Errorf("%+v, want the closing %s", again, first.ID)
				}
			})
		})
	}
}

func TestOnlyAConfirmedCloseCounts(t *testing.T) {
	for name, c := range map[string]struct {
		state wallet.State
		err   error
		then  wallet.State // what later queries say
		code  pay.Code
		want  pay.Status // if the merchant closes it; otherwise it expires
	}{
		"closed there":  {wallet.State{Outcome: wallet.Closed}, nil, wallet.State{}, "", pay.Closed},
		"unknown there": {wallet.State{Outcome: wallet.NotFound}, nil, wallet.State{}, "", pay.Closed},
		"the buyer was faster": {wallet.State{Outcome: wallet.Paid}, nil, paidBy("T1"),
			pay.AlreadyPaid, pay.Paid},
		"no answer":       {wallet.State{}, wallet.ErrUnknown, wallet.State{}, "", pay.Pending},
		"no clear answer": {wallet.State{Outcome: wallet.Unknown}, nil, wallet.State{}, "", pay.Pending},
		"refused":         {wallet.State{}, &wallet.Rejection{Code: "NO"}, wallet.State{}, "", pay.Pending},
	} {
		answers := func(h *harness) {
			h.answers(wallet.State{Outcome: wallet.Waiting}, nil)
			h.wallet.close = func(context.Context, wallet.Order) (wallet.State, error) {
				if c.then.Outcome != "" {
					h.answers(c.then, nil)
				}
				return c.state, c.err
			}
		}
		t.Run("called off, "+name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.orderedAtNet("A1")
				answers(h)
				got, err := h.Close(t.Context(), h.closeRequest(p))
				wantCode(t, err, c.code)
				if got.Payment.Status != c.want || h.stored(p.ID).Status != c.want {
					t.Errorf("%+v", got)
				}
			})
		})
		t.Run("past its life, "+name, func(t *testing.T) {
			h := newHarness(t)
			p := h.orderedAtNet("A1")
			answers(h)
			h.advance(32 * time.Minute)
			h.recoverDue()
			want := c.want
			if want == pay.Closed {
				want = pay.Expired
			}
			if got := h.stored(p.ID); got.Status != want {
				t.Errorf("%+v, want %s", got, want)
			}
		})
	}
}

func TestAClosingIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		order func(h *harness) CloseRequest
		want  pay.Code
	}{
		"of an order that never was": {func(h *harness) CloseRequest {
			return CloseRequest{Credential: h.credential, OrderNo: "A0", Minor: 1230}
		}, pay.NotFound},
		"of another app code's": {func(h *harness) CloseRequest {
			r := h.closeRequest(h.ordered("A1", true))
			r.Credential.AppCode = "OTHER"
			return r
		}, pay.NotFound},
		"with another amount": {func(h *harness) CloseRequest {
			r := h.closeRequest(h.ordered("A1", true))
			r.Minor++
			return r
		}, pay.AmountMismatch},
		"of a paid order": {func(h *harness) CloseRequest { return h.closeRequest(h.paid("A1")) },
			pay.AlreadyPaid},
		"of an expired order": {func(h *harness) CloseRequest {
			p := h.ordered("A1", true)
			if _, err := h.callback(p.ID, wallet.State{Outcome: wallet.Closed}); err != nil {
				h.t.Fatal(err)
			}
			return h.closeRequest(p)
		}, pay.AlreadyExpired},
		"of one that the wallet refused": {func(h *harness) CloseRequest {
			r := h.request("A1")
			r.PayType = pay.AlipayHK
			h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
				return wallet.Checkout{}, &wallet.Rejection{Code: "NO"}
			}
			o, err := h.Pay(h.t.Context(), r)
			wantCode(h.t, err, pay.WalletRejected)
			return h.closeRequest(o.Payment)
		}, pay.WalletRejected},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			r := c.order(h)
			before := h.wallet.calls()
			_, err := h.Close(t.Context(), r)
			wantCode(t, err, c.want)
			if h.wallet.calls() != before {
				t.Errorf("the wallet was asked %v", h.wallet.asked)
			}
			if r.PaymentID != "" && h.stored(r.PaymentID).CloseID != "" {
				t.Error("the closing was remembered")
			}
		})
	}
}

// A buyer pays while the merchant closes the order, on two replicas. Either the order
// is paid and the closing fails, or it is closed and the money is late and goes back.
func TestOfAPaymentAndAClosingAtOnceEitherWins(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		replica := h.newReplica(h.Store)
		for i := range 12 {
			p := h.ordered(string(rune('a'+i)), true)
			var wg sync.WaitGroup
			var closing Closing
			var refused error
			wg.Go(func() { closing, refused = replica.Close(t.Context(), h.closeRequest(p)) })
			wg.Go(func() {
				if _, err := h.callback(p.ID, paidBy("T"+p.ID)); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			h.advance(time.Minute)
			h.recoverDue()
			after := h.stored(p.ID)
			_, deliveries := h.books(p.ID)
			switch {
			case after.Status != pay.Paid || len(deliveries) != 1:
				t.Errorf("money that arrived is not there: %+v, %d deliveries", after, len(deliveries))
			case after.Late && (refused != nil || after.Refunded != 1230 || deliveries[0].Kind != "refund"):
				t.Errorf("late: closing %+v, %v; %+v", closing, refused, after)
			case !after.Late &&
				(pay.CodeOf(refused) != pay.AlreadyPaid || after.Refunded != 0 ||
					deliveries[0].Kind != "payment"):
				t.Errorf("in time: closing %+v, %v; %+v", closing, refused, after)
			}
		}
	})
}
