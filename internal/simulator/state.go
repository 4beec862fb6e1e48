package simulator

import (
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// Status is a trade's trade_status. None is the status of an order that was opened and has no trade
// yet.
type Status string

// The statuses: NONE, then WAIT_BUYER_PAY, then paid or TRADE_CLOSED.
const (
	None     Status = "NONE"
	Waiting  Status = "WAIT_BUYER_PAY"
	Finished Status = "TRADE_FINISHED"
	Success  Status = "TRADE_SUCCESS" // paid and refundable, on the open platform
	Closed   Status = "TRADE_CLOSED"
)

// Attempt is one opening of the cashier by a request with a valid signature.
type Attempt struct {
	ID         string    `json:"id"` // identifies the cashier's page
	Partner    string    `json:"partner"`
	OutTradeNo string    `json:"out_trade_no"`
	Service    string    `json:"service"`
	Terms      Terms     `json:"terms"`
	NotifyURL  string    `json:"notify_url,omitempty"`
	ReturnURL  string    `json:"return_url,omitempty"`
	OpenedAt   time.Time `json:"opened_at"`
	LoginAt    time.Time `json:"login_at,omitzero"` // the buyer's login, from which the order's life counts
	Buyer      string    `json:"buyer,omitempty"`
	Outcome    Outcome   `json:"outcome,omitempty"` // of the buyer's last action
	PaidTrade  string    `json:"paid_trade_no,omitempty"`
}

// Terms are the parameters that a repeated request with the same out_trade_no must not change.
type Terms struct {
	Subject          string `json:"subject"`
	Body             string `json:"body,omitempty"`
	Total            Money  `json:"total"`        // in the settlement currency
	RMB              Money  `json:"rmb,omitzero"` // if the price is in CNY
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
	Channels         string `json:"channels,omitempty"` // disabled and enabled ones, joined by a slash
}

// Trade is the wallet's record of a payment. It exists from the moment that the vendor's rules
// define.
type Trade struct {
	TradeNo    string    `json:"trade_no"`
	Partner    string    `json:"partner"`
	OutTradeNo string    `json:"out_trade_no"`
	Attempt    string    `json:"attempt"` // the attempt that created the trade; once paid, the one that paid
	Status     Status    `json:"trade_status"`
	Total      Money     `json:"total"`
	Buyer      string    `json:"buyer"`
	CreatedAt  time.Time `json:"gmt_create"`
	CloseAt    time.Time `json:"close_at,omitzero"` // a waiting trade closes, TRADE_SUCCESS finishes
	PaidAt     time.Time `json:"gmt_payment,omitzero"`
	ClosedAt   time.Time `json:"gmt_close,omitzero"`
	HiddenTill time.Time `json:"hidden_till,omitzero"` // queries do not see the payment before
	Refunds    []Refund  `json:"refunds,omitempty"`    // in the order of the requests
}

// refundable returns the amount that can still be refunded, in minor units.
func (t *Trade) refundable() int64 {
	left := t.Total.Minor
	for _, r := range t.Refunds {
		if r.Status != RefundFailed {
			left -= r.Amount.Minor
		}
	}
	return left
}

// closeIfRefunded closes a trade that is refunded in full.
func (t *Trade) closeIfRefunded(now time.Time) {
	if t.refundedTotal() == t.Total && t.Status != Closed {
		t.Status, t.ClosedAt = Closed, now
	}
}

// refundedTotal returns the sum of the refunds that are done.
func (t *Trade) refundedTotal() Money {
	sum := Money{0, t.Total.Currency}
	for _, r := range t.Refunds {
		if r.Status == RefundDone {
			sum.Minor += r.Amount.Minor
		}
	}
	return sum
}

// lastRefund returns the time of the latest refund that is done, or the zero time.
func (t *Trade) lastRefund() (last time.Time) {
	for _, r := range t.Refunds {
		if r.DoneAt.After(last) {
			last = r.DoneAt
		}
	}
	return last
}

// nextRefund returns the earliest due time of the pending refunds, or the zero time.
func (t *Trade) nextRefund() (next time.Time) {
	for _, r := range t.Refunds {
		if !r.DueAt.IsZero() && (next.IsZero() || r.DueAt.Before(next)) {
			next = r.DueAt
		}
	}
	return next
}

// Refund is a refund of a trade, in any state.
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
	DueAt     time.Time    `json:"due_at,omitzero"` // when a pending refund is done or tried again
}

