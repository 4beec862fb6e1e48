package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// outage has the database fail from its n-th statement on, until it is over.
type outage struct {
	mu   sync.Mutex
	left int // statements until then; 0: no outage is planned
	err  error
	hit  bool
}

func (f *outage) before(statement string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hit && statement != "ROLLBACK" { // which a connection that breaks does by itself
		return f.err
	}
	if f.left > 0 {
		if f.left--; f.left == 0 && statement != "ROLLBACK" {
			f.hit = true
			return f.err
		}
	}
	return nil
}

func (f *outage) begin(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.err, f.hit = n, err, false
}

// end reports whether the outage was met.
func (f *outage) end() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	hit := f.hit
	f.left, f.hit = 0, false
	return hit
}

// kept is what the harness has stored of a merchant's orders, in words.
func (h *harness) kept(t *testing.T) (words []string) {
	t.Helper()
	scope := pay.Scope{MerchantID: "100001", AppCode: "plain"}
	payments, err := h.Store.Payments(t.Context(), store.Filter{Scope: scope, Limit: 10_000})
	must(t, err)
	for _, p := range payments {
		words = append(words, fmt.Sprint(p.ID, p.OrderNo, p.Status, p.CloseID, p.Checkout))
		refunds, err := h.Store.RefundsOf(t.Context(), p.MerchantID, p.ID)
		must(t, err)
		for _, r := range refunds {
			words = append(words, fmt.Sprint(r.ID, r.OrderNo, r.Status))
		}
		events, err := h.Store.Events(t.Context(), p.MerchantID, p.ID)
		must(t, err)
		for _, e := range events {
			words = append(words, fmt.Sprint(p.ID, e.Kind, e.Number, e.RefundID, e.Note))
		}
	}
	slices.Sort(words)
	return words
}

// notKnown are the codes after which a merchant asks or repeats. 1297 says more: nothing of
// the request was stored.
var notKnown = []string{"1102", "1145", "1252", "1297", "1298"}

