package checkout

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/web"
)

// A page's script fetches the status and counts the seconds. Without scripts the
// page reloads, and its address counts how often it did.
const (
	refreshEvery = 3 * time.Second  // at first
	refreshLate  = 15 * time.Second // after longWait
	refreshes    = 60               // afterwards the buyer reloads the page
	longWait     = 30 * time.Second // from here on the page explains the wait
)

// result is the page to which the wallet sends the browser back. It ignores what
// the wallet added to the address, since anybody can write that: the wallet itself
// is asked whether the payment is paid. Only the page's first showing asks; later
// ones show what is known.
func (c *Checkout) result(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	token := r.PathValue("token")
	from := browserOf(r.UserAgent())
	v := c.view(r, from)
	again, _ := strconv.Atoi(r.FormValue("again"))
	again = min(max(again, 0), refreshes)

	look := c.Payments.Returned
	preview := isPreview(r, from)
	if preview || again > 0 {
		look = c.Payments.Lookup
	}
	p, err := look(r.Context(), token)
	entry.Add("syssn", p.ID)
	switch {
	case err != nil:
		c.fail(w, r, v, p, err, entry)
	case preview:
		v.show(w, http.StatusOK, "preview")
	default:
		v.order(p)
		v.keep.Set("again", "1") // no link on this page is a new return from the wallet
		if p.Status.Open() {
			v.follow(token, again, c.ending(p) == "")
		} else {
			v.Leaving = v.ReturnURL != "" && !p.GoesBack() // the buyer must read that the money goes back
		}
		v.show(w, http.StatusOK, buyerStatus(p))
	}
}

// follow makes the page wait for the outcome of a payment.
func (v *view) follow(token string, again int, payable bool) {
	v.Poll = "../pay/" + token + "/status"
	if payable {
		v.Resume = "../pay/" + token + v.query("open", "1", "again", "")
	}
	waited := time.Duration(again) * refreshEvery
	v.Slow = waited >= longWait
	v.SlowAfter = longWait.Milliseconds()
	every := refreshEvery
	if v.Slow {
		every = refreshLate
	}
	if again < refreshes {
		v.Refresh = int(every.Seconds())
		v.Next = v.query("again", strconv.Itoa(again+1))
	}
}
