package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// shops is the number of merchants' servers in the whole way.
const shops = 16

// way drives orders from their creation to the merchant's notification. It is merchant, buyer and
// wallet at once.
type way struct {
	*deployment
	client *http.Client
	notify []string // the shops' notify_urls

	mu       sync.Mutex
	notified map[string]chan struct{} // by order number

	posting [merchants]chan struct{} // a place for each callback in flight, by merchant
}

// callbacksAtOnce limits the callbacks in flight to the number that the gateway confirms at once
// for one account. The gateway answers "fail" to any beyond.
const callbacksAtOnce = 8

// startWallet serves single_trade_query. It answers that the order's own trade has paid it.
func startWallet() (address string, end func() error, err error) {
	return listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("out_trade_no")
		trade := mapi.Message{"out_trade_no": id, "trade_no": "T" + id, "trade_status": "TRADE_FINISHED"}
		if err := trade.Sign(mapi.Keys{Type: mapi.MD5, Shared: md5Key}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "<alipay><is_success>T</is_success><response><trade><out_trade_no>%s</out_trade_no>"+
			"<trade_no>%s</trade_no><trade_status>TRADE_FINISHED</trade_status></trade></response>"+
			"<sign>%s</sign><sign_type>MD5</sign_type></alipay>",
			id, trade["trade_no"], trade["sign"])
	}))
}

// listen serves a handler on a free port of loopback.
func listen(h http.Handler) (base string, end func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h}
	go s.Serve(l) // ends with Close
	return "http://" + l.Addr().String(), s.Close, nil
}

// shop is a merchant's server. It acknowledges a notification and wakes the worker that waits for
// the order.
func (w *way) shop(rw http.ResponseWriter, r *http.Request) {
	var n struct {
		OrderNo string `json:"out_trade_no"`
	}
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	io.WriteString(rw, "SUCCESS")
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.notified[n.OrderNo]; c != nil {
		close(c)
		delete(w.notified, n.OrderNo)
	}
}

// measureWay runs this number of orders at once for a time and returns how many per second went the
// whole way. Each worker pauses between two orders.
func (w *way) measure(ctx context.Context, r run, workers int, pause time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	prefix, start := r.unique(), time.Now()
	var begun, done atomic.Int64
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for time.Since(start) < r.duration && ctx.Err() == nil {
				n := begun.Add(1)
				if err := w.one(ctx, fmt.Sprint(prefix, n), int(n)); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
				time.Sleep(pause)
			}
		})
	}
	working.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), context.Cause(ctx)
}

