package simulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Fault is something that goes wrong with an order on purpose.
type Fault string

// The faults. Faults says what each does.
const (
	Duplicate    Fault = "duplicate"
	Late         Fault = "late"
	Early        Fault = "early"
	NotifyFirst  Fault = "notify-first"
	ReturnFirst  Fault = "return-first"
	Reordered    Fault = "reordered"
	Forged       Fault = "forged"
	Drop         Fault = "drop"
	UnknownField Fault = "unknown-field"
	Shuffled     Fault = "shuffled"
	Query500     Fault = "query-500"
	QuerySlow    Fault = "query-slow"
	QueryCut     Fault = "query-cut"
	QueryUnknown Fault = "query-unknown"
	QueryGBK     Fault = "query-gbk"
	Underpaid    Fault = "underpaid"
	SecondTrade  Fault = "second-trade"

	Refund500     Fault = "refund-500"
	RefundSlow    Fault = "refund-slow"
	RefundCut     Fault = "refund-cut"
	RefundPending Fault = "refund-pending"
	RefundShort   Fault = "refund-short"

	CallLost   Fault = "call-lost"
	CallDown   Fault = "call-down"
	CallError  Fault = "call-error"
	CallForged Fault = "call-forged"

	Unlisted Fault = "unlisted-status"

	NoticeGBK Fault = "notice-gbk"
)

const (
	lateBy        = 30 * time.Second // Late
	returnLead    = 5 * time.Second  // ReturnFirst: the browser's head start
	hiddenFor     = 5 * time.Second  // Early
	staleLag      = time.Second      // Reordered
	secondLag     = 2 * time.Second  // SecondTrade
	notifyLead    = 10 * time.Second // NotifyFirst: the longest that the browser waits
	slowAnswer    = 15 * time.Second // QuerySlow, RefundSlow, CallLost
	badQueryLimit = 3                // faulty answers to queries of one order, then they are right
)

// gbkText is in what is written in GBK: the last bytes of its characters are those
// of \ | { and } there.
const gbkText = "茶, 誠亅亄亇"

// The field of UnknownField.
const (
	unknownField = "x_new_field"
	unknownValue = "added by the wallet, 新"
)

// FaultInfo describes a fault.
type FaultInfo struct {
	Fault  Fault      `json:"fault"`
	Amount int64      `json:"amount"` // an order of just so many minor units has it
	Benign bool       `json:"benign"` // a right client still ends with the true state, and soon
	On     []Occasion `json:"on"`     // where it strikes
	Text   string     `json:"text"`
}

var (
	notices  = []Occasion{OnNotice}
	returns  = []Occasion{OnReturn}
	queries  = []Occasion{OnQuery}
	messages = []Occasion{OnNotice, OnQuery}
	answers  = []Occasion{OnQuery, OnVerify}
	refunds  = []Occasion{OnRefund}
	calls    = []Occasion{OnCreate, OnQuery, OnClose, OnRefund}
)

// passing are the faults of answers that strike an order's first badQueryLimit
// on each kind of occasion only.
var limitedFaults = faultSet{
	Query500, QuerySlow, QueryCut, QueryUnknown, Refund500, RefundSlow, RefundCut, RefundPending, CallLost, CallDown, CallError, CallForged,
}

