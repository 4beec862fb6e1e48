package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// Wallet serves the public side: gateway.do, the cashier and the authorisation page.
func (s *Simulator) Wallet() http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /gateway.do", s.gateway)
	mux.HandleFunc("POST /gateway.do", s.gateway)
	mux.HandleFunc("GET /cashier/{id}", s.showCashier)
	mux.Handle("POST /cashier/{id}", sameOrigin.Handler(http.HandlerFunc(s.postCashier)))
	mux.HandleFunc("GET /oauth2/publicAppAuthorize.htm", s.authorize)
	mux.HandleFunc("GET /oauth2/grant", s.grantCode)
	mux.HandleFunc("GET /style.css", servePageFile("page/style.css"))
	return mux
}

// cashierView is the data of the cashier's page.
type cashierView struct {
	Attempt
	Payee      string
	Cost       string // in the buyer's own currency; "" if it is the order's
	Code       string // the vendor's, for an outcome that has one
	Buyers     []Buyer
	Open       bool   // the buyer can still act
	Processing bool   // paid, but held until the merchant has answered the notification
	Return     string // the signed return_url
	Next       string // where the page goes by itself
}

// OutcomeText returns the key of the outcome's text.
func (v cashierView) OutcomeText() string { return "outcome." + string(v.Outcome) }

func (s *Simulator) showCashier(w http.ResponseWriter, r *http.Request) {
	v, ok, err := s.cashier(r.PathValue("id"))
	switch {
	case err != nil:
		s.writeError(w, r, true, nil, err)
	case !ok:
		v := errorView{"SESSION_TIMEOUT", "this cashier page does not exist"}
		s.pages.write(w, r, http.StatusNotFound, "error", v)
	default:
		s.pages.write(w, r, http.StatusOK, "cashier", v)
	}
}

func (s *Simulator) cashier(id string) (v cashierView, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attempts[id]
	if a == nil {
		return v, false, nil
	}
	now := s.cfg.Now()
	s.closeOverdue(now)
	v = cashierView{Attempt: *a, Buyers: buyersOf(a.Terms.Wallet)}
	v.Outcome = s.outcome(a, now)
	v.Open = !v.Outcome.final()
	v.Code = cashierCode[v.Outcome]
	p := s.platform(a.Partner)
	v.Payee = cmp.Or(a.Terms.Supplier, p.name(), a.Partner)
	if v.Buyer == "" {
		v.Buyer = v.Buyers[0].ID
	}
	if cost := a.Terms.cost(v.Buyers[0]); cost != a.Terms.Total {
		v.Cost = cost.String()
	}
	if v.Outcome != PaidNow {
		return v, true, nil
	}
	t := s.trades[a.PaidTrade]
	if s.returnHeld(t, now) {
		v.Processing, v.Next = true, "/cashier/"+id
		return v, true, nil
	}
	v.Return, err = p.returnURL(a, t)
	v.Next = v.Return
	return v, true, err
}

// returnHeld reports whether the browser has to wait until the merchant has answered the
// notification.
func (s *Simulator) returnHeld(t *Trade, now time.Time) bool {
	o := s.orders[orderKey{t.Partner, t.OutTradeNo}]
	fs := slices.Concat(s.faultsOf(o), s.pickFault(o, OnReturn, 1))
	if !fs.has(NotifyFirst) || now.Sub(t.PaidAt) >= notifyLead {
		return false
	}
	return slices.ContainsFunc(o.notices, func(n *Notice) bool {
		return n.TradeNo == t.TradeNo && n.Extra == "" && n.Answered.IsZero()
	})
}

// postCashier carries out the buyer's action and shows the page again.
func (s *Simulator) postCashier(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		s.writeError(w, r, true, nil, mapiErrorf("ILLEGAL_ARGUMENT", "the form cannot be read"))
		return
	}
	id := r.PathValue("id")
	if err := s.actInCashier(id, r.PostForm.Get("buyer"), Act(r.PostForm.Get("act"))); err != nil {
		s.writeError(w, r, true, nil, err)
		return
	}
	http.Redirect(w, r, "/cashier/"+id, http.StatusSeeOther)
}

func (s *Simulator) actInCashier(id, buyerID string, act Act) error {
	switch act {
	case Pay, WrongPassword, InsufficientFunds, Cancel, Leave:
	default:
		return mapiErrorf("ILLEGAL_ARGUMENT", "unknown act %q", act)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attempts[id]
	if a == nil {
		return &mapiError{"SESSION_TIMEOUT", "this cashier page does not exist", http.StatusNotFound}
	}
	buyer, ok := pickBuyer(a.Terms.Wallet, buyerID)
	if !ok {
		return mapiErrorf("ILLEGAL_USER", "no buyer %q in %s", buyerID, a.Terms.Wallet)
	}
	_, err := s.act(a, buyer, act)
	return err
}
