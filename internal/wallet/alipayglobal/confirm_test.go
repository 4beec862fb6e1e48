package alipayglobal

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// confirmed posts a notice with these fields and has it confirmed by a wallet that
// gives the same answer to every call.
func (w wire) confirmed(t *testing.T, m mapi.Message, o wallet.Order,
	answer string) (wallet.Notice, wallet.State, error) {
	t.Helper()
	c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
		if service(r) == "notify_verify" {
			rw.Write([]byte("false"))
			return
		}
		rw.Write([]byte(answer))
	}, nil)
	n, err := c.Callback(wallet.Callback{Body: w.form(m)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.Confirm(context.Background(), o)
	return n, s, err
}

// The query's amount has no currency. It refutes a notice of an amount other than the
// order's only if it equals the order's.
func TestTheQueryRefutesOnlyAnotherAmount(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		w, o := newWire(signType), testOrder() // 12.34 USD
		for name, x := range map[string]struct {
			notice  map[string]string
			query   string // total_fee
			refuted bool
		}{
			"the order's amount, and the query's is the same": {nil, "12.34", false},
			"the order's amount, and the query's is in yuan":  {nil, "88.12", false},
			"the order's amount, and the query's is missing":  {nil, "", false},
			"another amount, and the query's is the order's": {
				map[string]string{"total_fee": "0.01"}, "12.34",
				true},
			"the same, and the query writes it otherwise": {map[string]string{"total_fee": "0.01"}, "12.340",
				true},
			"another currency, and the query's is the order's": {map[string]string{"currency": "HKD"},
				"12.34", true},
			"another amount, and the query's is the notice's": {
				map[string]string{"total_fee": "0.01"}, "0.01",
				false},
			"another amount, and the query's is neither": {map[string]string{"total_fee": "0.01"}, "88.12",
				false},
			"another amount, and the query's cannot be read": {
				map[string]string{"total_fee": "0.01"}, "12,34",
				false},
			"another amount, and the query's has fewer figures": {
				map[string]string{"total_fee": "1.00"}, "12.34",
				true},
		} {
			t.Run(string(signType)+"/"+name, func(t *testing.T) {
				m := payment(o)
				maps.Copy(m, x.notice)
				n, s, err := w.confirmed(t, m, o,
					w.query(o, "TRADE_FINISHED", map[string]string{"total_fee": x.query}))
				if x.refuted != rejected(err) || !x.refuted && (err != nil || s != n.State) {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
	}
}

func TestARefundsNoticeIsConfirmedByItsQuery(t *testing.T) {
	w, o := newWire(mapi.MD5), testOrder()
	const id = "20260102100001000000000007"
	answer := func(result string, set map[string]string) string {
		all := map[string]string{"out_trade_no": o.Number, "out_return_no": id,
			"trade_no": wallettest.TradeNo, "refund_result_code": result, "refund_error_code": ""}
		maps.Copy(all, set)
		return w.answer("refund_query.xml", all)
	}
	stands := func(err error) bool { return err == nil }
	for name, x := range map[string]struct {
		status, trade string
		answer        string
		want          func(error) bool
	}{
		"done": {"REFUND_SUCCESS", "", answer("SUCCESS", nil), stands},
		"done, under the same trade": {"REFUND_SUCCESS", wallettest.TradeNo,
			answer("SUCCESS", nil), stands},
		"done, under another trade":          {"REFUND_SUCCESS", "9", answer("SUCCESS", nil), rejected},
		"done, while it is being worked on":  {"REFUND_SUCCESS", "", answer("PROCESSING", nil), rejected},
		"done, while it has failed":          {"REFUND_SUCCESS", "", answer("FAILED", nil), rejected},
		"done, by an unlisted answer":        {"REFUND_SUCCESS", "", answer("SUSPENDED", nil), unlistedError},
		"unlisted, by an unlisted answer":    {"REFUND_MAYBE", "", answer("SUSPENDED", nil), stands},
		"unlisted, while it is worked on":    {"REFUND_MAYBE", "", answer("PROCESSING", nil), stands},
		"unlisted, while it is done":         {"REFUND_MAYBE", "", answer("SUCCESS", nil), rejected},
		"unlisted, while the wallet is mute": {"REFUND_MAYBE", "", "", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			m := mapi.Message{"notify_type": "refund_status_sync", "notify_id": "1",
				"notify_time":  "2026-01-02 03:04:05",
				"out_trade_no": o.Number, "out_return_no": id, "refund_status": x.status, "trade_no": x.trade}
			if x.trade == "" {
				delete(m, "trade_no")
			}
			if _, s, err := w.confirmed(t, m, o, x.answer); !x.want(err) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

func unlistedError(err error) bool {
	return errors.Is(err, wallet.ErrUnlisted) && errors.Is(err, wallet.ErrUnknown)
}

// The wallet also closes a trade once all of its money is refunded. Such a notice is
// genuine, and says that the order was paid and refunded.
func TestARefundedTradesNoticeIsNoForgery(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		w, o := newWire(signType), testOrder()
		m := payment(o)
		m["trade_status"] = "TRADE_CLOSED"
		_, s, err := w.confirmed(t, m, o,
			w.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"}))
		if err != nil || s.Outcome != wallet.Paid || !s.GivenBack || s.TradeNo != wallettest.TradeNo {
			t.Errorf("%s: %+v, %v", signType, s, err)
		}
	}
}
