package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestARefundIsMadeOnceAndNotified(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		h.wallet.resetCalls()
		r, after, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil || r.Status != pay.RefundSucceeded || len(r.ID) != 26 || r.DoneAt.IsZero() ||
			after.Refunded != 500 {
			t.Fatalf("refund %+v of %+v, %v", r, after, err)
		}
		again, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil || again.ID != r.ID || again.Status != r.Status {
			t.Errorf("the same request got %+v, %v; first %+v", again, err, r)
		}
		if n := h.wallet.calls(); n != 1 {
			t.Errorf("the wallet was asked %v", h.wallet.asked)
		}
		movements, deliveries := h.books(p.ID)
		want := pay.Movement{
			MerchantID: p.MerchantID, ID: movements[len(movements)-1].ID, PaymentID: p.ID, RefundID: r.ID,
			Kind:  pay.MovementRefund,
			Debit: "merchant", Credit: "wallet:main", Amount: pay.Amount{Minor: 500, Currency: "HKD"},
			TradeNo: "T-A1", At: movements[len(movements)-1].At,
		}
		if len(movements) != 2 || movements[1] != want {
			t.Errorf("money record: %+v", movements)
		}
		if len(deliveries) != 2 || deliveries[0].Kind != "refund" || deliveries[0].RefundID != r.ID ||
			string(deliveries[0].Body) != string(h.RefundNotification(r, h.stored(p.ID))) {
			t.Errorf("deliveries: %+v", deliveries)
		}
		if got := h.history(p.ID); got != "[paid by wallet refund_asked by merchant refunded by merchant]" {
			t.Errorf("history %s", got)
		}
	})
}

func TestARefusedRefundChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *harness, r *RefundRequest)
		want   pay.Code
	}{
		"of a payment that never was": {
			func(_ *harness, r *RefundRequest) { r.PaymentID = "20260102123456000000000000" }, pay.NotFound},
		"of another app code's": {func(h *harness, r *RefundRequest) {
			other := h.credential
			other.AppCode = "OTHER"
			if err := h.Store.CreateCredential(h.t.Context(), other); err != nil {
				h.t.Fatal(err)
			}
			r.Credential = other
		}, pay.NotFound},
		"of an order that is not paid": {
			func(h *harness, r *RefundRequest) { r.PaymentID = h.ordered("A2", true).ID }, pay.NotPaid},
		"of more than was paid": {func(_ *harness, r *RefundRequest) { r.Minor = 1231 }, pay.RefundTooLarge},
		"of nothing":            {func(_ *harness, r *RefundRequest) { r.Minor = 0 }, pay.BadParameter},
		"of less than nothing":  {func(_ *harness, r *RefundRequest) { r.Minor = -1 }, pay.BadParameter},
		"after a year": {
			func(h *harness, _ *RefundRequest) { h.advance(365*24*time.Hour + time.Minute) },
			pay.RefundTooLate},
		"under a payment's number": {func(_ *harness, r *RefundRequest) { r.OrderNo = "A1" },
			pay.NumberUsed},
		"under another refund's number": {func(_ *harness, r *RefundRequest) { r.OrderNo = "R0" },
			pay.NumberUsed},
		"with a store that does not exist": {func(_ *harness, r *RefundRequest) { r.StoreID = "S" },
			pay.StoreUnknown},
		"at a wallet that gives nothing back": {func(h *harness, _ *RefundRequest) {
			h.Wallets["offline"] = wallet.Driver{Info: wallet.Info{Flow: wallet.Link},
				Open: h.Wallets["offline"].Open}
		}, pay.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			p := h.paid("A1")
			if _, _, err := h.Refund(t.Context(), h.refundRequest(p, "R0", 1)); err != nil {
				t.Fatal(err)
			}
			h.wallet.resetCalls()
			r := h.refundRequest(p, "R1", 30)
			c.change(h, &r)
			got, _, err := h.Refund(t.Context(), r)
			wantCode(t, err, c.want)
			if after := h.stored(p.ID); got.ID != "" || after.Reserved != 1 || after.Refunded != 1 ||
				h.wallet.calls() != 0 && c.want != pay.NotPaid {
				t.Errorf("refund %+v, payment %+v, wallet asked %v", got, after, h.wallet.asked)
			}
		})
	}
}

func TestAnAccountsOwnWindowForRefundsWins(t *testing.T) {
	h := newHarness(t)
	accounts, err := h.Store.WalletAccounts(t.Context(), "123456")
	if err != nil {
		t.Fatal(err)
	}
	a := accounts[0]
	a.Settings = map[string]string{"refund_days": "30"}
	if err := h.Store.PutWalletAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	p := h.paid("A1")
	h.advance(30*24*time.Hour - time.Hour)
	if _, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1)); err != nil {
		t.Error(err)
	}
	h.advance(2 * time.Hour)
	_, _, err = h.Refund(t.Context(), h.refundRequest(p, "R2", 1))
	wantCode(t, err, pay.RefundTooLate)
}

