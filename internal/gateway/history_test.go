package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// step is something that happens. A history is a list of steps. It determines
// everything, so that it can be repeated.
type step struct {
	Do      string   `json:"do"`
	On      int      `json:"on,omitempty"`      // the replica, 0 or 1
	Order   int      `json:"order,omitempty"`   // the merchant's number
	N       int      `json:"n,omitempty"`       // which refund or which notice of it
	Amount  int64    `json:"amount,omitempty"`  // of a refund; of an order, the difference to the usual one
	Minutes int      `json:"minutes,omitempty"` // to wait; the clock is set back if negative
	Force   bool     `json:"force,omitempty"`   // buy what is closed or paid; send a false notice
	Wallet  []string `json:"wallet,omitempty"`  // how the wallet handles the calls, in turn
	Shop    []string `json:"shop,omitempty"`    // how the merchant answers notifications, in turn
	// At is a moment in the step, from 1: before a statement or a call to the wallet.
	At   int   `json:"at,omitempty"`
	Then *step `json:"then,omitempty"` // what the other replica does then; without it the process dies
}

// The kinds of steps.
const (
	place   = "place"   // the merchant sends an order, or repeats it
	open    = "open"    // the buyer opens the link
	buy     = "buy"     // the buyer pays
	notify  = "notify"  // the wallet sends a notice
	refund  = "refund"  // the merchant sends a refund, or repeats it
	shut    = "shut"    // the merchant closes the order
	query   = "query"   // the merchant queries
	looking = "look"    // the gateway makes the inquiries that are due
	deliver = "deliver" // the gateway sends the notifications that are due
	wait    = "wait"    // time passes
	wink    = "wink"    // three seconds pass
	restart = "restart" // a process is stopped and started
)

// often lists each kind as often as it is drawn.
var often = slices.Concat(
	slices.Repeat([]string{place, open, buy, notify}, 3), []string{refund, refund, refund, refund, refund},
	slices.Repeat([]string{shut, query, deliver, wait}, 2), slices.Repeat([]string{looking}, 4),
	[]string{wink, restart},
)

func drawStep(nested bool) *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		st := step{Do: rapid.SampledFrom(often).Draw(t, "do"), On: rapid.IntRange(0, 1).Draw(t, "on")}
		if nested && st.Do == restart {
			st.Do = looking
		}
		switch st.Do {
		case place, open, buy, notify, refund, shut, query:
			st.Order = rapid.IntRange(0, 2).Draw(t, "order")
		}
		switch st.Do {
		case place:
			st.Amount = rapid.SampledFrom([]int64{0, 0, 0, 0, 1}).Draw(t, "differs")
		case refund:
			st.N = rapid.IntRange(0, 3).Draw(t, "n")
			st.Amount = rapid.SampledFrom([]int64{1, 300, 600, price}).Draw(t, "amount")
		case notify:
			st.N, st.Force = rapid.IntRange(0, 3).Draw(t, "n"), rapid.IntRange(0, 5).Draw(t, "lie") == 5
		case buy:
			st.Force = rapid.IntRange(0, 3).Draw(t, "force") == 3
		case wait:
			st.Minutes = rapid.SampledFrom([]int{1, 1, 1, 10, 10, 40, 24 * 60, -2, -15}).Draw(t, "minutes")
		}
		switch st.Do {
		case place, open, notify, refund, shut, query, looking:
			moods := rapid.SampledFrom([]string{"", "", "", unsent, silent, lost, stale, refuse, other})
			st.Wallet = rapid.SliceOfN(moods, 0, 3).Draw(t, "wallet")
		case deliver:
			answers := rapid.SampledFrom([]string{"", "away", "trouble", "cut", "other"})
			st.Shop = rapid.SliceOfN(answers, 0, 3).Draw(t, "shop")
		}
		switch st.Do {
		case place, open, notify, refund, shut, query, looking, deliver:
			if rapid.IntRange(0, 2).Draw(t, "disturbed") == 2 {
				st.At = rapid.SampledFrom([]int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20}).Draw(t, "at")
				if !nested && rapid.Bool().Draw(t, "by another") {
					then := drawStep(true).Draw(t, "then")
					if rapid.Bool().Draw(t, "by the like") {
						then.Do, then.Order = st.Do, st.Order
					}
					st.Then = &then
				}
			}
		}
		return st
	})
}

