package wallettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// read is Notification, which must ask nobody.
func (s *suite) read(body []byte) (wallet.Notice, error) {
	s.Helper()
	before := s.requests.Load()
	n, err := s.c.Notification(http.Header{}, body)
	if s.scrubbed(err) != nil && (n.Number != "" || n.State != wallet.State{}) {
		s.Errorf("a refused notice is decoded all the same: %+v", n)
	}
	if s.requests.Load() != before {
		s.Error("reading a notice asked the wallet")
	}
	return n, err
}

func (s *suite) notices() {
	o := s.order()
	n, err := s.read(s.Notice(Paid, o))
	if err != nil {
		s.Fatal(err)
	}
	if n.Number != o.Number || n.RefundID != "" || n.State.Outcome != wallet.Paid || n.State.TradeNo != TradeNo || len(n.Reply) == 0 {
		s.Errorf("%+v", n)
	}
	if n.State.Amount != o.Amount && n.State.Amount != (pay.Amount{}) {
		s.Errorf("the notice is of %s, the state of %s", o.Amount, n.State.Amount)
	}
	if body := s.Notice(Closed, o); body != nil {
		if n, err := s.read(body); err != nil || n.State.Outcome != wallet.Closed {
			s.Errorf("closed: %+v, %v", n.State, err)
		}
	}
	if body := s.Notice(NewState, o); body != nil {
		if n, err := s.read(body); err != nil || n.State.Outcome != wallet.Unknown || n.State.Code == "" {
			s.Errorf("an invented status: %+v, %v", n.State, err)
		}
	}
	for _, sit := range []Situation{BadSignature, Unsigned, BadAmount, NoTradeNo} {
		if body := s.Notice(sit, o); body != nil {
			if _, err := s.read(body); err == nil {
				s.Errorf("%s: accepted", sit)
			}
		}
	}

	other := o
	other.Number = "20260102100001999999999999"
	if n, err := s.read(s.Notice(Paid, other)); err == nil && n.Number != other.Number {
		s.Errorf("a notice about %s is taken for one about %s", other.Number, n.Number)
	}
	other = o
	other.Amount.Minor--
	if n, err := s.read(s.Notice(Paid, other)); err == nil && n.State.Amount != other.Amount && n.State.Amount != (pay.Amount{}) {
		s.Errorf("%s was paid, the notice says %s", other.Amount, n.State.Amount)
	}
}

func (s *suite) alteredNotices() {
	o := s.order()
	body := s.Notice(Paid, o)
	want, err := s.read(body)
	if err != nil {
		s.Fatal(err)
	}
	try := func(what string, altered []byte) {
		s.Helper()
		n, err := s.read(altered)
		if err == nil && (n.Number != want.Number || n.RefundID != want.RefundID || n.State != want.State) {
			s.Errorf("%s: accepted as %s %+v", what, n.Number, n.State)
		}
	}
	for i := range body {
		for _, bit := range []byte{0x01, 0x20} {
			altered := slices.Clone(body)
			altered[i] ^= bit
			try(fmt.Sprintf("byte %d altered by %#x", i, bit), altered)
		}
		try(fmt.Sprintf("cut to %d bytes", i), body[:i])
	}
	try("twice over", slices.Concat(body, []byte("&"), body))
	try("without end", slices.Concat(body, bytes.Repeat([]byte("&"), 2<<20)))
}

func (s *suite) forgeries() {
	if s.Driver.Info.Flow == wallet.Link {
		s.wallet(nil)
	} else {
		s.says(Waiting, s.order())
	}
	tried := 0
	for _, trap := range append([]string{"Tea"}, s.Traps...) {
		for place, plant := range map[string]func(*wallet.Order){
			"subject":             func(o *wallet.Order) { o.Subject = trap },
			"sub-merchant's id":   func(o *wallet.Order) { o.SubMerchant.ID = trap },
			"sub-merchant's name": func(o *wallet.Order) { o.SubMerchant.Name = trap },
			"sub-merchant's MCC":  func(o *wallet.Order) { o.SubMerchant.MCC = trap },
			"notify address":      func(o *wallet.Order) { o.CallbackURL += "?" + trap },
			"return address":      func(o *wallet.Order) { o.ReturnURL += "?" + trap },
		} {
			o := s.order()
			plant(&o)
			checkout, err := s.c.Pay(context.Background(), o)
			if s.scrubbed(err) != nil {
				continue // refused: nothing was signed
			}
			for i, body := range s.Forgeries(checkout, o) {
				tried++
				if n, err := s.read(body); err == nil {
					s.Errorf("%q as the %s: forgery %d is accepted as %+v\n%s", trap, place, i, n.State, body)
				}
			}
		}
	}
	if tried == 0 {
		s.Error("no forgery was tried")
	}
}

