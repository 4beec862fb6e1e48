package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

const (
	receivers    = 100
	hanging      = 10
	perReceiver  = 200
	toReceivers  = receivers * perReceiver
	deliveryBody = `{"status": "1", "pay_type": "801107", "sysdtm": "2026-11-22 12:00:00", ` +
		`"paydtm": "2026-11-22 12:00:01", "goods_name": "Oolong", "txcurrcd": "HKD", ` +
		`"txdtm": "2026-11-22 12:00:00", ` +
		`"mchid": "", "txamt": "1230", "exchange_rate": "", "chnlsn2": "", "out_trade_no": "T-1001", ` +
		`"syssn": "20261122100001123456789012", "cash_fee_type": "", "cancel": "0", "respcd": "0000", ` +
		`"goods_info": "", "cash_fee": "0", "notify_type": "payment", ` +
		`"chnlsn": "2026112222001", "cardcd": "2088"}`
)

// pile stores due deliveries, evenly mixed among the receivers.
func (d *deployment) pile(ctx context.Context, to []string) error {
	db, err := store.Open(ctx, store.Config{DSN: d.dsn, MasterKey: masterKey})
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range perReceiver {
		err := db.Tx(ctx, func(tx *store.Tx) error {
			for j, receiver := range to {
				id := fmt.Sprintf("%d-%d", i, j)
				if err := tx.AddDelivery(store.Delivery{
					MerchantID: "100001", ID: id, PaymentID: id, AppCode: d.appCode, Kind: "payment",
					URL: receiver + "/notify", Receiver: receiver, Body: []byte(deliveryBody), CreatedAt: now,
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return db.Close()
}

// deliveryRate returns how many deliveries to the receivers are acknowledged and recorded in a
// second, while hanging more receivers do not answer.
func deliveryRate(ctx context.Context, r run, kind, name string, hang int) (float64, error) {
	d, err := deploy(ctx, r, kind, name, "http://127.0.0.1:9/")
	if err != nil {
		return 0, err
	}
	var to []string
	var received atomic.Int64
	var first atomic.Pointer[time.Time]
	all := make(chan struct{})
	quick := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "SUCCESS")
		now := time.Now()
		first.CompareAndSwap(nil, &now)
		if received.Add(1) == toReceivers {
			close(all)
		}
	}
	hangs := func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for i := range receivers + hang {
		h := quick
		if i >= receivers {
			h = hangs
		}
		receiver, end, err := listen(http.HandlerFunc(h))
		if err != nil {
			return 0, err
		}
		defer end()
		to = append(to, receiver)
	}
	if err := d.pile(ctx, to); err != nil {
		return 0, err
	}
	s, err := d.serve(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-all:
	case <-time.After(time.Minute):
		return 0, fmt.Errorf("only %d of %d deliveries arrived in a minute", received.Load(), toReceivers)
	}
	for {
		done, err := d.ask(ctx, "SELECT count(*) FROM delivery WHERE state = 'done'")
		if err != nil {
			return 0, err
		}
		if done == toReceivers {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	rate := toReceivers / time.Since(*first.Load()).Seconds()
	return rate, s.kill() // an orderly end would wait for the hanging ones
}

func measureDeliveries(ctx context.Context, r run, out *report) error {
	out.title(fmt.Sprintf("Recorded deliveries to %d receivers, and while %d more hang", receivers, hanging),
		"database", "per s", "while some hang", "ratio")
	for _, kind := range r.kinds() {
		var alone, beside, ratios []float64
		for i := range r.rounds {
			a, err := deliveryRate(ctx, r, kind, fmt.Sprint("deliveries", i), 0)
			if err != nil {
				return err
			}
			b, err := deliveryRate(ctx, r, kind, fmt.Sprint("hanging", i), hanging)
			if err != nil {
				return err
			}
			alone, beside, ratios = append(alone, a), append(beside, b), append(ratios, b/a)
		}
		rate, ratio := median(alone), median(ratios)
		out.row(kind, whole(rate), whole(median(beside)), ratioOf(ratio))
		out.target(kind+": recorded deliveries a second", whole(rate), "≥ 3000", rate >= 3000)
		out.target(kind+": the same while ten receivers hang", ratioOf(ratio), "≥ 0.90", ratio >= 0.9)
	}
	return nil
}
