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
	sampan.Alipay: {"HKD", "HK$"}, sampan.AlipayHK: {"HKD", "HK$"}, sampan.AlipayServiceWindow: {"CNY", "CN¥"},
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

	asked   map[string]int64 // amounts of the refunds that the shop asked for, by its own numbers
	refused map[string]int64 // amounts of those that the gateway says have failed
	waiting string           // the number of the one whose outcome is not known yet
	back    map[string]int64 // what went back, by the gateway's numbers of the refunds
	told    map[string]int64 // amounts of the notifications that came, by the same numbers
}

// State is the order's state as pages and scripts see it.
func (o order) State() string {
	switch {
	case o.Left() == 0:
		return "refunded"
	case o.waiting != "":
		return "refunding"
	case o.returned() > 0:
		return "partly"
	case o.Paid:
		return "paid"
	}
	return "waiting"
}

// Open reports whether the page may have something new to tell soon.
func (o order) Open() bool { return o.State() == "waiting" || o.State() == "refunding" }

// Left is what has not gone back of the price.
func (o order) Left() int64 { return o.Tea.Price - o.returned() }

// Returned is what has gone back, for people; "" if nothing has.
func (o order) Returned() string {
	if o.returned() == 0 {
		return ""
	}
	return money(o.returned(), o.Wallet)
}

func (o order) returned() (sum int64) {
	for _, amount := range o.back {
		sum += amount
	}
	return sum
}

// ask keeps what the shop asks to be given back, and gives the refund's number:
// the same one for as long as nothing more went back and it has not failed, so
// that asking twice is one refund.
func (o *order) ask() (number string, amount int64) {
	number, amount = o.Number+"-R", o.Left()
	if gone := o.returned(); gone > 0 {
		number += strconv.FormatInt(gone, 10)
	}
	first := number
	for try := 2; o.refused[number] != 0; try++ {
		number = first + "-" + strconv.Itoa(try)
	}
	o.asked = with(o.asked, number, amount)
	return number, amount
}

// giveBack counts a refund of the order, by the gateway's number and by the
// merchant's; once counted is counted. It is an error if the shop asked for
// another amount under that number, or if more went back than came in. One that
// the shop did not ask for was asked for elsewhere, and counts as well.
func (o *order) giveBack(id, number string, amount int64) error {
	if was, again := o.back[id]; again && was != amount {
		return fmt.Errorf("refund %s of order %s was %d, and is said to be %d", id, o.Number, was, amount)
	} else if again {
		return nil
	}
	if want, ours := o.asked[number]; ours && want != amount {
		return fmt.Errorf("of order %s %d were to go back as %s, and %d did", o.Number, want, number, amount)
	}
	if amount <= 0 || amount > o.Left() {
		return fmt.Errorf("of order %s %d went back as %s, but only %d were left", o.Number, amount, number, o.Left())
	}
	o.back = with(o.back, id, amount)
	if number == o.waiting {
		o.waiting = ""
	}
	return nil
}

// with is m with one more entry. m itself, which pages may be reading, stays.
func with(m map[string]int64, key string, value int64) map[string]int64 {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]int64{}
	}
	m[key] = value
	return m
}

// orders are the last orders. The zero value is ready for use.
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

// change lets f change an order, one at a time. It is an error if there is none.
func (os *orders) change(number string, f func(*order) error) error {
	os.mu.Lock()
	defer os.mu.Unlock()
	if o := os.byNumber[number]; o != nil {
		return f(o)
	}
	return fmt.Errorf("no order %.40q here", number)
}
