package demo

import (
	"fmt"
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
func (t tea) Cost(wallet sampan.PayType) string {
	return fmt.Sprintf("%s%d.%02d", currencies[wallet][1], t.Price/100, t.Price%100)
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
	Back         sampan.Code // of the refund; "" while nobody wants one
	Told         string      // what the latest notification was about, by the gateway's number
	Notification string      // the same as it came, but indented
}

// State is the order's state as pages and scripts see it.
func (o order) State() string {
	switch {
	case o.Back == sampan.CodeSuccess:
		return "refunded"
	case o.Back != "":
		return "refunding"
	case o.Paid:
		return "paid"
	}
	return "waiting"
}

// Open reports whether the page may have something new to tell soon.
func (o order) Open() bool { return !o.Paid || o.Back.Pending() }

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
