package gateway

import "time"

// The bounds on looks in hand. A wallet that does not answer holds each look for
// WalletTimeout; it must not keep the looks at other wallets waiting.
const (
	looksAtOnce     = 64              // in all
	looksPerClaim   = 8               // taken by one claim
	looksPerAccount = 8               // from which on an account gets no more for now
	slowLook        = 2 * time.Second // after which an account gets no more while one is running
)

// inHand counts the looks that are running, by account. It belongs to Run's
// goroutine; looks tell it of their end through ended.
type inHand struct {
	ended    chan look
	total    int
	accounts map[string]*accountLooks
}

// look is one that has ended.
type look struct {
	account string
	took    time.Duration
}

type accountLooks struct {
	running int
	slow    bool // the last one that ended was
}

// room is how many more may be claimed.
func (h *inHand) room() int { return min(looksAtOnce-h.total, looksPerClaim) }

// full lists the accounts that get no more for now.
func (h *inHand) full() []string {
	var names []string
	for name, a := range h.accounts {
		if a.running >= looksPerAccount || a.slow && a.running > 0 {
			names = append(names, name)
		}
	}
	return names
}

func (h *inHand) begin(account string) {
	if h.accounts == nil {
		h.accounts = map[string]*accountLooks{}
	}
	if h.accounts[account] == nil {
		h.accounts[account] = &accountLooks{}
	}
	h.accounts[account].running++
	h.total++
}

func (h *inHand) end(l look) {
	a := h.accounts[l.account]
	a.running--
	a.slow = l.took >= slowLook
	h.total--
	if a.running == 0 && !a.slow {
		delete(h.accounts, l.account)
	}
}

// collect takes note of all that have ended by now.
func (h *inHand) collect() {
	for len(h.ended) > 0 {
		h.end(<-h.ended)
	}
}