// TestHistories drives two replicas of the gateway, over a real database, through
// random histories. Merchants repeat, race and close orders. The wallet answers late,
// twice, out of order, wrongly or never, and sends false notices. Crashes and other
// replicas come between any two statements. The clock jumps, and is set back. After each
// history everything settles, and the gateway's books are compared with the wallet's and
// with the notifications to the merchant.
//
// A history that fails is printed, as short as it can be made. It is repeated with
// -history FILE, and kept in testdata/histories.
func TestHistories(t *testing.T) {
	empty, seen := seededDatabase(t), tally{}
	defer func() { t.Log(seen) }()
	rapid.Check(t, func(rt *rapid.T) {
		history := rapid.SliceOfN(drawStep(false), 15, 60).Draw(rt, "history")
		if problems := live(t, empty, history, seen); len(problems) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(problems, "\n"), script(history))
		}
		if seen["histories"]%1000 == 0 {
			t.Logf("%d histories", seen["histories"])
		}
	})
}

var historyFile = flag.String("history", "",
	"a history for TestHistory to repeat, as TestHistories prints them")

func TestHistory(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if *historyFile != "" {
		files = []string{*historyFile}
	}
	empty := seededDatabase(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, problem := range live(t, empty, readScript(t, file), tally{}) {
				t.Error(problem)
			}
		})
	}
}

// live runs a history and returns what went wrong. It runs in a bubble, whose clock jumps
// when everything waits.
func live(t *testing.T, empty string, history []step, seen tally) (problems []string) {
	synctest.Test(t, func(t *testing.T) { problems = happen(t, empty, history, seen) })
	return problems
}

func happen(t *testing.T, empty string, history []step, seen tally) []string {
	h := begin(t, empty, seen)
	defer h.end()
	before := h.stored()
	for n, st := range history {
		h.do(h.replicas[st.On], st)
		after := h.stored()
		h.compare(before, after)
		before = after
		if len(h.problems) > 0 {
			return append(h.problems, fmt.Sprint("after step ", n+1))
		}
	}
	h.audit("in the middle")
	h.settleAll()
	h.compare(before, h.stored())
	h.check()
	h.count(len(history))
	return h.problems
}

// tally counts what happens in the histories, since a history in which nothing happens
// proves nothing.
type tally map[string]int

func (seen tally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&b, "\n%8d %s", seen[what], what)
	}
	return b.String()
}

// script writes a history, one step on each line.
func script(history []step) string {
	var b bytes.Buffer
	for _, st := range history {
		line, err := json.Marshal(st)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// readScript reads what script wrote. Lines that begin with # are comments.
func readScript(t *testing.T, file string) (history []step) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			var st step
			if err := json.Unmarshal([]byte(line), &st); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			history = append(history, st)
		}
	}
	return history
}

// seededDatabase returns a directory with a database that has a merchant.
func seededDatabase(t *testing.T) string {
	t.Helper()
	dir, now := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ctx := context.Background()
	db, err := storetest.Create(ctx, store.Config{
		DSN: "sqlite:" + filepath.Join(dir, "sampan.db"), MasterKey: masterKey, NoSync: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	account := func(id, driver string, payType pay.PayType) pay.WalletAccount {
		return pay.WalletAccount{
			MerchantID: "123456", ID: id, Wallet: driver, PayTypes: []pay.PayType{payType},
			Currencies: []pay.Currency{"HKD"}, CreatedAt: now, UpdatedAt: now,
		}
	}
	c := credential()
	c.CreatedAt = now
	for _, err := range []error{
		db.CreateMerchant(ctx, pay.Merchant{ID: "123456", Name: "Tea House", CreatedAt: now}),
		db.CreateCredential(ctx, c),
		db.PutWalletAccount(ctx, account("main", "offline", pay.AlipayCrossBorder)),
		db.PutWalletAccount(ctx, account("net", "online", pay.AlipayHK)),
		db.PutWalletAccount(ctx, account("page", "paged", pay.AlipayServiceWindow)),
		db.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