// RefundStatus is a refund's refund_result_code.
type RefundStatus string

// The states of a refund. A failed refund may be requested again.
const (
	RefundDone       RefundStatus = "SUCCESS"
	RefundProcessing RefundStatus = "PROCESSING"
	RefundFailed     RefundStatus = "FAILED"
)

const (
	refundWindow = 365 * 24 * time.Hour // by contract; Alipay publishes figures between 360 and 365 days
	finishAfter  = 90 * 24 * time.Hour  // the open platform's refund window, unless the contract has another
	refundLag    = 5 * time.Second      // from accepting an asynchronous refund to doing it
	shortRetry   = 6 * time.Hour        // between tries of a refund that the merchant's funds do not cover
)

// Notice is a notification and its sends.
type Notice struct {
	ID         string       `json:"id"`
	NotifyID   string       `json:"notify_id"`
	Partner    string       `json:"partner"`
	OutTradeNo string       `json:"out_trade_no"`
	TradeNo    string       `json:"trade_no"`
	URL        string       `json:"url"`
	Fields     mapi.Message `json:"fields"`             // but notify_time and signature: new in each send
	Extra      Extra        `json:"extra,omitempty"`    // "" for the true notification
	Time       time.Time    `json:"time,omitzero"`      // a notify_time other than the time of sending
	Shuffled   bool         `json:"shuffled,omitempty"` // the fields are sent in random order
	DueAt      time.Time    `json:"due_at,omitzero"`    // next scheduled send; zero for none
	Answered   time.Time    `json:"answered_at,omitzero"`
	Sends      []Send       `json:"sends,omitempty"`
}

// Extra is the kind of a notification that a fault adds. Such a notification is sent once, whatever
// the answer.
type Extra string

// The kinds of added notifications.
const (
	Twin            Extra = "twin"             // a copy of the true one, sent at the same time
	Stale           Extra = "stale"            // genuine, but about an earlier state
	ForgedSignature Extra = "forged-signature" // true fields under a wrong signature
	ForgedAmount    Extra = "forged-amount"    // the amount was changed after signing
)

func (x Extra) forged() bool { return x == ForgedSignature || x == ForgedAmount }

// Send is one attempt to deliver a notification.
type Send struct {
	At     time.Time `json:"at"`
	Body   string    `json:"body"`
	Manual bool      `json:"manual,omitempty"` // requested by the control API, outside the vendor's sequence
	Done   bool      `json:"done,omitempty"`
	Status int       `json:"status,omitempty"` // HTTP; 0 if there was no answer
	Answer string    `json:"answer,omitempty"` // at most the first KiB
	Error  string    `json:"error,omitempty"`
	OK     bool      `json:"ok,omitempty"` // the merchant acknowledged it
	TookMS int64     `json:"took_ms,omitempty"`
}

// orderKey is what the vendor identifies an order by: partner and out_trade_no. It also keys
// notify_ids.
type orderKey struct{ partner, number string }

// lastSend is the latest send of a genuine notification.
type lastSend struct {
	at    time.Time
	order *order
}

// order collects the records of one out_trade_no.
type order struct {
	key      orderKey
	place    int // position among all orders, by first opening
	attempts []*Attempt
	trades   []*Trade // more than one only by the fault SecondTrade
	notices  []*Notice

	// Lost by a restart:
	occasions map[Occasion]int // how many so far
	mishaps   []Mishap         // drawn so far
}

// trade returns the order's own trade, or nil.
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

// last returns the latest attempt. Every order has one.
func (o *order) last() *Attempt { return o.attempts[len(o.attempts)-1] }

// state is the sum of the journal's changes.
type state struct {
	orders   map[orderKey]*order
	list     []*order            // by first opening
	numbers  map[string][]*order // by out_trade_no: several partners may use one
	attempts map[string]*Attempt
	trades   map[string]*Trade
	notices  map[string]*Notice
	sent     map[orderKey]lastSend // by partner and notify_id
	faults   faultBook
	sends    schedule // of notifications
	closings schedule // of trades
	refunds  schedule // of trades with pending refunds

	// Lost by a restart:
	refundAskedAt map[string]time.Time // when each partner last requested a refund
	grants        map[string]grant     // by auth_code or token
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

// apply puts a change into memory: a new one, or one from the journal.
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
		// an unmoved one may be on its way, and off the schedule
		moved := old == nil || !old.DueAt.Equal(n.DueAt)
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

// order returns the order of a key and creates it if needed.
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
