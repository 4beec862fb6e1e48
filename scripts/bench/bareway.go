package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"

	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// bareWay is the handler with which the whole way is compared. It makes the same exchanges over
// HTTP, with the same signatures and the same query to the wallet, but has no database, rules or
// log. What an order costs here, it costs in any gateway on this machine, including the driver's
// side of the exchanges.
type bareWay struct {
	wallet string
	client *http.Client
	orders sync.Map // notify_url by order number
}

func (b *bareWay) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /pay/{order}", func(w http.ResponseWriter, r *http.Request) {
		m := mapi.Message{
			"service": "create_forex_trade_wap", "partner": partner,
			"_input_charset": "UTF-8", "currency": "HKD",
			"total_fee":    "12.30",
			"out_trade_no": r.PathValue("order"), "subject": "Oolong",
			"product_code": "NEW_WAP_OVERSEAS_SELLER",
			"notify_url":   "http://" + r.Host + "/callback/100001/alipay",
			"return_url":   "http://" + r.Host + "/return",
		}
		if err := m.Sign(mapi.Keys{Type: mapi.MD5, Shared: md5Key}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, b.wallet+"?"+m.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /callback/100001/alipay", func(w http.ResponseWriter, r *http.Request) {
		order, err := b.paid(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, "success")
		go b.notify(order)
	})
}

// paid verifies a callback and confirms it by a query to the wallet.
func (b *bareWay) paid(r *http.Request) (order string, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	keys := mapi.Keys{Type: mapi.MD5, Shared: md5Key}
	m, err := mapi.Parse(string(body))
	if err := cmp.Or(err, m.Verify(keys)); err != nil {
		return "", err
	}
	order = m["out_trade_no"]
	q := mapi.Message{"service": "single_trade_query", "partner": partner, "_input_charset": "UTF-8",
		"out_trade_no": order}
	if err := q.Sign(keys); err != nil {
		return "", err
	}
	res, err := b.client.Post(b.wallet, "application/x-www-form-urlencoded", strings.NewReader(q.Encode()))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	doc, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	answer, err := mapi.ParseAnswer(doc)
	if err != nil {
		return "", err
	}
	if err := answer.Verify(keys); err != nil {
		return "", err
	}
	return order, nil
}

// notify notifies the merchant.
func (b *bareWay) notify(order string) {
	address, ok := b.orders.LoadAndDelete(order)
	if !ok {
		return
	}
	body := fmt.Appendf(nil, `{"status": "1", "pay_type": "801107", "txamt": "1230", "txcurrcd": "HKD", `+
		`"out_trade_no": %q, "syssn": %[1]q, "respcd": "0000", "notify_type": "payment"}`, order)
	req, err := http.NewRequest(http.MethodPost, address.(string), bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-QF-SIGN", sign.Notification(body, bareKey))
		var res *http.Response
		if res, err = b.client.Do(req); err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			err = errors.Join(err, res.Body.Close())
		}
	}
	if err != nil {
		log.Print(err) // the driver notices the missing notification
	}
}