func TestWhatIsRefundedInFullIsRefundedNoMore(t *testing.T) {
	h := newHarness(t)
	p := h.paid("A1")
	for i, minor := range []int64{1000, 230} {
		if _, _, err := h.Refund(t.Context(), h.refundRequest(p, fmt.Sprint("R", i), minor)); err != nil {
			t.Fatal(err)
		}
	}
	_, after, err := h.Refund(t.Context(), h.refundRequest(p, "R3", 1))
	wantCode(t, err, pay.AlreadyRefunded)
	check(t, after, func(want *pay.Payment) { want.Refunded = 1230 })
}

func TestRefundsAtOnceNeverExceedThePayment(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		// The wallet refunds all of them, whatever it answers.
		h.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
			if state := h.wallet.giveBack(r); r.ID[25]%2 == 0 {
				return state, nil
			}
			return wallet.State{}, wallet.ErrUnknown
		}
		replicas := []*Gateway{h.Gateway, h.newReplica(h.Store)}
		codes := map[pay.Code]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				_, _, err := replicas[i%2].Refund(t.Context(), h.refundRequest(p, fmt.Sprint("R", i), 300))
				mu.Lock()
				defer mu.Unlock()
				codes[pay.CodeOf(err)]++
			})
		}
		wg.Wait()
		if codes[""] != 4 || codes[pay.RefundTooLarge] != 20 {
			t.Errorf("answers: %v", codes)
		}
		h.advance(time.Minute)
		h.recoverDue()
		movements, deliveries := h.books(p.ID)
		if h.wallet.givenBack() != 1200 || len(movements) != 5 || len(deliveries) != 5 {
			t.Errorf("the wallet gave back %d; %d movements, %d deliveries",
				h.wallet.givenBack(), len(movements), len(deliveries))
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Reserved, want.Refunded = 1200, 1200 })
	})
}

func TestTheSameRefundAtOnceIsOneRefund(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		replicas := []*Gateway{h.Gateway, h.newReplica(h.Store)}
		ids := map[string]bool{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				r, _, err := replicas[i%2].Refund(t.Context(), h.refundRequest(p, "R1", 400))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[r.ID] = true
			})
		}
		wg.Wait()
		if len(ids) != 1 || h.wallet.givenBack() != 400 || h.stored(p.ID).Refunded != 400 {
			t.Errorf("ids %v, given back %d, payment %+v", ids, h.wallet.givenBack(), h.stored(p.ID))
		}
	})
}

func TestAPaymentAndARefundNeverShareANumber(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		const numbers = 60
		refunded, paid := make([]error, numbers), make([]error, numbers)
		var wg sync.WaitGroup
		for i := range numbers {
			number := fmt.Sprint("N", i)
			wg.Go(func() { _, _, refunded[i] = h.Refund(t.Context(), h.refundRequest(p, number, 1)) })
			wg.Go(func() { _, paid[i] = h.Pay(t.Context(), h.request(number)) })
		}
		wg.Wait()
		refunds := 0
		for i := range numbers {
			codes := pay.CodeOf(refunded[i]) + "/" + pay.CodeOf(paid[i])
			if codes != "/number_used" && codes != "number_used/" {
				t.Errorf("number %d: %s", i, codes)
			}
			if refunded[i] == nil {
				refunds++
			}
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Refunded = int64(refunds) })
	})
}

func TestAWalletsRefusalFreesTheAmount(t *testing.T) {
	for kind, want := range map[wallet.RejectionKind]pay.Code{
		wallet.RejectedOrder: pay.RefundDenied, wallet.RejectedFunds: pay.FundsShort,
		wallet.RejectedWindow: pay.RefundTooLate,
		wallet.RejectedAmount: pay.RefundTooLarge, wallet.RejectedAccount: pay.WalletTrouble,
		"": pay.RefundDenied,
	} {
		for answer, refuse := range map[string]func() (wallet.State, error){
			"a rejection": func() (wallet.State, error) {
				return wallet.State{}, &wallet.Rejection{Code: "NO", Kind: kind}
			},
			"a failure": func() (wallet.State, error) {
				return wallet.State{Outcome: wallet.Failed, Code: "NO", Kind: kind}, nil
			},
		} {
			t.Run(string(kind)+" by "+answer, func(t *testing.T) {
				h := newHarness(t)
				p := h.paid("A1")
				h.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) {
					return refuse()
				}
				r, after, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1230))
				wantCode(t, err, want)
				if r.ID == "" || after.Reserved != 0 {
					t.Errorf("refund %q, %d reserved", r.ID, after.Reserved)
				}
				check(t, r, func(want *pay.Refund) { want.Status, want.Failure = pay.RefundFailed, "NO" })
				h.wallet.refund = nil
				again, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1230))
				wantCode(t, err, want)
				if h.wallet.givenBack() != 0 {
					t.Errorf("the wallet gave back %d, want nothing", h.wallet.givenBack())
				}
				check(t, again, func(want *pay.Refund) { want.ID = r.ID })
				if _, after, err := h.Refund(t.Context(), h.refundRequest(p, "R2", 1230)); err != nil ||
					after.Refunded != 1230 {
					t.Errorf("under a new number: %v", err)
				}
				movements, deliveries := h.books(p.ID)
				if len(movements) != 2 || len(deliveries) != 2 {
					t.Errorf("%d movements, %d deliveries", len(movements), len(deliveries))
				}
			})
		}
	}
}