// Whichever statement the database fails at, for the rest of the request: no merchant reads
// that it failed, and none that it was not stored while it was; and the same request again
// carries it out once.
func TestTroubleAtAnyStatementIsNotAFailure(t *testing.T) {
	for cause, err := range map[string]error{
		"unavailable":    fmt.Errorf("no connection: %w", store.ErrUnavailable),
		"not understood": errors.New("odd"),
	} {
		for name, c := range map[string]struct {
			prepare func(t *testing.T, h *harness, number string) string
			call    func(t *testing.T, h *harness, number, syssn string) reply
		}{
			"a new order": {nil,
				func(t *testing.T, h *harness, number, _ string) reply {
					return h.pay(t, "out_trade_no", number)
				}},
			"the same order again": {
				func(t *testing.T, h *harness, number string) string {
					return h.pay(t, "out_trade_no", number).get("syssn")
				},
				func(t *testing.T, h *harness, number, _ string) reply { return h.pay(t, "out_trade_no", number) },
			},
			"the same order again, whose pay type was switched off": {
				func(t *testing.T, h *harness, number string) string {
					must(t, h.Store.SetWalletAccountDisabled(t.Context(), "100001", "main", false))
					defer func() {
						must(t, h.Store.SetWalletAccountDisabled(t.Context(), "100001", "main", true))
					}()
					return h.pay(t, "out_trade_no", number).get("syssn")
				},
				func(t *testing.T, h *harness, number, _ string) reply { return h.pay(t, "out_trade_no", number) },
			},
			"a new order in the app": {nil, func(t *testing.T, h *harness, number, _ string) reply {
				return h.payInApp(t, "out_trade_no", number)
			}},
			"the same order in the app again, whose wallet was silent": {
				func(t *testing.T, h *harness, number string) string {
					h.window.answers(wallet.ErrUnknown)
					defer h.window.answers(nil)
					defer h.pass(time.Minute)
					return h.payInApp(t, "out_trade_no", number).get("syssn")
				},
				func(t *testing.T, h *harness, number, _ string) reply {
					return h.payInApp(t, "out_trade_no", number)
				},
			},
			"a new refund": {paidFor, func(t *testing.T, h *harness, number, syssn string) reply {
				return h.refund(t, syssn, "R-"+number, "700")
			}},
			"the same refund again": {
				func(t *testing.T, h *harness, number string) string {
					syssn := h.paid(t, number)
					wantCode(t, h.refund(t, syssn, "R-"+number, "1200"), 200, "0000", "")
					return syssn
				},
				func(t *testing.T, h *harness, number, syssn string) reply {
					return h.refund(t, syssn, "R-"+number, "1200")
				},
			},
			"a closing": {
				func(t *testing.T, h *harness, number string) string {
					return h.pay(t, "out_trade_no", number).get("syssn")
				},
				func(t *testing.T, h *harness, number, syssn string) reply { return h.closing(t, syssn) },
			},
			"the same closing again": {
				func(t *testing.T, h *harness, number string) string {
					syssn := h.pay(t, "out_trade_no", number).get("syssn")
					h.closing(t, syssn)
					return syssn
				},
				func(t *testing.T, h *harness, number, syssn string) reply { return h.closing(t, syssn) },
			},
			"a note": {paidFor, func(t *testing.T, h *harness, number, syssn string) reply {
				return h.send(t, "/trade/v1/add_note", "plain",
					map[string]string{"code": "plain", "syssn": syssn, "note": "hello"})
			}},
			"a query": {paidFor, func(t *testing.T, h *harness, number, syssn string) reply {
				return h.send(t, "/trade/v1/query", "plain", map[string]string{"syssn": syssn})
			}},
		} {
			t.Run(cause+"/"+name, func(t *testing.T) {
				database := &outage{}
				h := newHarness(t, func(c *store.Config) { c.Before = database.before })
				for n := 1; ; n++ {
					number, syssn := fmt.Sprint("N-", n), ""
					if c.prepare != nil {
						syssn = c.prepare(t, h, number)
					}
					h.pass(3 * time.Second) // nothing that was read is still believed
					before := h.kept(t)
					database.begin(n, err)
					got := c.call(t, h, number, syssn)
					hit := database.end()
					respcd := got.get("respcd")
					switch {
					case respcd == "0000":
					case !slices.Contains(notKnown, respcd):
						t.Errorf("at statement %d: got %d %s", n, got.status, got.raw)
					case respcd != "1145" && (got.status != 503 || got.header.Get("Retry-After") != "1"):
						t.Errorf("at statement %d: got %d, Retry-After %q, %s", n, got.status,
							got.header.Get("Retry-After"), got.raw)
					case respcd == "1252" && cause == "unavailable", name == "a query" && respcd == "1298":
						t.Errorf("at statement %d: more is known than %s", n, got.raw)
					case respcd == "1297":
						if added := slices.DeleteFunc(h.kept(t),
							func(s string) bool { return slices.Contains(before, s) }); len(added) > 0 {
							t.Errorf("at statement %d: got %s, yet stored %q", n, got.raw, added)
						}
					}
					h.pass(time.Minute) // so that a wallet is asked again
					again := c.call(t, h, number, syssn)
					if code := again.get("respcd"); code != "0000" && code != "1145" {
						t.Errorf("at statement %d: the same again after %s: got %s", n, respcd, again.raw)
					}
					if !hit {
						if n < 3 {
							t.Error("there are hardly any statements: the test is worth nothing")
						}
						break
					}
				}
				seen := map[string]int{}
				for _, line := range h.kept(t) {
					for _, what := range []string{"refund_asked", "close_asked", "registered"} {
						if id, _, is := strings.Cut(line, what); is {
							if seen[id+what]++; seen[id+what] > 1 {
								t.Errorf("%s twice of %s", what, id)
							}
						}
					}
				}
			})
		}
	}
}

func paidFor(t *testing.T, h *harness, number string) string { return h.paid(t, number) }

func (h *harness) closing(t *testing.T, syssn string) reply {
	t.Helper()
	return h.send(t, "/trade/v1/close", "plain",
		map[string]string{"syssn": syssn, "txamt": "1200", "txdtm": "2026-01-03 00:00:00"})
}
