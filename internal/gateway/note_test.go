package gateway

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

// An order can have a hundred notes, also if a merchant sends many at once. Its other
// events are still written.
func TestAnOrderKeepsSoManyNotesAndNoMore(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p, other := h.paid("A-1"), h.paid("A-2")
		for n := range MaxNotes - 2 {
			if err := h.Note(t.Context(), h.credential, p.ID, fmt.Sprint("note ", n)); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for n := range errs {
			wg.Go(func() { errs[n] = h.Note(t.Context(), h.credential, p.ID, fmt.Sprint("at once ", n)) })
		}
		wg.Wait()
		kept := 0
		for _, err := range errs {
			var refused *pay.Error
			switch {
			case err == nil:
				kept++
			case !errors.As(err, &refused) || refused.Code != pay.BadParameter || refused.Field != "note" ||
				!strings.Contains(refused.Message, "100 notes"):
				t.Errorf("got %v", err)
			}
		}
		if kept != 2 {
			t.Errorf("%d of 6 were kept where there was room for 2", kept)
		}
		if _, _, err := h.Refund(t.Context(), h.refundRequest(p, "R-1", 1)); err != nil {
			t.Error(err)
		}
		events, err := h.Store.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		notes := 0
		for i, e := range events {
			if e.Seq != i+1 {
				t.Errorf("event %d has number %d", i+1, e.Seq)
			}
			if e.Kind == "note" {
				notes++
			}
		}
		if notes != MaxNotes || len(events) != 1+MaxNotes+2 {
			t.Errorf("%d notes among %d events", notes, len(events))
		}
		if err := h.Note(t.Context(), h.credential, other.ID, "another order's"); err != nil {
			t.Error(err)
		}
	})
}
