package checkout

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/web"
)

// A page whose script runs asks for the status and counts the seconds itself.
// Without one the page reloads, and its address says how often it has: that is
// all the memory there is.
const (
	refreshEvery = 3 * time.Second  // at first
	refreshLate  = 15 * time.Second // once it takes long
	refreshes    = 60               // then the buyer may reload by hand
	longWait     = 30 * time.Second // from here on the page explains itself
)

// result is where the wallet sends the browser back to. What the wallet added
// to the address is not read: whether it was paid is learnt from the wallet
// itself. Only the first showing asks it, later ones wait for what is known.
func (c *Checkout) result(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	token := r.PathValue("token")
	from := browserOf(r.UserAgent())
	v := c.view(r, from)
	again, _ := strconv.Atoi(r.FormValue("again"))
	again = min(max(again, 0), refreshes)

	look := c.Payments.Returned
	looks := onlyLooks(r, from)
	if looks || again > 0 {
		look = c.Payments.Lookup
	}
	p, err := look(r.Context(), token)
	entry.Add("syssn", p.ID)
	switch {
	case err != nil:
		c.fail(w, r, v, p, err, entry)
	case looks:
		v.show(w, http.StatusOK, "preview")
	default:
		v.order(p)
		v.keep.Set("again", "1") // no link on this page is a new return from the wallet
		if p.Status.Open() {
			v.follow(token, again, c.ending(p) == "")
		} else {
			v.Leaving = v.ReturnURL != "" && !p.GoesBack() // which is to be read
		}
		v.show(w, http.StatusOK, known(p))
	}
}

// follow makes the page watch a payment whose outcome is to come.
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
