package simulator

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// afternoon plays ten buyers at a wallet and returns the faults drawn for their orders.
func afternoon(t *testing.T, percent int, seed uint64) (mishaps [][]Mishap) {
	liveAt(t, percent, seed, func(h *harness) {
		for i := range 10 {
			number := fmt.Sprintf("T-%d", i)
			h.does(h.open(orderFor(number)), Pay, "mei")
			settleFor(time.Minute)
			h.answers(number, 3)
			mishaps = append(mishaps, h.sim.orders[orderKey{testPartner, number}].mishaps)
		}
	})
	return mishaps
}

// answers queries an order until it has this number of answers, right or faulty, and returns how
// many gave the trade's true state.
func (h *harness) answers(number string, times int) (right int) {
	h.t.Helper()
	m := mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8",
		"out_trade_no": number}
	for range times {
		if doc, whole := h.try(m); whole && strings.Contains(doc, "<trade_status>TRADE_FINISHED<") {
			right++
		}
	}
	return right
}

// try calls the gateway, which may cut off its answer.
func (h *harness) try(m mapi.Message) (doc string, whole bool) {
	rec := httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			doc, whole = rec.Body.String(), false
		}
	}()
	h.sim.Wallet().ServeHTTP(rec, httptest.NewRequest("GET", "/gateway.do?"+signed(h.t, m).Encode(), nil))
	return rec.Body.String(), rec.Code == 200
}

func TestSeedReproducesMishaps(t *testing.T) {
	first, again, other := afternoon(t, 50, 7), afternoon(t, 50, 7), afternoon(t, 50, 8)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("replayed (-first +again):\n%s", diff)
	}
	if cmp.Equal(first, other) {
		t.Error("another seed draws the same faults")
	}
	if n := len(slices.Concat(first...)); n < 10 || n > 50 {
		t.Errorf("%d faults on 60 occasions, at 50 %%", n)
	}
	if quiet := slices.Concat(afternoon(t, 0, 7)...); len(quiet) != 0 {
		t.Errorf("at 0 %%: %v", quiet)
	}
}

func TestDrawnFaultsAreBenignAndAsFrequentAsSet(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Awkward = 20 })
	for on, want := range map[Occasion][]Fault{
		OnNotice: {Duplicate, Early, Forged, Late, NoticeGBK, Reordered, Shuffled, UnknownField},
		OnReturn: {NotifyFirst, ReturnFirst},
		OnQuery:  {Query500, QueryCut, QueryGBK, QuerySlow, QueryUnknown, Shuffled, UnknownField},
		OnVerify: {Query500, QueryCut, QuerySlow},
	} {
		var drawn []Fault
		for place := range 5000 {
			drawn = append(drawn, h.sim.pickFault(&order{place: place}, on, 1)...)
		}
		if n := len(drawn); n < 900 || n > 1100 {
			t.Errorf("%s: %d faults on 5000 occasions, want a fifth", on, n)
		}
		slices.Sort(drawn)
		if got := slices.Compact(drawn); !slices.Equal(got, want) {
			t.Errorf("%s: drew %v, want %v", on, got, want)
		}
	}
}

// Whatever is drawn, the money is right: one trade of the full amount, with a genuine notification
// within the minute, and every fourth answer says so.
func TestWalletIsHonestAtFullAwkwardness(t *testing.T) {
	for seed := range uint64(40) {
		liveAt(t, 100, seed, func(h *harness) {
			h.does(h.open(orderFor("T-1")), Pay, "mei")
			settleFor(59 * time.Second)
			o := h.sim.orders[orderKey{testPartner, "T-1"}]
			if len(o.trades) != 1 || o.trade().Total.Minor != 1234 {
				h.t.Fatalf("seed %d: trades %+v", seed, o.trades)
			}
			genuine := 0
			for _, r := range h.shop.all() {
				if r.body.Verify(testKeys) != nil {
					continue
				}
				if r.body["total_fee"] != "12.34" || r.body["trade_no"] != o.trade().TradeNo {
					h.t.Errorf("seed %d: a genuine notification says %v", seed, r.body)
				}
				if r.body["trade_status"] == "TRADE_FINISHED" {
					genuine++
				}
			}
			if genuine == 0 {
				h.t.Errorf("seed %d: no genuine notification", seed)
			}
			if h.answers("T-1", 4) == 0 {
				h.t.Errorf("seed %d: four answers, none of them right", seed)
			}
		})
	}
}

func TestAwkwardWalletVerifiesItsNotifications(t *testing.T) {
	met := map[Fault]bool{}
	for seed := range uint64(20) {
		liveAt(t, 100, seed, func(h *harness) {
			h.does(h.open(orderFor("T-1")), Pay, "mei")
			settleFor(31 * time.Second)
			o := h.sim.orders[orderKey{testPartner, "T-1"}]
			plain := o.notices[slices.IndexFunc(o.notices, func(n *Notice) bool { return n.Extra == "" })]
			for nth := range badQueryLimit + 1 {
				began := time.Now()
				answer, whole := h.try(mapi.Message{"service": notifyVerify, "partner": testPartner,
					"notify_id": plain.NotifyID})
				if nth == badQueryLimit {
					if !whole || answer != "true" {
						h.t.Errorf("seed %d: the last answer is %q", seed, answer)
					}
					continue
				}
				f := o.mishaps[len(o.mishaps)-1].Fault
				met[f] = true
				if slow := time.Since(began) == drawnSlow; slow != (f == QuerySlow) || whole != slow {
					h.t.Errorf("seed %d: %s: %q after %s", seed, f, answer, time.Since(began))
				}
			}
		})
	}
	if len(met) != 3 {
		t.Errorf("only %v occurred", met)
	}
}

// docs/simulator.md has the table of faults.
func TestManualListsEveryFault(t *testing.T) {
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Faults {
		drawn := ""
		if f.Benign {
			drawn = "✔"
		}
		row := fmt.Sprintf("| `%s` | %d | %s | %s |", f.Fault, f.Amount, drawn, f.Text)
		if !strings.Contains(string(manual), row) {
			t.Errorf("missing: %s", row)
		}
	}
}
