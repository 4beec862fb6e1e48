package simulator

import (
	"fmt"
	"slices"
	"time"
)

// Act is an action of the buyer in the cashier.
type Act string

// The buyer's actions. All except Cancel and Leave begin with a login.
const (
	Pay               Act = "pay"
	WrongPassword     Act = "wrong-password"
	InsufficientFunds Act = "insufficient"
	Cancel            Act = "cancel"
	Leave             Act = "leave"
)

// Outcome is the state of an attempt after the buyer's last action.
type Outcome string

// The outcomes. Those for which final is true end the attempt.
const (
	PaidNow       Outcome = "paid"
	BadPassword   Outcome = "wrong-password"
	NoFunds       Outcome = "insufficient"
	Cancelled     Outcome = "cancelled"
	Left          Outcome = "left"
	Expired       Outcome = "expired"      // the time from login to payment has ended
	AlreadyPaid   Outcome = "already-paid" // by another attempt
	AlreadyClosed Outcome = "closed"
	Inconsistent  Outcome = "inconsistent" // the trade was created with other terms
	OtherBuyer    Outcome = "other-buyer"  // the trade belongs to another account
)

func (o Outcome) final() bool {
	switch o {
	case PaidNow, Cancelled, Expired, AlreadyPaid, AlreadyClosed, Inconsistent:
		return true
	}
	return false
}

// cashierCode is the vendor's code that the cashier shows. (Alipay, "Idempotency". For a closed
// order the documents name no code; this is one of the listed ones.)
var cashierCode = map[Outcome]string{
	AlreadyPaid:   "TRADE_HAS_SUCCESS",
	AlreadyClosed: "REPEAT_OUT_TRADE_NO",
	Inconsistent:  "ALIN42282",
	OtherBuyer:    "ALIN10023",
}

// open records an attempt and returns its id. If the vendor refuses a repeated out_trade_no, open
// records nothing and returns the outcome that says why.
func (s *Simulator) open(a Attempt) (id string, against Outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	key := orderKey{a.Partner, a.OutTradeNo}
	c := change{Attempt: &a}
	if o := s.orders[key]; o != nil {
		if out := s.checkRepeat(o.trade(), a.Terms); out != "" {
			return "", out, nil
		}
	} else if len(s.faults.Next) > 0 {
		book := s.faults.with(a.OutTradeNo, s.faults.Next)
		book.Next = nil
		c.Faults = &book
	}
	a.ID, a.OpenedAt = s.newID(), now
	return a.ID, "", s.commit(c)
}

// checkRepeat returns the outcome that forbids continuing an order whose trade is t (nil without a
// trade), or "". (Alipay, "Idempotency".)
func (s *Simulator) checkRepeat(t *Trade, terms Terms) Outcome {
	switch {
	case t == nil:
		return ""
	case !t.PaidAt.IsZero(): // also after a full refund
		return AlreadyPaid
	case t.Status == Closed:
		return AlreadyClosed
	case s.attempts[t.Attempt].Terms != terms:
		return Inconsistent
	}
	return ""
}

// act carries out a buyer's action in an attempt and returns the outcome. An attempt that has ended
// stays as it is. The caller holds s.mu.
func (s *Simulator) act(a *Attempt, buyer Buyer, act Act) (Outcome, error) {
	now := s.cfg.Now()
	s.closeOverdue(now)
	if out := s.outcome(a, now); out.final() {
		return out, nil
	}
	o := s.orders[orderKey{a.Partner, a.OutTradeNo}]
	next := *a
	next.Outcome = s.decide(&next, o.trade(), buyer, act, now)
	c := change{Attempt: &next}
	switch {
	case next.Outcome == PaidNow:
		s.settle(&c, o, now)
	case o.trade() == nil && s.platform(next.Partner).createsTrade(next.Service, next.Outcome):
		c.Trades = []*Trade{s.newTrade(&next, now)}
	}
	if err := s.commit(c); err != nil {
		return "", err
	}
	s.cfg.Log.Info("simulator: buyer", "out_trade_no", a.OutTradeNo, "act", act, "outcome", next.Outcome)
	return next.Outcome, nil
}

// payLate lets a buyer pay an order that has expired or was closed, as some wallets do. The caller
// holds s.mu.
func (s *Simulator) payLate(o *order, buyer Buyer) error {
	now := s.cfg.Now()
	s.closeOverdue(now)
	if t := o.trade(); t != nil && !t.PaidAt.IsZero() {
		return conflict("the order is paid: %s", t.Status)
	}
	next := *o.last()
	next.LoginAt, next.Outcome = now, PaidNow
	if !s.platform(next.Partner).namesBuyer() {
		next.Buyer = buyer.ID
	}
	c := change{Attempt: &next}
	s.settle(&c, o, now)
	s.cfg.Log.Info("simulator: buyer pays late", "out_trade_no", next.OutTradeNo)
	return s.commit(c)
}