// one drives an order the whole way.
func (w *way) one(ctx context.Context, number string, n int) error {
	m := w.merchants[n%merchants]
	notified := make(chan struct{})
	w.mu.Lock()
	w.notified[number] = notified
	w.mu.Unlock()

	p := order(number)
	p["notify_url"] = w.notify[n%shops]
	var placed struct {
		Code string `json:"respcd"`
		ID   string `json:"syssn"`
		URL  string `json:"pay_url"`
	}
	status, body, err := w.post(ctx, "/trade/v1/payment", form(p), map[string]string{
		"X-QF-APPCODE": m.appCode, "X-QF-SIGNTYPE": "SHA256",
		"X-QF-SIGN": sign.Request(p, m.key, sign.SHA256),
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &placed); err != nil || placed.Code != "0000" {
		return fmt.Errorf("order: %d %s", status, body)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, placed.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) "+
		"AppleWebKit/605.1.15 Version/19.0 Mobile/15E148 Safari/604.1")
	if status, body, err = w.do(req); err != nil || status != http.StatusFound {
		return fmt.Errorf("pay link: %d %s: %w", status, body, err)
	}

	notice := mapi.Message{
		"notify_type": "trade_status_sync", "notify_id": "n" + placed.ID,
		"notify_time":  "2026-11-22 12:00:01",
		"out_trade_no": placed.ID, "trade_no": "T" + placed.ID, "trade_status": "TRADE_FINISHED",
		"total_fee": "12.30", "currency": "HKD", "gmt_payment": "2026-11-22 12:00:01",
	}
	if err := notice.Sign(mapi.Keys{Type: mapi.MD5, Shared: md5Key}); err != nil {
		return err
	}
	w.posting[n%merchants] <- struct{}{}
	status, body, err = w.post(ctx, "/callback/"+m.id+"/alipay", notice.Encode(), nil)
	<-w.posting[n%merchants]
	if err != nil || string(body) != "success" {
		return fmt.Errorf("callback: %d %s: %w", status, body, err)
	}
	select {
	case <-notified:
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the shop was not notified of " + number)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *way) post(ctx context.Context, path, body string, header map[string]string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return w.do(req)
}

func (w *way) do(req *http.Request) (int, []byte, error) {
	res, err := w.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// firstAttempt returns the 99th percentile of the time from a delivery's creation, shortly before
// its commit, to its first attempt, of the deliveries created since.
func (d *deployment) firstAttempt(ctx context.Context, since time.Time) (time.Duration, error) {
	const of = ` FROM delivery d JOIN delivery_attempt a
		ON a.merchant_id = d.merchant_id AND a.delivery_id = d.id AND a.number = 1 WHERE d.created_at >= $1`
	n, err := d.ask(ctx, "SELECT count(*)"+of, since.UnixMilli())
	if err != nil || n == 0 {
		return 0, fmt.Errorf("there are %d deliveries: %w", n, err)
	}
	ms, err := d.ask(ctx, "SELECT a.started_at - d.created_at"+of+" ORDER BY 1 LIMIT 1 OFFSET $2",
		since.UnixMilli(), n*99/100)
	return time.Duration(ms) * time.Millisecond, err
}

// newWay makes a driver for a gateway. Its shops run until end is called.
func newWay(d *deployment) (w *way, end func(), err error) {
	w = &way{deployment: d, notified: map[string]chan struct{}{},
		client: &http.Client{
			Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
	for i := range w.posting {
		w.posting[i] = make(chan struct{}, callbacksAtOnce)
	}
	var ends []func() error
	end = func() {
		for _, e := range ends {
			e()
		}
	}
	for range shops {
		shop, e, err := listen(http.HandlerFunc(w.shop))
		if err != nil {
			end()
			return nil, nil, err
		}
		ends = append(ends, e)
		w.notify = append(w.notify, shop+"/notify")
	}
	return w, end, nil
}

// warm drives some orders and lets the database update its statistics. PostgreSQL does that by
// itself only a minute later and until then plans as for empty tables.
func (w *way) warm(ctx context.Context, r run) error {
	r.duration = time.Second
	if _, err := w.measure(ctx, r, 64, 0); err != nil {
		return err
	}
	db, err := w.open()
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "ANALYZE")
	return errors.Join(err, db.Close())
}

func measureWay(ctx context.Context, r run, out *report) error {
	wallet, endWallet, err := startWallet()
	if err != nil {
		return err
	}
	defer endWallet()
	bareServer, bareURL, err := startBare(ctx, r, wallet+"/gateway.do")
	if err != nil {
		return err
	}
	bare, endBare, err := newWay(&deployment{base: bareURL, merchants: slices.Repeat([]merchant{
		{"100001", bareAppCode, bareKey}}, merchants)})
	if err != nil {
		return err
	}
	defer endBare()
	out.title("The whole way: created, opened, paid at the wallet, settled, merchant notified",
		"database", "in turn",
		"orders/s", "of creations", "bare way/s", "ratio",
		"commit to first attempt, p99", "the same at 20 a second")
	for _, kind := range r.kinds() {
		d, err := deploy(ctx, r, kind, "way", wallet+"/gateway.do")
		if err != nil {
			return err
		}
		w, endShops, err := newWay(d)
		if err != nil {
			return err
		}
		defer endShops()
		s, err := d.serve(ctx)
		if err != nil {
			return err
		}
		if err := w.warm(ctx, r); err != nil {
			return err
		}
		var rates, bareRates []float64
		var waits []time.Duration
		for range r.rounds {
			bareRate, err := bare.measure(ctx, r, 64, 0)
			if err != nil {
				return err
			}
			since := time.Now()
			rate, err := w.measure(ctx, r, 64, 0)
			if err != nil {
				return err
			}
			wait, err := d.firstAttempt(ctx, since)
			if err != nil {
				return err
			}
			rates, bareRates, waits = append(rates, rate), append(bareRates, bareRate), append(waits, wait)
		}
		since := time.Now()
		if _, err := w.measure(ctx, r, 4, 200*time.Millisecond); err != nil {
			return err
		}
		quiet, err := d.firstAttempt(ctx, since)
		if err != nil {
			return err
		}
		rate, bareRate := median(rates), median(bareRates)
		ratio := rate / out.creations[kind]
		out.row(kind, "64", whole(rate), ratioOf(ratio), whole(bareRate), ratioOf(rate/bareRate),
			median(waits).String(), quiet.String())
		if out.creations[kind] > 0 {
			out.target(kind+": the whole way, of the creations", ratioOf(ratio), "≥ 0.20", ratio >= 0.2)
		}
		out.target(kind+": commit to first attempt, p99",
			quiet.String(), "≤ 50ms", quiet <= 50*time.Millisecond)
		if err := s.end(); err != nil {
			return err
		}
	}
	return bareServer.kill()
}
