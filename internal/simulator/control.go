package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Control serves the control API and its page for people. It has no password: everyone who reaches
// it can act as the buyer and as the wallet.
//
//	GET    /                                 the page
//	GET    /healthz, /buyers
//	GET    /trades?limit=N                   orders, the latest first
//	GET    /trades/{out_trade_no}            one, with attempts and notifications
//	POST   /trades/{out_trade_no}/pay        buyer=…, fault=… (may repeat)
//	POST   /trades/{out_trade_no}/fail       reason=insufficient (default) or wrong-password
//	POST   /trades/{out_trade_no}/cancel
//	POST   /trades/{out_trade_no}/late-pay   buyer=…: pays an order that has expired or is closed
//	POST   /trades/{out_trade_no}/resend     sends the notification now
//	GET    /faults
//	POST   /faults                           fault=… with out_trade_no=…, scope=next or scope=all
//	DELETE /faults                           the same selection; without one, all faults
//
// Parameters are a form, a query, or a JSON object of strings or lists of strings. partner= selects
// where several partners use one number. An unknown order is 404. An action that the order's state
// forbids is 409. Errors are JSON: {"error": "…"}.
func (s *Simulator) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showControl)
	mux.HandleFunc("GET /style.css", servePageFile("page/style.css"))
	for pattern, h := range map[string]func(*http.Request, params) (any, error){
		"GET /healthz":                         s.health,
		"GET /buyers":                          listBuyers,
		"GET /trades":                          s.listTrades,
		"GET /trades/{out_trade_no}":           s.showTrade,
		"POST /trades/{out_trade_no}/pay":      s.payTrade,
		"POST /trades/{out_trade_no}/late-pay": s.payTradeLate,
		"POST /trades/{out_trade_no}/fail":     s.failTrade,
		"POST /trades/{out_trade_no}/cancel":   s.cancelTrade,
		"POST /trades/{out_trade_no}/resend":   s.resendTrade,
		"GET /faults":                          s.showFaults,
		"POST /faults":                         s.setFaults,
		"DELETE /faults":                       s.clearFaults,
	} {
		mux.Handle(pattern, s.asJSON(h))
	}
	mux.Handle("/", s.asJSON(func(r *http.Request, _ params) (any, error) {
		return nil, &controlError{http.StatusNotFound, "unknown path or method"}
	}))
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(s.asJSON(func(*http.Request, params) (any, error) {
		return nil, &controlError{http.StatusForbidden, "a page of another origin must not do this"}
	}))
	return sameOrigin.Handler(mux)
}

// controlError is a mistake of the caller, with its HTTP status.
type controlError struct {
	status int
	text   string
}

func (e *controlError) Error() string { return e.text }

func conflict(format string, args ...any) error {
	return &controlError{http.StatusConflict, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &controlError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// params are a call's parameters, in whatever form they were sent.
type params map[string][]string

func (p params) get(name string) string {
	if len(p[name]) == 0 {
		return ""
	}
	return p[name][0]
}

// asJSON reads the parameters, calls h and writes its result. A form posted by the page gets a
// redirect to the page.
func (s *Simulator) asJSON(h func(*http.Request, params) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := readParams(w, r)
		var result any
		if err == nil {
			result, err = h(r, p)
		}
		status := http.StatusOK
		if err != nil {
			status = http.StatusInternalServerError
			if mine := new(controlError); errors.As(err, &mine) {
				status = mine.status
			} else {
				s.cfg.Log.Error("simulator: control", "path", r.URL.Path, "error", err)
			}
			result = map[string]string{"error": err.Error()}
		} else if r.Method == http.MethodPost && wantsPage(r) {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		e.Encode(result)
	})
}

func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		if err := r.ParseForm(); err != nil {
			return nil, badRequest("the form cannot be read")
		}
		return params(r.Form), nil
	}
	p := params(r.URL.Query())
	body := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, badRequest("the body is not a JSON object")
	}
	for name, value := range body {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			text, ok := v.(string)
			if !ok {
				return nil, badRequest("%s is neither a string nor a list of strings", name)
			}
			p[name] = append(p[name], text)
		}
	}
	return p, nil
}

// orderView is an order as the control API shows it. Lists omit attempts and notifications.
type orderView struct {
	Partner    string     `json:"partner"`
	OutTradeNo string     `json:"out_trade_no"`
	Status     Status     `json:"status"`
	Total      Money      `json:"total"`
	Wallet     string     `json:"wallet"`
	Subject    string     `json:"subject"`
	Cashier    string     `json:"cashier"` // of the latest attempt
	Faults     faultSet   `json:"faults"`
	Mishaps    []Mishap   `json:"mishaps,omitempty"` // since the start of the process
	Trade      *Trade     `json:"trade"`             // null until it exists
	Trades     []*Trade   `json:"trades,omitempty"`
	Attempts   []*Attempt `json:"attempts,omitempty"`
	Notices    []*Notice  `json:"notifications,omitempty"`
}

// view describes an order. The caller holds s.mu until the view is encoded.
func (s *Simulator) view(o *order, full bool) orderView {
	a := o.last()
	v := orderView{
		Partner: o.key.partner, OutTradeNo: o.key.number, Status: o.status(), Trade: o.trade(),
		Total: a.Terms.Total, Wallet: a.Terms.Wallet, Subject: a.Terms.Subject,
		Cashier: s.cfg.BaseURL + "/cashier/" + a.ID, Faults: s.faultsOf(o), Mishaps: o.mishaps,
	}
	if full {
		v.Trades, v.Attempts, v.Notices = o.trades, o.attempts, o.notices
	}
	return v
}