// outcome returns the state of an attempt now. Time or another attempt may have changed it since
// the buyer's last action.
func (s *Simulator) outcome(a *Attempt, now time.Time) Outcome {
	if a.Outcome.final() {
		return a.Outcome
	}
	if out := s.checkRepeat(s.orders[orderKey{a.Partner, a.OutTradeNo}].trade(), a.Terms); out != "" {
		return out
	}
	if !a.LoginAt.IsZero() && !now.Before(s.platform(a.Partner).deadline(a.Terms, a.LoginAt)) {
		return Expired
	}
	return a.Outcome
}

// decide logs the buyer in where the action needs it, and returns the outcome.
func (s *Simulator) decide(a *Attempt, t *Trade, buyer Buyer, act Act, now time.Time) Outcome {
	switch act {
	case Cancel:
		return Cancelled
	case Leave:
		return Left
	}
	if out := s.platform(a.Partner).logIn(a, t, buyer, now); out != "" {
		return out
	}
	switch {
	case act == WrongPassword:
		return BadPassword
	case act == InsufficientFunds, a.Terms.cost(buyer).Minor > buyer.Balance.Minor:
		return NoFunds
	}
	return PaidNow
}

func (s *Simulator) newTrade(a *Attempt, now time.Time) *Trade {
	return &Trade{
		TradeNo: s.newTradeNo(now), Partner: a.Partner, OutTradeNo: a.OutTradeNo, Attempt: a.ID,
		Status: Waiting, Total: a.Terms.Total, Buyer: a.Buyer,
		CreatedAt: now, CloseAt: s.platform(a.Partner).deadline(a.Terms, a.LoginAt),
	}
}

// settle completes c with the trades and notifications of a payment by c's attempt.
func (s *Simulator) settle(c *change, o *order, now time.Time) {
	a := c.Attempt
	fs := slices.Concat(s.faultsOf(o), s.drawFault(o, OnNotice), s.drawFault(o, OnReturn))
	t := s.newTrade(a, now)
	if made := o.trade(); made != nil {
		*t = *made
	}
	t.Attempt, t.PaidAt, t.ClosedAt = a.ID, now, time.Time{}
	t.Status, t.CloseAt = s.platform(a.Partner).paid(now)
	if fs.has(Underpaid) {
		t.Total.Minor = max(1, t.Total.Minor/2)
	}
	c.Trades = []*Trade{t}
	if fs.has(SecondTrade) {
		second := *t
		second.TradeNo = s.newTradeNo(now)
		c.Trades = append(c.Trades, &second)
	}
	if fs.has(Early) {
		t.HiddenTill = now.Add(hiddenFor)
	}
	a.PaidTrade = t.TradeNo
	for i, t := range c.Trades {
		c.Notices = append(c.Notices, s.tradeNotices(t, a, fs, now.Add(time.Duration(i)*secondLag))...)
	}
}

// closeOverdue closes trades whose time to pay has ended, and finishes those whose refund window
// has ended. The caller holds s.mu.
func (s *Simulator) closeOverdue(now time.Time) {
	for _, no := range s.closings.popDue(now) {
		t := *s.trades[no]
		if t.Status == Success {
			t.Status, t.CloseAt = Finished, time.Time{}
		} else {
			t.Status, t.ClosedAt = Closed, t.CloseAt
		}
		o := s.orders[orderKey{t.Partner, t.OutTradeNo}]
		c := change{Trades: []*Trade{&t}}
		fs := slices.Concat(s.faultsOf(o), s.drawFault(o, OnNotice))
		c.Notices = s.tradeNotices(&t, s.attempts[t.Attempt], fs, now)
		if s.commit(c) == nil {
			s.cfg.Log.Info("simulator: trade ended", "out_trade_no", t.OutTradeNo, "trade_status", t.Status)
		}
	}
}

// cost returns what the buyer's account is charged.
func (t Terms) cost(b Buyer) Money {
	switch {
	case t.Total.Currency == b.Balance.Currency:
		return t.Total
	case t.RMB.Minor > 0:
		return t.RMB
	}
	return t.Total.yuan()
}

// newID makes an unused id. A seed may be used again, so an id may come up twice.
func (s *Simulator) newID() string {
	for {
		id := fmt.Sprintf("%016x%016x", s.cfg.Rand.Uint64(), s.cfg.Rand.Uint64())
		if s.attempts[id] == nil && s.notices[id] == nil {
			return id
		}
	}
}

// newTradeNo makes an unused trade number: the day and twenty digits.
func (s *Simulator) newTradeNo(now time.Time) string {
	for {
		no := now.In(beijing).Format("20060102") + fmt.Sprintf("%020d", s.cfg.Rand.Uint64())
		if s.trades[no] == nil {
			return no
		}
	}
}