// Faults is the table of all faults: what the control page shows, what test
// amounts choose from, and what an awkward wallet draws from (the benign ones).
// Only a drawn one strikes notify_verify.
var Faults = []FaultInfo{
	{Duplicate, 910001, true, notices, "the notification is sent twice at the same time"},
	{Late, 910002, true, notices, "the notification is sent 30 s after the payment"},
	{Early, 910003, true, notices, "the notification is sent at once, and for 5 s the query knows of no payment"},
	{NotifyFirst, 910004, true, returns, "the browser is sent back only when the notification has been answered, or after 10 s"},
	{ReturnFirst, 910005, true, returns, "the notification is sent 5 s after the payment, when the browser is back already"},
	{Reordered, 910006, true, notices, "a notification of the earlier state (WAIT_BUYER_PAY) arrives after the one of the payment"},
	{Forged, 910007, true, notices, "two forgeries come first: one with a wrong signature, one with the amount changed after signing"},
	{Drop, 910008, false, notices, "no notification is sent (resend sends it)"},
	{UnknownField, 910009, true, messages, "the notification, and answers to queries, have a signed field that no document lists"},
	{Shuffled, 910010, true, messages, "the fields of the notification, and of answers to queries, come in any order"},
	{Query500, 910011, true, answers, "the first 3 queries are answered with status 500"},
	{QuerySlow, 910012, true, answers, "the first 3 queries are answered after 15 s"},
	{QueryCut, 910013, true, answers, "the first 3 answers to queries break off in the middle"},
	{QueryUnknown, 910014, true, queries, "the first 3 answers to queries, validly signed, have a trade_status that no document lists"},
	{QueryGBK, 910015, true, queries, "answers to queries are written in GBK, and signed so"},
	{Underpaid, 910016, false, messages, "the buyer pays half; notification and query, validly signed, say so"},
	{SecondTrade, 910017, false, notices, "the buyer pays twice: a second trade number for the same order, notified 2 s later"},
	{Refund500, 910018, true, refunds, "the first 3 refunds and queries of refunds are answered with status 500; the refund is done"},
	{RefundSlow, 910019, true, refunds, "the first 3 refunds and queries of refunds are answered after 15 s; the refund is done"},
	{RefundCut, 910020, true, refunds, "the first 3 answers to refunds and queries of refunds break off in the middle; the refund is done"},
	{RefundPending, 910021, true, refunds, "a refund is answered with SYSTEM_ERROR, and is done 5 s later"},
	{RefundShort, 910022, false, refunds, "the merchant's funds do not cover a refund"},
	{CallLost, 910023, true, calls, "open platform: of each kind of call the first 3 are carried out, and the connection breaks off after 15 s without an answer"},
	{CallDown, 910024, true, calls, "open platform: of each kind of call the first 3 are carried out, and answered with code 20000"},
	{CallError, 910025, true, calls, "open platform: of each kind of call the first 3 are carried out, and answered with ACQ.SYSTEM_ERROR"},
	{CallForged, 910026, true, calls, "open platform: of each kind of call the first 3 answers are forged: they say that all is well, under a wrong signature"},
	{NoticeGBK, 910027, true, notices, "the notification is written in GBK, and signed so, with a text that UTF-8 readers cannot read"},
	{Unlisted, 910028, false, messages, "once it is paid, the notification and all answers to queries, validly signed, have a trade_status that the gateway's documents do not list: TRADE_SUCCESS, on the open platform TRADE_PENDING"},
}

func parseFault(name string) (Fault, error) {
	for _, f := range Faults {
		if string(f.Fault) == name {
			return f.Fault, nil
		}
	}
	return "", fmt.Errorf("no fault %q", name)
}

// faultBook is what was set by hand.
type faultBook struct {
	All    []Fault            `json:"all"`    // every order
	Next   []Fault            `json:"next"`   // the next order that is opened for the first time
	Orders map[string][]Fault `json:"orders"` // by out_trade_no
}

// with returns the book with the faults of one order replaced; the book itself
// stays as it is.
func (b faultBook) with(number string, fs []Fault) faultBook {
	b.Orders = maps.Clone(b.Orders)
	if b.Orders == nil {
		b.Orders = map[string][]Fault{}
	}
	if len(fs) == 0 {
		delete(b.Orders, number)
	} else {
		b.Orders[number] = fs
	}
	return b
}

// faultSet is the faults of one order.
type faultSet []Fault

func (fs faultSet) has(f Fault) bool { return slices.Contains(fs, f) }

// delay is how long the notification waits.
func (fs faultSet) delay() time.Duration {
	switch {
	case fs.has(Late):
		return lateBy
	case fs.has(ReturnFirst):
		return returnLead
	}
	return 0
}

// faultsOf gathers an order's faults: set for it, set for all, and by amount.
func (st *state) faultsOf(o *order) faultSet {
	fs := slices.Concat(st.faults.Orders[o.key.number], st.faults.All)
	if len(o.attempts) > 0 {
		amount := o.last().Terms.Total.Minor
		for _, f := range Faults {
			if f.Amount == amount {
				fs = append(fs, f.Fault)
			}
		}
	}
	slices.Sort(fs)
	return faultSet(slices.Compact(fs))
}
