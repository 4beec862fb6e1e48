package simulator

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func journaled(dir string) func(*Config) { return func(c *Config) { c.Dir = dir } }

// everything returns all that the control API shows.
func (w *world) everything() string {
	w.t.Helper()
	w.sim.mu.Lock()
	defer w.sim.mu.Unlock()
	var b strings.Builder
	for _, o := range w.sim.list {
		raw, err := json.Marshal(w.sim.view(o, true))
		if err != nil {
			w.t.Fatal(err)
		}
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	w := newWorld(t, journaled(dir))
	w.does(w.open(orderFor("T-1")), Pay, "mei")
	w.does(w.open(orderFor("T-2")), InsufficientFunds, "mei")
	cashier := w.open(orderFor("T-3"))
	w.does(cashier, Leave, "mei")
	w.control("POST", "/faults?scope=next&fault=late", "", "")
	w.control("POST", "/faults?out_trade_no=T-3&fault=forged", "", "")
	if _, err := w.sim.send(t.Context(), w.sim.list[0].notices[0].ID, false); err != nil {
		t.Fatal(err)
	}
	before := w.everything()
	if err := w.sim.Close(); err != nil {
		t.Fatal(err)
	}

	w.start()
	if after := w.everything(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	const want = "TRADE_FINISHEDWAIT_BUYER_PAYTRADE_NOT_EXIST"
	if got := w.status("T-1") + w.status("T-2") + w.status("T-3"); got != want {
		t.Errorf("got %s", got)
	}
	w.does(cashier, Pay, "mei")
	if got := w.sim.list[2].notices; len(got) != 3 {
		t.Errorf("the fault was lost: %d notifications", len(got))
	}
	w.open(orderFor("T-4"))
	if got := w.sim.faultsOf(w.sim.list[3]); !got.has(Late) || len(w.sim.faults.Next) != 0 {
		t.Errorf("the next order has %v", got)
	}
	w.now = w.now.Add(12 * time.Hour)
	if got := w.status("T-2"); got != "TRADE_CLOSED" {
		t.Errorf("the timeout was lost: %s", got)
	}
	info, err := os.Stat(filepath.Join(dir, "simulator.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("journal: %v %v", info.Mode(), err)
	}
}

func TestRestartContinuesRetrySequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, func(c *Config) { c.Dir, c.Now = dir, time.Now })
		w.shop.answer = says(500, "")
		began := time.Now()
		w.does(w.open(orderFor("T-1")), Pay, "mei")
		runFor(w, time.Minute)
		w.sim.Close()
		time.Sleep(30 * time.Second)
		w.start()
		runFor(w, 2*time.Minute)
		got := w.shop.all()
		if len(got) != 2 || got[1].at.Sub(began) != 2*time.Minute ||
			got[0].body["notify_id"] != got[1].body["notify_id"] {
			t.Errorf("got %d sends: %v", len(got), got)
		}
	})
}

func TestSendCutByShutdownRepeatsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, func(c *Config) { c.Dir, c.Now = dir, time.Now })
		w.shop.answer = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil,
				r.Context().Err()
		}
		w.does(w.open(orderFor("T-1")), Pay, "mei")
		runFor(w, time.Second)
		w.sim.Close()
		w.shop.answer = says(200, "success")
		w.start()
		runFor(w, time.Second)
		if got := w.shop.all(); len(got) != 2 {
			t.Errorf("sent %d times", len(got))
		}
	})
}

func TestJournalDropsOnlyACutLastLine(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "simulator.jsonl")
	w := newWorld(t, journaled(dir))
	w.open(orderFor("T-1"))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	w.open(orderFor("T-2"))
	w.sim.Close()
	both, _ := os.ReadFile(name)
	for cut := len(whole) + 1; cut < len(both); cut += 97 {
		if err := os.WriteFile(name, both[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		w.start()
		if len(w.sim.list) != 1 {
			t.Fatalf("cut at %d: %d orders", cut, len(w.sim.list))
		}
		w.open(orderFor("T-3"))
		w.sim.Close()
		w.start()
		if len(w.sim.list) != 2 {
			t.Fatalf("cut at %d: the order after the cut is lost", cut)
		}
		w.sim.Close()
	}
	os.WriteFile(name, append([]byte("{\"attempt\":{\n"), both...), 0o600)
	if _, err := New(w.cfg); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged journal is accepted: %v", err)
	}
}

func TestJournalFailureChangesNothing(t *testing.T) {
	w := newWorld(t, journaled(t.TempDir()))
	path := w.open(orderFor("T-1"))
	w.sim.journal.file.Close() // writes fail, as with a full disk
	if rec := post(w.sim.Wallet(), path, "act=pay&buyer=mei"); rec.Code != 500 ||
		!strings.Contains(rec.Body.String(), "SYSTEM_ERROR") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if got := w.status("T-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("got %s", got)
	}
}