func (s *suite) confirm() {
	o := s.order()
	n, err := s.read(s.Notice(Paid, o))
	if err != nil {
		s.Fatal(err)
	}
	if n.Confirm == nil {
		return
	}
	s.says(Paid, o)
	if err := s.confirmed(n, o); err != nil {
		s.Errorf("the wallet stands by it: %v", err)
	}
	for _, sit := range []Situation{PaidLongAgo, GivenBack} {
		s.says(sit, o)
		if st, err := n.Confirm(context.Background(), o); s.scrubbed(err) != nil || st.GivenBack != (sit == GivenBack) {
			s.Errorf("the wallet stands by what it says was %s: %+v, %v", sit, st, err)
		}
	}
	less := o
	less.Amount.Minor--
	if wrong, err := s.read(s.Notice(Paid, less)); err == nil && wrong.State.Amount != (pay.Amount{}) {
		s.says(PaidLongAgo, o)
		var rejected *wallet.Rejection
		if err := s.confirmed(wrong, o); !errors.As(err, &rejected) {
			s.Errorf("a notice of %s, while the wallet says %s: %v; want a rejection", less.Amount, o.Amount, err)
		}
	}
	s.unlistedConfirmed(o)
	other := o
	other.Number = "20260102100001999999999999"
	if err := s.confirmed(n, other); err == nil {
		s.Error("a notice is confirmed for another order")
	}
	for _, sit := range []Situation{Missing, Waiting, Closed} {
		s.says(sit, o)
		var rejected *wallet.Rejection
		if err := s.confirmed(n, o); !errors.As(err, &rejected) {
			s.Errorf("the wallet says %s: %v; want a rejection", sit, err)
		}
	}
	for _, sit := range []Situation{NewState, NewCode, Trouble, BadSignature, Unsigned} {
		s.says(sit, o)
		if err := s.confirmed(n, o); !errors.Is(err, wallet.ErrUnknown) {
			s.Errorf("%s: %v; want wallet.ErrUnknown", sit, err)
		}
	}
	s.wallet(nil)
	if err := s.confirmed(n, o); !errors.Is(err, wallet.ErrUnknown) {
		s.Errorf("status 500: %v; want wallet.ErrUnknown", err)
	}
}

// unlistedConfirmed: the wallet stands by a notice of an invented status as long
// as it answers with the same one.
func (s *suite) unlistedConfirmed(o wallet.Order) {
	s.Helper()
	n, err := s.read(s.Notice(NewState, o))
	if err != nil {
		s.Fatal(err)
	}
	s.says(NewState, o)
	if err := s.confirmed(n, o); err != nil {
		s.Errorf("an invented status in both: %v", err)
	}
	for _, sit := range []Situation{Missing, Waiting, PaidLongAgo, GivenBack, Closed} {
		s.says(sit, o)
		var rejected *wallet.Rejection
		if err := s.confirmed(n, o); !errors.As(err, &rejected) {
			s.Errorf("an invented status, while the wallet says %s: %v; want a rejection", sit, err)
		}
	}
}

// confirmed is n's Confirm. Where the wallet stands by it, it is the notice's
// own state.
func (s *suite) confirmed(n wallet.Notice, o wallet.Order) error {
	s.Helper()
	st, err := n.Confirm(context.Background(), o)
	st.GivenBack = n.State.GivenBack
	if err == nil && st != n.State {
		s.Errorf("confirmed as %+v, the notice is %+v", st, n.State)
	}
	return s.scrubbed(err)
}
