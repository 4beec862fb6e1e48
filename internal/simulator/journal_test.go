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
func (h *harness) everything() string {
	h.t.Helper()
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	var b strings.Builder
	for _, o := range h.sim.list {
		raw, err := json.Marshal(h.sim.view(o, true))
		if err != nil {
			h.t.Fatal(err)
		}
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	h := newHarness(t, journaled(dir))
	h.does(h.open(orderFor("T-1")), Pay, "mei")
	h.does(h.open(orderFor("T-2")), InsufficientFunds, "mei")
	cashier := h.open(orderFor("T-3"))
	h.does(cashier, Leave, "mei")
	h.control("POST", "/faults?scope=next&fault=late", "", "")
	h.control("POST", "/faults?out_trade_no=T-3&fault=forged", "", "")
	if _, err := h.sim.send(t.Context(), h.sim.list[0].notices[0].ID, false); err != nil {
		t.Fatal(err)
	}
	before := h.everything()
	if err := h.sim.Close(); err != nil {
		t.Fatal(err)
	}

	h.start()
	if after := h.everything(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	const want = "TRADE_FINISHEDWAIT_BUYER_PAYTRADE_NOT_EXIST"
	if got := h.status("T-1") + h.status("T-2") + h.status("T-3"); got != want {
		t.Errorf("got %s", got)
	}
	h.does(cashier, Pay, "mei")
	if got := h.sim.list[2].notices; len(got) != 3 {
		t.Errorf("the fault was lost: %d notifications", len(got))
	}
	h.open(orderFor("T-4"))
	if got := h.sim.faultsOf(h.sim.list[3]); !got.has(Late) || len(h.sim.faults.Next) != 0 {
		t.Errorf("the next order has %v", got)
	}
	h.now = h.now.Add(12 * time.Hour)
	if got := h.status("T-2"); got != "TRADE_CLOSED" {
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
		h := newHarness(t, func(c *Config) { c.Dir, c.Now = dir, time.Now })
		h.shop.answer = says(500, "")
		began := time.Now()
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		runFor(h, time.Minute)
		h.sim.Close()
		time.Sleep(30 * time.Second)
		h.start()
		runFor(h, 2*time.Minute)
		got := h.shop.all()
		if len(got) != 2 || got[1].at.Sub(began) != 2*time.Minute ||
			got[0].body["notify_id"] != got[1].body["notify_id"] {
			t.Errorf("got %d sends: %v", len(got), got)
		}
	})
}

func TestSendCutByShutdownRepeatsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := newHarness(t, func(c *Config) { c.Dir, c.Now = dir, time.Now })
		h.shop.answer = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil,
				r.Context().Err()
		}
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		runFor(h, time.Second)
		h.sim.Close()
		h.shop.answer = says(200, "success")
		h.start()
		runFor(h, time.Second)
		if got := h.shop.all(); len(got) != 2 {
			t.Errorf("sent %d times", len(got))
		}
	})
}

func TestJournalDropsOnlyACutLastLine(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "simulator.jsonl")
	h := newHarness(t, journaled(dir))
	h.open(orderFor("T-1"))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h.open(orderFor("T-2"))
	h.sim.Close()
	both, _ := os.ReadFile(name)
	for cut := len(whole) + 1; cut < len(both); cut += 97 {
		if err := os.WriteFile(name, both[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		h.start()
		if len(h.sim.list) != 1 {
			t.Fatalf("cut at %d: %d orders", cut, len(h.sim.list))
		}
		h.open(orderFor("T-3"))
		h.sim.Close()
		h.start()
		if len(h.sim.list) != 2 {
			t.Fatalf("cut at %d: the order after the cut is lost", cut)
		}
		h.sim.Close()
	}
	os.WriteFile(name, append([]byte("{\"attempt\":{\n"), both...), 0o600)
	if _, err := New(h.cfg); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged journal is accepted: %v", err)
	}
}

func TestJournalFailureChangesNothing(t *testing.T) {
	h := newHarness(t, journaled(t.TempDir()))
	path := h.open(orderFor("T-1"))
	h.sim.journal.file.Close() // writes fail, as with a full disk
	if rec := post(h.sim.Wallet(), path, "act=pay&buyer=mei"); rec.Code != 500 ||
		!strings.Contains(rec.Body.String(), "SYSTEM_ERROR") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if got := h.status("T-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("got %s", got)
	}
}