// encodeView encodes the order's view as it is now.
func (s *Simulator) encodeView(o *order) (any, error) {
	raw, err := json.Marshal(s.view(o, true))
	return json.RawMessage(raw), err
}

// findOrder finds the order of a call. The caller holds s.mu.
func (s *Simulator) findOrder(r *http.Request, p params) (*order, error) {
	number, partner := r.PathValue("out_trade_no"), p.get("partner")
	var found []*order
	for _, o := range s.numbers[number] {
		if partner == "" || o.key.partner == partner {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return nil, &controlError{http.StatusNotFound, fmt.Sprintf("nobody opened %q", number)}
	case 1:
		return found[0], nil
	}
	return nil, conflict("several partners have %q: choose one with partner=", number)
}

func (s *Simulator) health(*http.Request, params) (any, error) {
	return map[string]string{"status": "ok"}, nil
}

func listBuyers(*http.Request, params) (any, error) { return map[string]any{"buyers": Buyers}, nil }

func (s *Simulator) listTrades(r *http.Request, p params) (any, error) {
	limit := 100
	if text := p.get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, badRequest("limit is not a number from 1 to 1000")
		}
		limit = n
	}
	raw, err := s.latest(limit, p.get("partner"))
	return map[string]json.RawMessage{"trades": raw}, err
}

// latest encodes the orders that were opened last.
func (s *Simulator) latest(limit int, partner string) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeOverdue(s.cfg.Now())
	views := []orderView{}
	for _, o := range slices.Backward(s.list) {
		if len(views) == limit {
			break
		}
		if partner == "" || o.key.partner == partner {
			views = append(views, s.view(o, false))
		}
	}
	return json.Marshal(views)
}

func (s *Simulator) showTrade(r *http.Request, p params) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeOverdue(s.cfg.Now())
	o, err := s.findOrder(r, p)
	if err != nil {
		return nil, err
	}
	return s.encodeView(o)
}

func (s *Simulator) payTrade(r *http.Request, p params) (any, error) {
	return s.actAsBuyer(r, p, Pay, PaidNow)
}

func (s *Simulator) failTrade(r *http.Request, p params) (any, error) {
	switch reason := p.get("reason"); reason {
	case "", string(InsufficientFunds):
		return s.actAsBuyer(r, p, InsufficientFunds, NoFunds)
	case string(WrongPassword):
		return s.actAsBuyer(r, p, WrongPassword, BadPassword)
	default:
		return nil, badRequest("reason %q is neither insufficient nor wrong-password", reason)
	}
}

func (s *Simulator) cancelTrade(r *http.Request, p params) (any, error) {
	return s.actAsBuyer(r, p, Cancel, Cancelled)
}

// actAsBuyer carries out a buyer's action in the order's latest attempt and answers once it is
// recorded. An outcome other than want is 409.
func (s *Simulator) actAsBuyer(r *http.Request, p params, act Act, want Outcome) (any, error) {
	faults, err := readFaults(p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.findOrder(r, p)
	if err != nil {
		return nil, err
	}
	a := o.last()
	buyerID := p.get("buyer")
	if buyerID == "" {
		buyerID = a.Buyer
	}
	buyer, ok := s.platform(a.Partner).buyer(a, buyerID)
	if !ok {
		return nil, badRequest("no buyer %q in %s", buyerID, a.Terms.Wallet)
	}
	if out := s.outcome(a, s.cfg.Now()); out.final() {
		return nil, conflict("the attempt has ended: %s", out)
	}
	if len(faults) > 0 {
		book := s.faults.with(o.key.number, faults)
		if err := s.commit(change{Faults: &book}); err != nil {
			return nil, err
		}
	}
	out, err := s.act(a, buyer, act)
	if err != nil {
		return nil, err
	}
	if out != want {
		return nil, conflict("%s", strings.TrimSpace(string(out)+" "+cashierCode[out]))
	}
	return s.encodeView(o)
}

// payTradeLate pays any order that is not paid, also one that has expired or is closed.
func (s *Simulator) payTradeLate(r *http.Request, p params) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.findOrder(r, p)
	if err != nil {
		return nil, err
	}
	buyer, ok := pickBuyer(o.last().Terms.Wallet, p.get("buyer"))
	if !ok {
		return nil, badRequest("no buyer %q in %s", p.get("buyer"), o.last().Terms.Wallet)
	}
	if err := s.payLate(o, buyer); err != nil {
		return nil, err
	}
	return s.encodeView(o)
}

// resendTrade sends the order's latest genuine notification now and returns the merchant's answer.
func (s *Simulator) resendTrade(r *http.Request, p params) (any, error) {
	id, err := s.noticeToResend(r, p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), noticeTimeout)
	defer cancel()
	return s.send(ctx, id, true)
}

func (s *Simulator) noticeToResend(r *http.Request, p params) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeOverdue(s.cfg.Now())
	o, err := s.findOrder(r, p)
	if err != nil {
		return "", err
	}
	for _, n := range slices.Backward(o.notices) {
		if n.Extra == "" {
			return n.ID, nil
		}
	}
	return "", conflict("there is no notification of %q yet", o.key.number)
}
