package demo

import (
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/sampanpay/sampan"
)

const maxOrders = 1000 // the oldest make room

// currencies are what each wallet takes, with their sign.
var currencies = map[sampan.PayType][2]string{
	sampan.Alipay: {"HKD", "HK$"}, sampan.AlipayHK: {"HKD", "HK$"},
	sampan.AlipayServiceWindow: {"CNY", "CN¥"},
}

// tea is something that can be bought.
type tea struct {
	ID    string
	Price int64             // minor units
	names map[string]string // by language
}

// Name is the tea's name in a language.
func (t tea) Name(lang string) string { return t.names[lang] }

// Cost is the price for people, with a wallet.
func (t tea) Cost(wallet sampan.PayType) string { return money(t.Price, wallet) }

func money(amount int64, wallet sampan.PayType) string {
	return fmt.Sprintf("%s%d.%02d", currencies[wallet][1], amount/100, amount%100)
}

type menu []tea

var teas = menu{
	{"oolong", 4800, map[string]string{"en": "Dong Ding oolong", "zh-Hant": "凍頂烏龍", "zh-Hans": "冻顶乌龙"}},
	{"puer", 6850, map[string]string{"en": "Aged pu-erh", "zh-Hant": "陳年普洱", "zh-Hans": "陈年普洱"}},
	{"milk", 2800, map[string]string{"en": "Hong Kong milk tea", "zh-Hant": "港式奶茶", "zh-Hans": "港式奶茶"}},
}

func (m menu) find(id string) (tea, bool) {
	for _, t := range m {
		if t.ID == id {
			return t, true
		}
	}
	return tea{}, false
}

type order struct {
	Number       string
	Tea          tea
	Wallet       sampan.PayType
	ID           string // the gateway's number
	PayURL       string
	Paid         bool
	Notification string // the latest as it came, but indented

	requested map[string]int64 // amounts of the shop's refund requests, by the shop's refund number
	failed    map[string]int64 // amounts of the requests that failed for good, by the same number
	pending   string           // the refund number whose outcome is not known yet
	refunds   map[string]int64 // amounts of the refunds that are done, by the gateway's number
	notified  map[string]int64 // amounts of the notifications received, by the gateway's number
}

// State returns the order's state for pages and scripts.
func (o order) State() string {
	switch {
	case o.Left() == 0:
		return "refunded"
	case o.pending != "":
		return "refunding"
	case o.refunded() > 0:
		return "partly"
	case o.Paid:
		return "paid"
	}
	return "waiting"
}

// Open reports whether the state can change soon without the buyer's doing.
func (o order) Open() bool { return o.State() == "waiting" || o.State() == "refunding" }

// Left returns what can still be refunded.
func (o order) Left() int64 { return o.Tea.Price - o.refunded() }

// Refunded formats the refunded sum for people. It is "" without refunds.
func (o order) Refunded() string {
	if o.refunded() == 0 {
		return ""
	}
	return money(o.refunded(), o.Wallet)
}

func (o order) refunded() (sum int64) {
	for _, amount := range o.refunds {
		sum += amount
	}
	return sum
}

// nextRefund records a request to refund all that is left, and returns its refund number and
// amount. The number stays the same until another refund is done or this one fails for good, so
// asking twice makes one refund.
func (o *order) nextRefund() (number string, amount int64) {
	number, amount = o.Number+"-R", o.Left()
	if gone := o.refunded(); gone > 0 {
		number += strconv.FormatInt(gone, 10)
	}
	first := number
	for try := 2; o.failed[number] != 0; try++ {
		number = first + "-" + strconv.Itoa(try)
	}
	o.requested = withEntry(o.requested, number, amount)
	return number, amount
}

// addRefund counts a refund once. id is the gateway's number, number the merchant's. It returns an
// error if the shop requested another amount under that number, or if the refunds exceed the
// payment. A refund that the shop did not request was made elsewhere and counts too.
func (o *order) addRefund(id, number string, amount int64) error {
	if was, again := o.refunds[id]; again && was != amount {
		return fmt.Errorf("refund %s of order %s changed from %d to %d", id, o.Number, was, amount)
	} else if again {
		return nil
	}
	if want, ours := o.requested[number]; ours && want != amount {
		return fmt.Errorf("refund %s of order %s: requested %d, but %d was refunded",
			number, o.Number, want, amount)
	}
	if amount <= 0 || amount > o.Left() {
		return fmt.Errorf("refund %s of order %s: %d exceeds the remaining %d",
			number, o.Number, amount, o.Left())
	}
	o.refunds = withEntry(o.refunds, id, amount)
	if number == o.pending {
		o.pending = ""
	}
	return nil
}

// withEntry returns a copy of m with one more entry. Pages may be reading m itself.
func withEntry(m map[string]int64, key string, value int64) map[string]int64 {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]int64{}
	}
	m[key] = value
	return m
}

// orders holds the latest orders. The zero value is ready for use.
type orders struct {
	mu       sync.Mutex
	byNumber map[string]*order
	oldest   []string // numbers, by age
}

func (os *orders) add(o order) {
	os.mu.Lock()
	defer os.mu.Unlock()
	if os.byNumber == nil {
		os.byNumber = map[string]*order{}
	}
	if len(os.oldest) == maxOrders {
		delete(os.byNumber, os.oldest[0])
		os.oldest = os.oldest[1:]
	}
	os.byNumber[o.Number], os.oldest = &o, append(os.oldest, o.Number)
}

func (os *orders) find(number string) (order, bool) {
	os.mu.Lock()
	defer os.mu.Unlock()
	if o := os.byNumber[number]; o != nil {
		return *o, true
	}
	return order{}, false
}

// change runs f on an order, one call at a time. It returns an error if the order is unknown.
func (os *orders) change(number string, f func(*order) error) error {
	os.mu.Lock()
	defer os.mu.Unlock()
	if o := os.byNumber[number]; o != nil {
		return f(o)
	}
	return fmt.Errorf("unknown order %.40q", number)
}
