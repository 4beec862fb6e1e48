package pay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The legal moves are those that docs/states.md lists.
func TestMovesAreThoseOfTheTable(t *testing.T) {
	payments := documented(t, "# States of a payment")
	statuses := []Status{Created, Pending, Paid, Failed, Closed, Expired}
	legal := map[string]bool{}
	for _, from := range statuses {
		for _, to := range statuses {
			if from.CanBecome(to) {
				legal[string(from)+" → "+string(to)] = true
			}
		}
	}
	if diff := cmp.Diff(payments, legal); diff != "" {
		t.Errorf("payments: -docs/states.md +code:\n%s", diff)
	}

	refunds := map[string]bool{}
	for _, from := range []RefundStatus{RefundPending, RefundSucceeded, RefundFailed} {
		for _, to := range []RefundStatus{RefundPending, RefundSucceeded, RefundFailed} {
			if from.CanBecome(to) {
				refunds[string(from)+" → "+string(to)] = true
			}
		}
	}
	if diff := cmp.Diff(documented(t, "# States of a refund"), refunds); diff != "" {
		t.Errorf("refunds: -docs/states.md +code:\n%s", diff)
	}

	orphans := map[string]bool{}
	for _, from := range OrphanStates {
		for _, to := range OrphanStates {
			if from.CanBecome(to) {
				orphans[string(from)+" → "+string(to)] = true
			}
		}
	}
	if diff := cmp.Diff(documented(t, "# States of an orphan"), orphans); diff != "" {
		t.Errorf("orphans: -docs/states.md +code:\n%s", diff)
	}
}

var state = regexp.MustCompile("`([a-z ]+)`")

// documented reads the moves from the first table of a chapter of docs/states.md. It
// skips the moves that begin with "–", which create a row.
func documented(t *testing.T, chapter string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), chapter+"\n")
	_, table, headed := strings.Cut(rest, "| from | to |")
	if !found || !headed {
		t.Fatalf("docs/states.md has no table under %q", chapter)
	}
	moves := map[string]bool{}
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		for _, from := range state.FindAllStringSubmatch(cells[1], -1) {
			for _, to := range state.FindAllStringSubmatch(cells[2], -1) {
				moves[from[1]+" → "+to[1]] = true
			}
		}
	}
	if len(moves) < 2 {
		t.Fatalf("%s: only the moves %v", chapter, moves)
	}
	return moves
}

func TestOpen(t *testing.T) {
	for s, want := range map[Status]bool{Created: true, Pending: true, Paid: false,
		Failed: false, Closed: false, Expired: false, "": false} {
		if s.Open() != want || s.Known() != (s != "") {
			t.Errorf("%q: open %t, known %t", s, s.Open(), s.Known())
		}
	}
	for s, want := range map[RefundStatus]bool{RefundPending: true, RefundSucceeded: true, RefundFailed: true,
		"done": false} {
		if s.Known() != want {
			t.Errorf("%q: known %t", s, s.Known())
		}
	}
}

func TestGoesBack(t *testing.T) {
	p := func(status Status, late bool, reserved, refunded int64) Payment {
		return Payment{Status: status, Late: late, Amount: Amount{100, "HKD"}, Reserved: reserved,
			Refunded: refunded}
	}
	for _, c := range []struct {
		name string
		p    Payment
		want bool
	}{
		{"paid", p(Paid, false, 0, 0), false},
		{"refunded in full", p(Paid, false, 100, 100), true},
		{"refunded in part", p(Paid, false, 100, 1), false},
		{"a refund of all is pending", p(Paid, false, 100, 0), false},
		{"late", p(Paid, true, 0, 0), false},
		{"late, all of it set aside", p(Paid, true, 100, 0), true},
		{"late, a part of it set aside", p(Paid, true, 50, 0), false},
		{"late, refunded in part by the merchant", p(Paid, true, 100, 50), false},
		{"late, refunded in full", p(Paid, true, 100, 100), true},
		{"not paid", p(Closed, false, 100, 100), false},
	} {
		if got := c.p.GoesBack(); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestAutomatic(t *testing.T) {
	if !(Refund{ID: "R", OrderNo: "R"}).Automatic() || (Refund{ID: "R", OrderNo: "1"}).Automatic() {
		t.Error("a refund is automatic if its number is its own id")
	}
	if (Orphan{}).IsRefund() || !(Orphan{RefundID: "R"}).IsRefund() {
		t.Error("an orphan is a refund if it has a refund's number")
	}
}
