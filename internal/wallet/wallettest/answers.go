package wallettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// answers checks what Query makes of each situation.
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
	given, err := s.c.Query(context.Background(), o)
	if s.scrubbed(err) != nil || given.Outcome != wallet.Paid ||
		!given.GivenBack || given.TradeNo != TradeNo {
		s.Errorf("given back: %+v, %v", given, err)
	}
	s.says(NewState, o)
	unlisted, err := s.c.Query(context.Background(), o)
	if !errors.Is(s.scrubbed(err), wallet.ErrUnlisted) || unlisted.Code == "" || unlisted.TradeNo != TradeNo {
		s.Errorf("an invented status: %+v, %v; want wallet.ErrUnlisted, the code and the trade",
			unlisted, err)
	}
	for _, sit := range []Situation{
		NewState, NewCode, Trouble, BadSignature, Unsigned, BadAmount, NoTradeNo,
	} {
		if s.Answer(sit, o, probe).Body == nil {
			continue
		}
		s.says(sit, o)
		st, err := s.c.Query(context.Background(), o)
		s.unknown(string(sit), st, err)
	}

	s.says(Paid, other(o))
	st, err := s.c.Query(context.Background(), o)
	s.unknown("an answer about another order", st, err)

	less := o
	less.Amount.Minor--
	s.says(Paid, less)
	st, err = s.c.Query(context.Background(), o)
	if s.scrubbed(err) == nil && settles(st) && st.Amount != less.Amount && st.Amount != (pay.Amount{}) {
		s.Errorf("%s was paid, the state says %s", less.Amount, st.Amount)
	}
}

// unknown fails unless the outcome is open and the error is wallet.ErrUnknown.
func (s *suite) unknown(what string, st wallet.State, err error) {
	s.Helper()
	if s.scrubbed(err); !errors.Is(err, wallet.ErrUnknown) || settles(st) {
		s.Errorf("%s: %+v, %v; want wallet.ErrUnknown", what, st, err)
	}
}

// damagedAnswers checks that an answer which is not whole changes nothing.
func (s *suite) damagedAnswers() {
	o := s.order()
	query := func(handle http.HandlerFunc) (wallet.State, error) {
		s.wallet(handle)
		return s.c.Query(context.Background(), o)
	}
	paid := func(r *http.Request) wallet.Reply {
		answer := s.Answer(Paid, o, r)
		answer.Body = bytes.TrimSpace(answer.Body)
		return answer
	}
	with := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			answer := paid(r)
			maps.Copy(w.Header(), answer.Header)
			w.WriteHeader(status)
			w.Write(answer.Body)
		}
	}
	elsewhere := httptest.NewServer(with(http.StatusOK))
	defer elsewhere.Close()
	for what, handle := range map[string]http.HandlerFunc{
		"status 500 over a paid answer": with(http.StatusInternalServerError),
		"status 201 over a paid answer": with(http.StatusCreated),
		"a redirect to a paid answer": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"a connection that breaks in the body": func(w http.ResponseWriter, r *http.Request) {
			answer := paid(r)
			w.Header().Set("Content-Length", fmt.Sprint(len(answer.Body)))
			answer.Body = answer.Body[:len(answer.Body)-1]
			write(w, answer)
		},
		"an empty answer": func(w http.ResponseWriter, r *http.Request) {},
		"a page": func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("<html><body>busy"))
		},
		"an answer without end": func(w http.ResponseWriter, r *http.Request) {
			write(w, paid(r))
			w.Write(bytes.Repeat([]byte(" "), 8<<20))
		},
	} {
		st, err := query(handle)
		s.unknown(what, st, err)
	}

	var answer wallet.Reply // the requests are alike, so are the answers
	whole, err := query(func(w http.ResponseWriter, r *http.Request) {
		answer = paid(r)
		write(w, answer)
	})
	if err != nil {
		s.Fatal(err)
	}
	saying := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			write(w, wallet.Reply{Header: answer.Header, Body: body})
		}
	}
	for n := 1; n < len(answer.Body); n += 1 + len(answer.Body)/50 {
		st, err := query(saying(answer.Body[:len(answer.Body)-n]))
		s.unknown(fmt.Sprintf("an answer cut short by %d bytes", n), st, err)
	}
	for i := range answer.Body {
		altered := slices.Clone(answer.Body)
		altered[i] ^= 1
		st, err := query(saying(altered))
		if s.scrubbed(err) == nil && settles(st) && st != whole {
			s.Errorf("an answer altered in byte %d settles as %+v", i, st)
		}
	}
}

// network checks that a call which never left is distinguished from one that the
// wallet may have received.
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
