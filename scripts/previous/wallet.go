package main

import (
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// wallet answers as both of Alipay's gateways do. What it says of an order and of its refunds is
// set by the story; by default it knows nothing.
type wallet struct {
	address string
	shared  mapi.Keys    // of the global gateway: MD5
	window  openapi.Keys // of the open platform: the wallet's side

	mu     sync.Mutex
	orders map[string]*order
	silent map[string]bool // order numbers at which every call fails with status 500
	// newOrders is how orders inside the app are answered: "" takes them, "silent" does not answer,
	// a code refuses them.
	newOrders string
}

// order is what the wallet says of one order.
type order struct {
	trade       map[string]string // the fields of a query's answer; nil: it knows no trade
	refund      string            // "": given back; a code: refused with it; "silent": no answer
	refundQuery map[string]string // the fields of a refund query's answer; nil: it knows no refund
}

func startWallet(shared mapi.Keys, window openapi.Keys) (*wallet, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wallet{address: "http://" + listener.Addr().String(), shared: shared, window: window,
		orders: map[string]*order{}, silent: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mapi", w.mapi)
	mux.HandleFunc("POST /openapi", w.openapi)
	go func() { _ = http.Serve(listener, mux) }()
	return w, nil
}

// says sets what the wallet says of an order.
func (w *wallet) says(number string, change func(*order)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.order(number))
}

// order returns what the wallet says of an order. The caller holds the lock.
func (w *wallet) order(number string) *order {
	if w.orders[number] == nil {
		w.orders[number] = &order{}
	}
	return w.orders[number]
}

func (w *wallet) keepSilent(number string, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent[number] = silent
}

// about returns what the wallet says of an order, and whether it answers at all.
func (w *wallet) about(number string) (order, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.order(number), !w.silent[number]
}

// mapi answers single_trade_query, forex_refund and alipay.acquire.refund.query.
func (w *wallet) mapi(res http.ResponseWriter, req *http.Request) {
	number := req.PostFormValue("out_trade_no")
	o, answers := w.about(number)
	if !answers {
		http.Error(res, "no answer", http.StatusInternalServerError)
		return
	}
	refuse := func(code string) {
		fmt.Fprintf(res, xmlHead+`<alipay><is_success>F</is_success><error>%s</error></alipay>`, code)
	}
	switch req.PostFormValue("service") {
	case "single_trade_query":
		if o.trade == nil {
			refuse("TRADE_NOT_EXIST")
			return
		}
		fields := mapi.Message{"out_trade_no": number}
		for name, value := range o.trade {
			fields[name] = value
		}
		w.xml(res, "trade", fields)
	case "forex_refund":
		switch o.refund {
		case "":
			fmt.Fprint(res, `<?xml version="1.0" encoding="UTF-8"?>`+
				`<alipay><is_success>T</is_success></alipay>`)
		case "silent":
			http.Error(res, "no answer", http.StatusInternalServerError)
		default:
			refuse(o.refund)
		}
	case "alipay.acquire.refund.query":
		fields := mapi.Message{"response_code": "NOT_FOUND"}
		if o.refundQuery != nil {
			fields = mapi.Message{"response_code": "SUCCESS", "out_trade_no": number,
				"out_return_no": req.PostFormValue("out_return_no")}
			for name, value := range o.refundQuery {
				fields[name] = value
			}
		}
		w.xml(res, "alipay", fields)
	default:
		refuse("ILLEGAL_SERVICE")
	}
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>`

// xml writes a signed answer of the global gateway.
func (w *wallet) xml(res http.ResponseWriter, kind string, fields mapi.Message) {
	if err := fields.Sign(w.shared); err != nil {
		http.Error(res, err.Error(), http.StatusInternalServerError)
		return
	}
	var b strings.Builder
	for name, value := range fields {
		if name != "sign" && name != "sign_type" {
			fmt.Fprintf(&b, "<%s>%s</%s>", name, html.EscapeString(value), name)
		}
	}
	fmt.Fprintf(res, xmlHead+`<alipay><is_success>T</is_success><response><%s>%s</%s></response>`+
		`<sign>%s</sign><sign_type>%s</sign_type></alipay>`,
		kind, b.String(), kind, fields["sign"], fields["sign_type"])
}

// openapi answers alipay.trade.create, query and close.
func (w *wallet) openapi(res http.ResponseWriter, req *http.Request) {
	method := req.PostFormValue("method")
	var asked struct {
		Number string `json:"out_trade_no"`
	}
	if err := json.Unmarshal([]byte(req.PostFormValue("biz_content")), &asked); err != nil {
		http.Error(res, err.Error(), http.StatusBadRequest)
		return
	}
	o, answers := w.about(asked.Number)
	if !answers {
		http.Error(res, "no answer", http.StatusInternalServerError)
		return
	}
	w.mu.Lock()
	newOrders := w.newOrders
	w.mu.Unlock()
	content := map[string]string{"code": openapi.CodeSuccess, "msg": "Success", "out_trade_no": asked.Number}
	refuse := func(code string) {
		content = map[string]string{"code": "40004", "msg": "Business Failed", "sub_code": code}
	}
	switch known := slices.Contains([]string{"alipay.trade.query", "alipay.trade.close"}, method); {
	case method == "alipay.trade.create" && newOrders == "silent":
		http.Error(res, "no answer", http.StatusInternalServerError)
		return
	case method == "alipay.trade.create" && newOrders != "":
		refuse(newOrders)
	case method == "alipay.trade.create":
		content["trade_no"] = "W" + asked.Number[8:]
	case known && o.trade == nil:
		refuse("ACQ.TRADE_NOT_EXIST")
	case known:
		for name, value := range o.trade {
			content[name] = value
		}
	default:
		refuse("ACQ.SYSTEM_ERROR")
	}
	text, err := json.Marshal(content)
	if err == nil {
		text, err = openapi.WriteAnswer(openapi.ContentName(method), text, "", w.window)
	}
	if err != nil {
		http.Error(res, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = res.Write(text)
}

// beijing is the zone of the wallet's times.
var beijing = time.FixedZone("+08:00", 8*60*60)

func walletTime() string { return time.Now().In(beijing).Format(time.DateTime) }
