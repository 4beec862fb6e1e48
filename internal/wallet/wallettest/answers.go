package wallettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func (s *suite) answers() {
	o := s.order()
	probe := httptest.NewRequest(http.MethodGet, "/", nil)
	for sit, want := range map[Situation]wallet.Outcome{
		Paid: wallet.Paid, Waiting: wallet.Waiting, Closed: wallet.Closed, Missing: wallet.NotFound,
	} {
		s.says(sit, o)
		st, err := s.c.Query(context.Background(), o)
		if s.scrubbed(err) != nil || st.Outcome != want {
			s.Errorf("%s: %+v, %v", sit, st, err)
		}
		if sit == Paid && (st.TradeNo != TradeNo || st.Amount != o.Amount && st.Amount != pay.Amount{}) {
			s.Errorf("paid: trade %q, amount %s", st.TradeNo, st.Amount)
		}
	}
	s.says(GivenBack, o)
	if st, err := s.c.Query(context.Background(), o); s.scrubbed(err) != nil || st.Outcome != wallet.Paid || !st.GivenBack || st.TradeNo != TradeNo {
		s.Errorf("given back: %+v, %v", st, err)
	}
	s.says(NewState, o)
	if st, err := s.c.Query(context.Background(), o); !errors.Is(s.scrubbed(err), wallet.ErrUnlisted) || st.Code == "" || st.TradeNo != TradeNo {
		s.Errorf("an invented status: %+v, %v; want wallet.ErrUnlisted, the code and the trade", st, err)
	}
	for _, sit := range []Situation{NewState, NewCode, Trouble, BadSignature, Unsigned, BadAmount, NoTradeNo} {
		if s.Answer(sit, o, probe) == nil {
			continue
		}
		s.says(sit, o)
		st, err := s.c.Query(context.Background(), o)
		s.unknown(string(sit), st, err)
	}

	other := o
	other.Number = "20260102100001999999999999"
	s.says(Paid, other)
	st, err := s.c.Query(context.Background(), o)
	s.unknown("an answer about another order", st, err)

	other = o
	other.Amount.Minor--
	s.says(Paid, other)
	st, err = s.c.Query(context.Background(), o)
	if s.scrubbed(err) == nil && settles(st) && st.Amount != other.Amount && st.Amount != (pay.Amount{}) {
		s.Errorf("%s was paid, the state says %s", other.Amount, st.Amount)
	}
}

// unknown fails unless the outcome is open and the error says so.
func (s *suite) unknown(what string, st wallet.State, err error) {
	s.Helper()
	if s.scrubbed(err); !errors.Is(err, wallet.ErrUnknown) || settles(st) {
		s.Errorf("%s: %+v, %v; want wallet.ErrUnknown", what, st, err)
	}
}

func (s *suite) damagedAnswers() {
	o := s.order()
	query := func(handle http.HandlerFunc) (wallet.State, error) {
		s.wallet(handle)
		return s.c.Query(context.Background(), o)
	}
	paid := func(r *http.Request) []byte { return bytes.TrimSpace(s.Answer(Paid, o, r)) }

	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(paid(r)) }))
	defer elsewhere.Close()
	for what, handle := range map[string]http.HandlerFunc{
		"status 500 over a paid answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			w.Write(paid(r))
		},
		"status 201 over a paid answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusCreated)
			w.Write(paid(r))
		},
		"a redirect to a paid answer": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"a connection that breaks in the body": func(w http.ResponseWriter, r *http.Request) {
			body := paid(r)
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Write(body[:len(body)-1])
		},
		"an empty answer": func(w http.ResponseWriter, r *http.Request) {},
		"a page":          func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html><body>busy")) },
		"an answer without end": func(w http.ResponseWriter, r *http.Request) {
			body := paid(r)
			w.Write(body)
			w.Write(bytes.Repeat([]byte(" "), 8<<20))
		},
	} {
		st, err := query(handle)
		s.unknown(what, st, err)
	}

	var body []byte // the requests being alike, so are the answers
	whole, err := query(func(w http.ResponseWriter, r *http.Request) {
		body = paid(r)
		w.Write(body)
	})
	if err != nil {
		s.Fatal(err)
	}
	write := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
	}
	for n := 1; n < len(body); n += 1 + len(body)/50 {
		st, err := query(write(body[:len(body)-n]))
		s.unknown(fmt.Sprintf("an answer cut short by %d bytes", n), st, err)
	}
	for i := range body {
		altered := slices.Clone(body)
		altered[i] ^= 1
		st, err := query(write(altered))
		if s.scrubbed(err) == nil && settles(st) && st != whole {
			s.Errorf("an answer altered in byte %d settles as %+v", i, st)
		}
	}
}

func (s *suite) network() {
	o := s.order()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	givenUp := make(chan struct{})
	s.wallet(func(http.ResponseWriter, *http.Request) {
		cancel() // the request is here: what became of it is unknown
		<-givenUp
	})
	st, err := s.c.Query(ctx, o)
	close(givenUp)
	s.unknown("a wallet that does not answer", st, err)

	gone := httptest.NewServer(nil)
	gone.Close()
	a := s.account
	a.WalletAccount = s.Account(gone.URL)
	c, err := s.Driver.Open(a)
	if err != nil {
		s.Fatal(err)
	}
	st, err = c.Query(context.Background(), o)
	if s.scrubbed(err); !errors.Is(err, wallet.ErrNotSent) || settles(st) {
		s.Errorf("a refused connection: %+v, %v; want wallet.ErrNotSent", st, err)
	}
}
