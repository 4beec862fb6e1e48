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

// afternoon plays ten buyers at a wallet and returns what befell their orders.
func afternoon(t *testing.T, percent int, seed uint64) (befallen [][]Mishap) {
	liveAt(t, percent, seed, func(w *world) {
		for i := range 10 {
			number := fmt.Sprintf("T-%d", i)
			w.does(w.open(orderFor(number)), Pay, "mei")
			settleFor(time.Minute)
			w.answers(number, 3)
			befallen = append(befallen, w.sim.orders[orderKey{testPartner, number}].mishaps)
		}
	})
	return befallen
}

// answers asks for an order until it was answered so often, well or badly, and
// returns how often the answer was the trade's true state.
func (w *world) answers(number string, times int) (right int) {
	w.t.Helper()
	m := mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8", "out_trade_no": number}
	for range times {
		if doc, whole := w.try(m); whole && strings.Contains(doc, "<trade_status>TRADE_FINISHED<") {
			right++
		}
	}
	return right
}

// try calls the gateway, which may break off in its answer.
func (w *world) try(m mapi.Message) (doc string, whole bool) {
	rec := httptest.NewRecorder()
	defer func() {
		if recover() != nil {
			doc, whole = rec.Body.String(), false
		}
	}()
	w.sim.Wallet().ServeHTTP(rec, httptest.NewRequest("GET", "/gateway.do?"+signed(w.t, m).Encode(), nil))
	return rec.Body.String(), rec.Code == 200
}

func TestTheSameSeedBringsTheSameMishaps(t *testing.T) {
	first, again, other := afternoon(t, 50, 7), afternoon(t, 50, 7), afternoon(t, 50, 8)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("replayed (-first +again):\n%s", diff)
	}
	if cmp.Equal(first, other) {
		t.Error("another seed brings the same mishaps")
	}
	if n := len(slices.Concat(first...)); n < 10 || n > 50 {
		t.Errorf("%d mishaps on 60 occasions, at 50 %%", n)
	}
	if quiet := slices.Concat(afternoon(t, 0, 7)...); len(quiet) != 0 {
		t.Errorf("at 0 %%: %v", quiet)
	}
}

func TestMishapsComeAsOftenAsAskedForAndAreAllBenign(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Awkward = 20 })
	for on, want := range map[Occasion][]Fault{
		OnNotice: {Duplicate, Early, Forged, Late, NoticeGBK, Reordered, Shuffled, UnknownField},
		OnReturn: {NotifyFirst, ReturnFirst},
		OnQuery:  {Query500, QueryCut, QueryGBK, QuerySlow, QueryUnknown, Shuffled, UnknownField},
		OnVerify: {Query500, QueryCut, QuerySlow},
	} {
		var drawn []Fault
		for place := range 5000 {
			drawn = append(drawn, w.sim.pickFault(&order{place: place}, on, 1)...)
		}
		if n := len(drawn); n < 900 || n > 1100 {
			t.Errorf("%s: %d mishaps of 5000, want a fifth", on, n)
		}
		slices.Sort(drawn)
		if got := slices.Compact(drawn); !slices.Equal(got, want) {
			t.Errorf("%s: drew %v, want %v", on, got, want)
		}
	}
}

// Whatever is drawn, the money is right: one trade of the whole amount, notified
// truly within the minute, and every fourth answer says so.
func TestEvenAWhollyAwkwardWalletIsHonest(t *testing.T) {
	for seed := range uint64(40) {
		liveAt(t, 100, seed, func(w *world) {
			w.does(w.open(orderFor("T-1")), Pay, "mei")
			settleFor(59 * time.Second)
			o := w.sim.orders[orderKey{testPartner, "T-1"}]
			if len(o.trades) != 1 || o.trade().Total.Minor != 1234 {
				w.t.Fatalf("seed %d: trades %+v", seed, o.trades)
			}
			told := 0
			for _, r := range w.shop.all() {
				if r.body.Verify(testKeys) != nil {
					continue
				}
				if r.body["total_fee"] != "12.34" || r.body["trade_no"] != o.trade().TradeNo {
					w.t.Errorf("seed %d: a genuine notification says %v", seed, r.body)
				}
				if r.body["trade_status"] == "TRADE_FINISHED" {
					told++
				}
			}
			if told == 0 {
				w.t.Errorf("seed %d: nobody was told", seed)
			}
			if w.answers("T-1", 4) == 0 {
				w.t.Errorf("seed %d: four answers and no truth", seed)
			}
		})
	}
}

func TestAnAwkwardWalletVouchesForItsNotificationsInTheEnd(t *testing.T) {
	met := map[Fault]bool{}
	for seed := range uint64(20) {
		liveAt(t, 100, seed, func(w *world) {
			w.does(w.open(orderFor("T-1")), Pay, "mei")
			settleFor(31 * time.Second)
			o := w.sim.orders[orderKey{testPartner, "T-1"}]
			plain := o.notices[slices.IndexFunc(o.notices, func(n *Notice) bool { return n.Extra == "" })]
			for nth := range badQueryLimit + 1 {
				began := time.Now()
				answer, whole := w.try(mapi.Message{"service": notifyVerify, "partner": testPartner, "notify_id": plain.NotifyID})
				if nth == badQueryLimit {
					if !whole || answer != "true" {
						w.t.Errorf("seed %d: the last answer is %q", seed, answer)
					}
					continue
				}
				f := o.mishaps[len(o.mishaps)-1].Fault
				met[f] = true
				if slow := time.Since(began) == drawnSlow; slow != (f == QuerySlow) || whole != slow {
					w.t.Errorf("seed %d: %s: %q after %s", seed, f, answer, time.Since(began))
				}
			}
		})
	}
	if len(met) != 3 {
		t.Errorf("met only %v", met)
	}
}

// docs/simulator.md lists the faults as they are.
func TestTheManualListsEveryFault(t *testing.T) {
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Faults {
		drawn := ""
		if f.Benign {
			drawn = "✔"
		}
		if row := fmt.Sprintf("| `%s` | %d | %s | %s |", f.Fault, f.Amount, drawn, f.Text); !strings.Contains(string(manual), row) {
			t.Errorf("missing: %s", row)
		}
	}
}
