package simulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Fault is a deliberate misbehaviour of the wallet towards an order.
type Fault string

// The faults. The table Faults says what each does.
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
	badQueryLimit = 3                // faulty answers of one kind to an order; later ones are right
)

// gbkText goes into messages in GBK. Its characters' last bytes in GBK are those of \ | { and }.
const gbkText = "茶, 誠亅亄亇"

// The field that UnknownField adds.
const (
	unknownField = "x_new_field"
	unknownValue = "added by the wallet, 新"
)

// FaultInfo describes a fault.
type FaultInfo struct {
	Fault  Fault      `json:"fault"`
	Amount int64      `json:"amount"` // an order of exactly this amount in minor units has the fault
	Benign bool       `json:"benign"` // a correct client still reaches the true state soon
	On     []Occasion `json:"on"`     // the occasions on which it strikes
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

// limitedFaults are the faults of answers that strike only an order's first badQueryLimit occasions
// of each kind.
var limitedFaults = faultSet{
	Query500, QuerySlow, QueryCut, QueryUnknown, Refund500, RefundSlow, RefundCut, RefundPending,
	CallLost, CallDown, CallError, CallForged,
}

// Faults is the table of all faults. The control page shows it, test amounts select from it, and an
// awkward wallet draws the benign ones. notify_verify meets only drawn faults.
var Faults = []FaultInfo{
	{Duplicate, 910001, true, notices, "the notification is sent twice at the same time"},
	{Late, 910002, true, notices, "the notification is sent 30 s after the payment"},
	{Early, 910003, true, notices,
		"the notification is sent at once, and for 5 s queries do not see the payment"},
	{NotifyFirst, 910004, true, returns,
		"the browser returns only after the notification is answered, or after 10 s"},
	{ReturnFirst, 910005, true, returns,
		"the notification is sent 5 s after the payment, when the browser has returned"},
	{Reordered, 910006, true, notices,
		"a notification of the earlier state (WAIT_BUYER_PAY) arrives after that of the payment"},
	{Forged, 910007, true, notices,
		"two forgeries come first: one with a wrong signature, one with the amount changed after signing"},
	{Drop, 910008, false, notices, "no notification is sent (resend sends it)"},
	{UnknownField, 910009, true, messages,
		"the notification and answers to queries have a signed field that no document lists"},
	{Shuffled, 910010, true, messages,
		"the fields of the notification and of answers to queries are in random order"},
	{Query500, 910011, true, answers, "the first 3 queries are answered with status 500"},
	{QuerySlow, 910012, true, answers, "the first 3 queries are answered after 15 s"},
	{QueryCut, 910013, true, answers, "the first 3 answers to queries are cut off in the middle"},
	{QueryUnknown, 910014, true, queries,
		"the first 3 answers to queries have a trade_status that no document lists, under a valid signature"},
	{QueryGBK, 910015, true, queries, "answers to queries are written and signed in GBK"},
	{Underpaid, 910016, false, messages,
		"the buyer pays half; notification and query say so under a valid signature"},
	{SecondTrade, 910017, false, notices,
		"the buyer pays twice: a second trade of the same order is notified 2 s later"},
	{Refund500, 910018, true, refunds,
		"the first 3 refunds and refund queries are answered with status 500; the refund is done"},
	{RefundSlow, 910019, true, refunds,
		"the first 3 refunds and refund queries are answered after 15 s; the refund is done"},
	{RefundCut, 910020, true, refunds,
		"the first 3 answers to refunds and refund queries are cut off in the middle; the refund is done"},
	{RefundPending, 910021, true, refunds, "a refund is answered with SYSTEM_ERROR and is done 5 s later"},
	{RefundShort, 910022, false, refunds, "the merchant's funds do not cover a refund"},
	{CallLost, 910023, true, calls,
		"open platform: the first 3 calls of each kind are carried out; the connection is cut after " +
			"15 s, unanswered"},
	{CallDown, 910024, true, calls,
		"open platform: the first 3 calls of each kind are carried out and answered with code 20000"},
	{CallError, 910025, true, calls,
		"open platform: the first 3 calls of each kind are carried out and answered with ACQ.SYSTEM_ERROR"},
	{CallForged, 910026, true, calls,
		"open platform: the first 3 answers to each kind of call report success under a wrong signature"},
	{NoticeGBK, 910027, true, notices,
		"the notification is written and signed in GBK, with a text that is not valid UTF-8"},
	{Unlisted, 910028, false, messages,
		"after the payment, the notification and all answers to queries have a trade_status that the " +
			"platform's documents do not list, under a valid signature: TRADE_SUCCESS, " +
			"on the open platform TRADE_PENDING"},
}

func parseFault(name string) (Fault, error) {
	for _, f := range Faults {
		if string(f.Fault) == name {
			return f.Fault, nil
		}
	}
	return "", fmt.Errorf("no fault %q", name)
}

// faultBook holds the faults that were set by hand.
type faultBook struct {
	All    []Fault            `json:"all"`    // of every order
	Next   []Fault            `json:"next"`   // of the next order that is opened for the first time
	Orders map[string][]Fault `json:"orders"` // by out_trade_no
}

// with returns a copy of the book with the faults of one order replaced.
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

// faultSet holds the faults of one order.
type faultSet []Fault

func (fs faultSet) has(f Fault) bool { return slices.Contains(fs, f) }

// delay returns how long the notification waits.
func (fs faultSet) delay() time.Duration {
	switch {
	case fs.has(Late):
		return lateBy
	case fs.has(ReturnFirst):
		return returnLead
	}
	return 0
}

// faultsOf returns an order's faults: those set for it, those set for all orders, and those of its
// amount.
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
