package wallettest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// post posts a callback to the connector, which must ask nobody.
func (s *suite) post(c wallet.Callback) (wallet.Notice, error) {
	s.Helper()
	before := s.requests.Load()
	c.Method = cmp.Or(c.Method, http.MethodPost)
	c.Path = cmp.Or(c.Path, "/callback/100001/main")
	n, err := s.c.Callback(c)
	if s.scrubbed(err) != nil && (n.Number != "" || n.State != wallet.State{}) {
		s.Errorf("a refused notice is decoded all the same: %+v", n)
	}
	if s.requests.Load() != before {
		s.Error("reading a notice asked the wallet")
	}
	return n, err
}

// callbacks checks what Callback makes of each situation.
func (s *suite) callbacks() {
	o := s.order()
	n, err := s.post(s.Callback(Paid, o))
	if err != nil {
		s.Fatal(err)
	}
	if n.Number != o.Number || n.RefundID != "" ||
		n.State.Outcome != wallet.Paid || n.State.TradeNo != TradeNo ||
		len(n.Reply.Body) == 0 {
		s.Errorf("%+v", n)
	}
	if n.State.Amount != o.Amount && n.State.Amount != (pay.Amount{}) {
		s.Errorf("the notice is of %s, the state of %s", o.Amount, n.State.Amount)
	}
	if c := s.Callback(Closed, o); c.Body != nil {
		if n, err := s.post(c); err != nil || n.State.Outcome != wallet.Closed {
			s.Errorf("closed: %+v, %v", n.State, err)
		}
	}
	if c := s.Callback(NewState, o); c.Body != nil {
		if n, err := s.post(c); err != nil || n.State.Outcome != wallet.Unknown || n.State.Code == "" {
			s.Errorf("an invented status: %+v, %v", n.State, err)
		}
	}
	for _, sit := range []Situation{BadSignature, Unsigned, BadAmount, NoTradeNo} {
		if c := s.Callback(sit, o); c.Body != nil {
			if _, err := s.post(c); err == nil {
				s.Errorf("%s: accepted", sit)
			}
		}
	}

	another := other(o)
	if n, err := s.post(s.Callback(Paid, another)); err == nil && n.Number != another.Number {
		s.Errorf("a notice about %s is taken for one about %s", another.Number, n.Number)
	}
	less := o
	less.Amount.Minor--
	n, err = s.post(s.Callback(Paid, less))
	if err == nil && n.State.Amount != less.Amount && n.State.Amount != (pay.Amount{}) {
		s.Errorf("%s was paid, the notice says %s", less.Amount, n.State.Amount)
	}
}

// alteredCallbacks checks that a callback with altered bytes is refused, or says the
// same.
func (s *suite) alteredCallbacks() {
	o := s.order()
	whole := s.Callback(Paid, o)
	want, err := s.post(whole)
	if err != nil {
		s.Fatal(err)
	}
	try := func(what string, altered wallet.Callback) {
		s.Helper()
		n, err := s.post(altered)
		if err == nil && (n.Number != want.Number || n.RefundID != want.RefundID || n.State != want.State) {
			s.Errorf("%s: accepted as %s %+v", what, n.Number, n.State)
		}
	}
	tryBody := func(what string, body []byte) {
		s.Helper()
		c := whole
		c.Body = body
		try(what, c)
	}
	for i := range whole.Body {
		for _, bit := range []byte{0x01, 0x20} {
			altered := slices.Clone(whole.Body)
			altered[i] ^= bit
			tryBody(fmt.Sprintf("byte %d altered by %#x", i, bit), altered)
		}
		tryBody(fmt.Sprintf("cut to %d bytes", i), whole.Body[:i])
	}
	tryBody("twice over", slices.Concat(whole.Body, []byte("&"), whole.Body))
	tryBody("without end", slices.Concat(whole.Body, bytes.Repeat([]byte("&"), 2<<20)))
	for name, values := range whole.Header {
		for i := range strings.Join(values, ",") {
			value := []byte(strings.Join(values, ","))
			value[i] ^= 0x01
			c := whole
			c.Header = whole.Header.Clone()
			c.Header.Set(name, string(value))
			try(fmt.Sprintf("header %s, byte %d altered", name, i), c)
		}
	}
}

// forgeries checks that truly signed requests, answers and returns are not accepted as
// callbacks.
func (s *suite) forgeries() {
	s.opening(s.order())
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
			for i, c := range s.Forgeries(checkout, o) {
				tried++
				if n, err := s.post(c); err == nil {
					s.Errorf("%q as the %s: forgery %d is accepted as %+v\n%s",
						trap, place, i, n.State, c.Body)
				}
			}
		}
	}
	if tried == 0 {
		s.Error("no forgery was tried")
	}
}

// confirm checks that a notice which must be confirmed is confirmed only if the
// wallet says the same.
func (s *suite) confirm() {
	o := s.order()
	n, err := s.post(s.Callback(Paid, o))
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
		if st, err := n.Confirm(context.Background(), o); s.scrubbed(err) != nil ||
			st.GivenBack != (sit == GivenBack) {
			s.Errorf("the wallet stands by what it says was %s: %+v, %v", sit, st, err)
		}
	}
	less := o
	less.Amount.Minor--
	if wrong, err := s.post(s.Callback(Paid, less)); err == nil && wrong.State.Amount != (pay.Amount{}) {
		s.says(PaidLongAgo, o)
		var rejected *wallet.Rejection
		if err := s.confirmed(wrong, o); !errors.As(err, &rejected) {
			s.Errorf("a notice of %s, while the wallet says %s: %v; want a rejection",
				less.Amount, o.Amount, err)
		}
	}
	s.unlistedConfirmed(o)
	if err := s.confirmed(n, other(o)); err == nil {
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

// unlistedConfirmed checks that the wallet stands by a notice of an invented status
// as long as it answers with the same status.
func (s *suite) unlistedConfirmed(o wallet.Order) {
	s.Helper()
	n, err := s.post(s.Callback(NewState, o))
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

// confirmed calls n's Confirm. If the wallet stands by the notice, the state must be
// the notice's own.
func (s *suite) confirmed(n wallet.Notice, o wallet.Order) error {
	s.Helper()
	st, err := n.Confirm(context.Background(), o)
	st.GivenBack = n.State.GivenBack
	if err == nil && st != n.State {
		s.Errorf("confirmed as %+v, the notice is %+v", st, n.State)
	}
	return s.scrubbed(err)
}
