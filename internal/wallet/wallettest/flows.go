package wallettest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// flows checks that what Pay returns leads a buyer to the wallet, for each pay
// type and currency, at the first opening and at a later one.
func (s *suite) flows() {
	for _, t := range s.Driver.Info.PayTypes {
		for _, c := range pay.Currencies {
			o := s.order()
			o.PayType, o.Amount.Currency = t, c
			s.opening(o)
			if !slices.Contains(s.Driver.Info.Currencies[t], c) {
				if _, err := s.pay(o); err == nil {
					s.Errorf("%s in %s is not declared and yet accepted", t, c)
				}
				continue
			}
			first := s.reached(o)
			s.clock = s.clock.Add(s.life(first) + time.Second)
			s.opening(o)
			again := s.reached(o)
			if s.Driver.Info.Flow == wallet.Link && again != first {
				s.Errorf("%s in %s: the same order has another address later", t, c)
			}
		}
	}
	o := s.order()
	o.PayType = "999999"
	if _, err := s.pay(o); err == nil {
		s.Error("an unknown pay type is accepted")
	}
}

// opening prepares the wallet for Pay.
func (s *suite) opening(o wallet.Order) {
	if s.Driver.Info.Flow == wallet.Link {
		s.wallet(nil)
	} else {
		s.says(Waiting, o)
	}
}

// pay is Pay, which shows no secret, and asks the wallet unless the flow is Link.
func (s *suite) pay(o wallet.Order) (wallet.Checkout, error) {
	s.Helper()
	before := s.requests.Load()
	checkout, err := s.c.Pay(context.Background(), o)
	s.scrubbed(err)
	s.scrub(checkout.URL)
	s.scrub(checkout.Ref)
	if n := s.requests.Load() - before; n > 0 && s.Driver.Info.Flow == wallet.Link {
		s.Errorf("flow %s, but the wallet was asked %d times", wallet.Link, n)
	}
	if err != nil && checkout != (wallet.Checkout{}) {
		s.Errorf("%+v in spite of the error %v", checkout, err)
	}
	return checkout, err
}

// reached returns what Pay returns, once a buyer has got there: a browser that
// opens the address arrives at the wallet, before the address ends.
func (s *suite) reached(o wallet.Order) wallet.Checkout {
	s.Helper()
	checkout, err := s.pay(o)
	if err == nil {
		err = checkout.Check(s.Driver.Info.Flow)
	}
	if err != nil {
		s.Errorf("%s in %s: %v", o.PayType, o.Amount.Currency, err)
		return checkout
	}
	if s.life(checkout) <= 0 {
		s.Errorf("%s in %s: the address ended at %s, it is %s",
			o.PayType, o.Amount.Currency, checkout.EndsAt, s.clock)
	}
	if s.Driver.Info.Flow == wallet.InApp {
		return checkout
	}
	want, err := url.Parse(checkout.URL)
	if err != nil {
		s.Fatal(err)
	}
	arrived := false
	s.wallet(func(_ http.ResponseWriter, r *http.Request) { arrived = r.RequestURI == want.RequestURI() })
	res, err := s.account.HTTP.Get(checkout.URL)
	if err == nil {
		res.Body.Close()
	}
	if err != nil || !arrived {
		s.Errorf("%s in %s: a browser does not arrive at the wallet (%v): %s",
			o.PayType, o.Amount.Currency, err, checkout.URL)
	}
	return checkout
}

// life is how long a checkout lasts from now; an hour where it lasts as long as
// the order.
func (s *suite) life(c wallet.Checkout) time.Duration {
	if c.EndsAt.IsZero() {
		return time.Hour
	}
	return c.EndsAt.Sub(s.clock)
}

// unclear checks that Pay leads nowhere and refuses no order if the wallet has said
// neither.
func (s *suite) unclear() {
	if s.Driver.Info.Flow == wallet.Link {
		return
	}
	o := s.order()
	unknown := func(what string) {
		s.Helper()
		checkout, err := s.pay(o)
		var no *wallet.Rejection
		if !errors.Is(err, wallet.ErrUnknown) || errors.As(err, &no) {
			s.Errorf("%s: %+v, %v; want wallet.ErrUnknown", what, checkout, err)
		}
	}
	for _, sit := range []Situation{NewCode, Trouble, BadSignature, Unsigned} {
		s.says(sit, o)
		unknown(string(sit))
	}
	s.says(Waiting, other(o))
	unknown("an answer about another order")
	s.wallet(nil)
	unknown("status 500")
	s.says(Waiting, o)
	if _, err := s.pay(o); err != nil {
		s.Errorf("then the wallet answers, and Pay gives %v", err)
	}
}
