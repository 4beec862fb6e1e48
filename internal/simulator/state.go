package simulator

import (
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// Status is a trade's trade_status; None is an order that was opened and has no
// trade yet.
type Status string

// The states: none, WAIT_BUYER_PAY, then paid or TRADE_CLOSED.
const (
	None     Status = "NONE"
	Waiting  Status = "WAIT_BUYER_PAY"
	Finished Status = "TRADE_FINISHED"
	Success  Status = "TRADE_SUCCESS" // paid and refundable, as the open platform has it
	Closed   Status = "TRADE_CLOSED"
)

// Attempt is one opening of the cashier by a validly signed request.
type Attempt struct {
	ID         string    `json:"id"` // names the cashier's page
	Partner    string    `json:"partner"`
	OutTradeNo string    `json:"out_trade_no"`
	Service    string    `json:"service"`
	Terms      Terms     `json:"terms"`
	NotifyURL  string    `json:"notify_url,omitempty"`
	ReturnURL  string    `json:"return_url,omitempty"`
	OpenedAt   time.Time `json:"opened_at"`
	LoginAt    time.Time `json:"login_at,omitzero"` // of the buyer; the order's life counts from here
	Buyer      string    `json:"buyer,omitempty"`
	Outcome    Outcome   `json:"outcome,omitempty"` // of the buyer's last act
	PaidTrade  string    `json:"paid_trade_no,omitempty"`
}

// Terms is what a repeated request for one out_trade_no must not change.
type Terms struct {
	Subject          string `json:"subject"`
	Body             string `json:"body,omitempty"`
	Total            Money  `json:"total"`        // in the settlement currency
	RMB              Money  `json:"rmb,omitzero"` // if priced in CNY
	Wallet           string `json:"wallet"`
	ProductCode      string `json:"product_code"`
	Supplier         string `json:"supplier,omitempty"`
	TimeoutRule      string `json:"timeout_rule,omitempty"`
	CreatedByShop    string `json:"order_gmt_create,omitempty"`
	ValidSeconds     string `json:"order_valid_time,omitempty"`
	TradeInformation string `json:"trade_information,omitempty"`
	SplitFundInfo    string `json:"split_fund_info,omitempty"`
	SecondaryID      string `json:"secondary_merchant_id,omitempty"`
	SecondaryName    string `json:"secondary_merchant_name,omitempty"`
	SecondaryMCC     string `json:"secondary_merchant_industry,omitempty"`
	TimeExpire       string `json:"time_expire,omitempty"`
	Passback         string `json:"passback_params,omitempty"`
	Channels         string `json:"channels,omitempty"` // disabled / enabled
}

// Trade is what the wallet counts: it exists from the moment that the vendor's
// rules say, and never before.
type Trade struct {
	TradeNo    string    `json:"trade_no"`
	Partner    string    `json:"partner"`
	OutTradeNo string    `json:"out_trade_no"`
	Attempt    string    `json:"attempt"` // the one that made it; once paid, the one that paid
	Status     Status    `json:"trade_status"`
	Total      Money     `json:"total"`
	Buyer      string    `json:"buyer"`
	CreatedAt  time.Time `json:"gmt_create"`
	CloseAt    time.Time `json:"close_at,omitzero"` // when a waiting trade ends, or a TRADE_SUCCESS is finished
	PaidAt     time.Time `json:"gmt_payment,omitzero"`
	ClosedAt   time.Time `json:"gmt_close,omitzero"`
	HiddenTill time.Time `json:"hidden_till,omitzero"` // the query does not see it before
	Refunds    []Refund  `json:"refunds,omitempty"`    // in the order of asking
}

// left is what can still be given back.
func (t *Trade) refundable() int64 {
	left := t.Total.Minor
	for _, r := range t.Refunds {
		if r.Status != RefundFailed {
			left -= r.Amount.Minor
		}
	}
	return left
}

// closeIfRefunded closes a trade of which all was given back.
func (t *Trade) closeIfRefunded(now time.Time) {
	if t.refundedTotal() == t.Total && t.Status != Closed {
		t.Status, t.ClosedAt = Closed, now
	}
}

// refundedTotal is the sum of the refunds that are done.
func (t *Trade) refundedTotal() Money {
	sum := Money{0, t.Total.Currency}
	for _, r := range t.Refunds {
		if r.Status == RefundDone {
			sum.Minor += r.Amount.Minor
		}
	}
	return sum
}

// lastRefund is when the latest of them was; zero if there is none.
func (t *Trade) lastRefund() (last time.Time) {
	for _, r := range t.Refunds {
		if r.DoneAt.After(last) {
			last = r.DoneAt
		}
	}
	return last
}

// nextRefund is when the soonest of the refunds that wait is due; zero if none.
func (t *Trade) nextRefund() (next time.Time) {
	for _, r := range t.Refunds {
		if !r.DueAt.IsZero() && (next.IsZero() || r.DueAt.Before(next)) {
			next = r.DueAt
		}
	}
	return next
}

// Refund is money of a trade that is given back, or is to be.
type Refund struct {
	Number    string       `json:"out_return_no"`
	Partner   string       `json:"partner"`
	Amount    Money        `json:"amount"`
	Status    RefundStatus `json:"status"`
	Error     string       `json:"error,omitempty"` // why it is not done
	Reason    string       `json:"reason,omitempty"`
	NotifyURL string       `json:"notify_url,omitempty"`
	AskedAt   time.Time    `json:"asked_at"`
	DoneAt    time.Time    `json:"done_at,omitzero"`
	DueAt     time.Time    `json:"due_at,omitzero"` // when it is done, or tried again
}

// RefundStatus is a refund's refund_result_code.
type RefundStatus string

// The states of a refund. A failed one may be asked for again.
const (
	RefundDone       RefundStatus = "SUCCESS"
	RefundProcessing RefundStatus = "PROCESSING"
	RefundFailed     RefundStatus = "FAILED"
)

const (
	refundWindow = 365 * 24 * time.Hour // by contract; figures between 360 and 365 days are published
	finishAfter  = 90 * 24 * time.Hour  // the open platform's window: three months unless the contract has another
	refundLag    = 5 * time.Second      // until one is done that was only accepted
	shortRetry   = 6 * time.Hour        // between tries of one for which there are no funds
)

// Notice is a notification and its sends.
type Notice struct {
	ID         string       `json:"id"`
	NotifyID   string       `json:"notify_id"`
	Partner    string       `json:"partner"`
	OutTradeNo string       `json:"out_trade_no"`
	TradeNo    string       `json:"trade_no"`
	URL        string       `json:"url"`
	Fields     mapi.Message `json:"fields"`             // without notify_time and signature: each send has its own
	Extra      Extra        `json:"extra,omitempty"`    // why it is not the plain notification
	Time       time.Time    `json:"time,omitzero"`      // a notify_time other than the time of sending
	Shuffled   bool         `json:"shuffled,omitempty"` // fields in any order
	DueAt      time.Time    `json:"due_at,omitzero"`    // next send; zero: none by itself
	Answered   time.Time    `json:"answered_at,omitzero"`
	Sends      []Send       `json:"sends,omitempty"`
}

// Extra says what a planted notification is. All but the plain one are sent
// once, whatever the answer.
type Extra string

// The kinds of planted notifications.
const (
	Twin            Extra = "twin"             // the same again, at the same time
	Stale           Extra = "stale"            // true, but of an earlier state
	ForgedSignature Extra = "forged-signature" // true fields, a signature of something else
	ForgedAmount    Extra = "forged-amount"    // the amount was changed after signing
)

func (x Extra) forged() bool { return x == ForgedSignature || x == ForgedAmount }

// Send is one attempt to deliver a notification.
type Send struct {
	At     time.Time `json:"at"`
	Body   string    `json:"body"`
	Manual bool      `json:"manual,omitempty"` // asked for by hand, outside the vendor's sequence
	Done   bool      `json:"done,omitempty"`
	Status int       `json:"status,omitempty"` // HTTP; 0 if there was no answer
	Answer string    `json:"answer,omitempty"` // its first KiB
	Error  string    `json:"error,omitempty"`
	OK     bool      `json:"ok,omitempty"` // the answer was "success"
	TookMS int64     `json:"took_ms,omitempty"`
}

// orderKey is what the vendor identifies an order by, or one of its notices.
type orderKey struct{ partner, number string }

// sending is the latest true send of a notification.
type lastSend struct {
	at    time.Time
	order *order
}

// order is all that is known of one out_trade_no.
type order struct {
	key      orderKey
	place    int // among all orders, by first opening
	attempts []*Attempt
	trades   []*Trade // more than one only by a planted second payment
	notices  []*Notice

	// Forgotten by a restart:
	occasions map[Occasion]int // so far
	mishaps   []Mishap         // drawn so far
}

// trade is the order's own trade, or nil.
func (o *order) trade() *Trade {
	if len(o.trades) == 0 {
		return nil
	}
	return o.trades[0]
}

func (o *order) status() Status {
	if t := o.trade(); t != nil {
		return t.Status
	}
	return None
}

// last is the latest attempt. There is one: an order begins with it.
func (o *order) last() *Attempt { return o.attempts[len(o.attempts)-1] }

// state is what the journal adds up to.
type state struct {
	orders   map[orderKey]*order
	list     []*order            // by first opening
	numbers  map[string][]*order // by out_trade_no: several partners may use one
	attempts map[string]*Attempt
	trades   map[string]*Trade
	notices  map[string]*Notice
	sent     map[orderKey]lastSend // by partner and notify_id
	faults   faultBook
	sends    schedule // of notices
	closings schedule // of trades
	refunds  schedule // of trades with refunds that wait

	// Forgotten by a restart: when each partner asked for a refund last.
	refundAskedAt map[string]time.Time
	// And what auth_codes and tokens stand for.
	grants map[string]grant
}

func newState() state {
	return state{
		orders:        map[orderKey]*order{},
		numbers:       map[string][]*order{},
		attempts:      map[string]*Attempt{},
		trades:        map[string]*Trade{},
		notices:       map[string]*Notice{},
		sent:          map[orderKey]lastSend{},
		sends:         newSchedule(),
		closings:      newSchedule(),
		refunds:       newSchedule(),
		refundAskedAt: map[string]time.Time{},
		grants:        map[string]grant{},
	}
}

// apply puts a change into memory: one just made, or one from the journal.
func (st *state) apply(c change) {
	if a := c.Attempt; a != nil {
		if old := st.attempts[a.ID]; old != nil {
			*old = *a
		} else {
			st.attempts[a.ID] = a
			o := st.order(orderKey{a.Partner, a.OutTradeNo})
			o.attempts = append(o.attempts, a)
		}
	}
	for _, t := range c.Trades {
		if old := st.trades[t.TradeNo]; old != nil {
			*old = *t
		} else {
			st.trades[t.TradeNo] = t
			o := st.order(orderKey{t.Partner, t.OutTradeNo})
			o.trades = append(o.trades, t)
		}
		end := time.Time{}
		if t.Status == Waiting || t.Status == Success {
			end = t.CloseAt
		}
		st.closings.set(t.TradeNo, end)
		st.refunds.set(t.TradeNo, t.nextRefund())
	}
	for _, n := range c.Notices {
		o, old := st.order(orderKey{n.Partner, n.OutTradeNo}), st.notices[n.ID]
		moved := old == nil || !old.DueAt.Equal(n.DueAt) // else it may be on its way, and off the schedule
		if old != nil {
			*old = *n
		} else {
			st.notices[n.ID] = n
			o.notices = append(o.notices, n)
		}
		if moved {
			st.sends.set(n.ID, n.DueAt)
		}
		id := orderKey{n.Partner, n.NotifyID}
		if k := len(n.Sends); k > 0 && !n.Extra.forged() && n.Sends[k-1].At.After(st.sent[id].at) {
			st.sent[id] = lastSend{n.Sends[k-1].At, o}
		}
	}
	if c.Faults != nil {
		st.faults = *c.Faults
	}
}

// order finds an order, or begins it.
func (st *state) order(k orderKey) *order {
	o := st.orders[k]
	if o == nil {
		o = &order{key: k, place: len(st.list), occasions: map[Occasion]int{}}
		st.orders[k] = o
		st.list = append(st.list, o)
		st.numbers[k.number] = append(st.numbers[k.number], o)
	}
	return o
}