func TestANoticeSettlesARefundOnce(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p, other := h.paid("A1"), h.paid("A2")
		h.wallet.refund = func(context.Context,
			wallet.Refund) (wallet.State, error) {
			return wallet.State{}, wallet.ErrUnknown
		}
		h.wallet.queryRefund = h.wallet.refund
		r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil || r.Status != pay.RefundPending {
			t.Fatalf("%+v, %v", r, err)
		}
		post := func(orderID, refundID string, s wallet.State) error {
			_, err := h.Callback(t.Context(), "123456", "main", Callback{Body: []byte(fmt.Sprintf(
				`{"OrderID":%q,"RefundID":%q,"State":{"Outcome":%q,"Amount":{"Minor":%d,"Currency":%q}}}`,
				orderID, refundID, s.Outcome, s.Amount.Minor, s.Amount.Currency))})
			return err
		}
		done := wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}
		more := done
		more.Amount.Minor++
		wantCode(t, post(other.ID, r.ID, done), pay.BadSignature)
		if err := post(p.ID, r.ID, more); err != nil {
			t.Error(err)
		}
		check(t, h.storedRefund(r.ID), func(want *pay.Refund) { want.Status = pay.RefundPending })
		for range 3 {
			if err := post(p.ID, r.ID, done); err != nil {
				t.Error(err)
			}
		}
		h.advance(time.Hour)
		h.recoverDue()
		movements, deliveries := h.books(p.ID)
		if h.stored(p.ID).Refunded != 500 || len(movements) != 2 || len(deliveries) != 2 {
			t.Errorf("%d movements, %d deliveries", len(movements), len(deliveries))
		}
		check(t, h.storedRefund(r.ID), func(want *pay.Refund) { want.Status = pay.RefundSucceeded })
		if err := post(p.ID, r.ID, wallet.State{Outcome: wallet.Failed}); err != nil {
			t.Error(err)
		}
		// Two contradictions: the amount and the failure.
		if !h.stored(p.ID).Flagged || strings.Count(h.history(p.ID), "refund_contradicted") != 2 {
			t.Errorf("after a contradiction, history %s", h.history(p.ID))
		}
		check(t, h.storedRefund(r.ID), func(want *pay.Refund) { want.Status = pay.RefundSucceeded })
	})
}

// Money that is refunded at the wallet itself, without us, is not recorded, and flags
// the payment.
func TestARefundMadeAtTheWalletIsFlagged(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		for _, p := range []pay.Payment{h.paid("A1"), h.ordered("A2", true)} {
			for range 2 {
				_, err := h.Callback(t.Context(), "123456", "main", Callback{Body: []byte(fmt.Sprintf(
					`{"OrderID":%q,"RefundID":"PORTAL-7","State":{"Outcome":"succeeded"}}`, p.ID))})
				if err != nil {
					t.Fatal(err)
				}
			}
			got := h.stored(p.ID)
			if strings.Count(h.history(p.ID), "refund_foreign") != 1 {
				t.Errorf("history %s", h.history(p.ID))
			}
			check(t, got, func(want *pay.Payment) {
				want.Status, want.Flagged, want.Refunded = p.Status, true, 0
			})
			movements, deliveries := h.books(p.ID)
			if want := map[pay.Status]int{pay.Paid: 1}[p.Status]; len(movements) != want ||
				len(deliveries) != want {
				t.Errorf("movements %v, deliveries %v", movements, deliveries)
			}
		}
		p := h.paid("A3")
		for _, body := range []string{
			`{"OrderID":%q,"RefundID":"PORTAL-8","State":{"Outcome":"failed"}}`,
			`{"OrderID":%q,"RefundID":"PORTAL-9","State":{"Outcome":"succeeded"}}`,
			`{"OrderID":%q,"RefundID":"PORTAL-10","State":{"Outcome":"succeeded"}}`,
		} {
			if _, err := h.Callback(t.Context(), "123456", "main",
				Callback{Body: []byte(fmt.Sprintf(body, p.ID))}); err != nil {
				t.Error(err)
			}
		}
		if history := h.history(p.ID); strings.Count(history, "refund_foreign") != 2 {
			t.Errorf("history %s", history)
		}
	})
}
