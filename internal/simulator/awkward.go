package simulator

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Occasion is a kind of moment at which something can go wrong with an order.
type Occasion string

// The occasions.
const (
	OnNotice Occasion = "notification"  // a notification is to be sent
	OnReturn Occasion = "return"        // a buyer who paid is to be sent back
	OnQuery  Occasion = "query"         // single_trade_query or alipay.trade.query is to be answered
	OnVerify Occasion = "notify_verify" // notify_verify is to be answered
	OnRefund Occasion = "refund"        // a refund, or a query of one, is to be answered
	OnCreate Occasion = "create"        // alipay.trade.create is to be answered
	OnClose  Occasion = "close"         // alipay.trade.close is to be answered
)

// Mishap is a fault that an awkward wallet drew for an order.
type Mishap struct {
	On    Occasion `json:"on"`
	Nth   int      `json:"nth"` // of the order's occasions of this kind, from 1
	Fault Fault    `json:"fault"`
}

// drawnSlow is QuerySlow where it was drawn: late for somebody who waits, and
// still an answer.
const drawnSlow = 3 * time.Second

// drawFault draws what goes wrong with an order on its next occasion of a kind:
// one fault or none. s.mu is held.
func (s *Simulator) drawFault(o *order, on Occasion) faultSet {
	o.occasions[on]++
	nth := o.occasions[on]
	fs := s.pickFault(o, on, nth)
	for _, f := range fs {
		o.mishaps = append(o.mishaps, Mishap{on, nth, f})
		s.cfg.Log.Info("simulator: awkward", "out_trade_no", o.key.number, "on", on, "nth", nth, "fault", f)
	}
	return fs
}

// pickFault is what befalls an order on the nth occasion of a kind: any of the
// benign faults that fit, in Awkward of a hundred cases. Every fourth answer is
// right, so that even at 100 % the truth comes out.
func (s *Simulator) pickFault(o *order, on Occasion, nth int) faultSet {
	if answer := on != OnNotice && on != OnReturn; answer && nth%(badQueryLimit+1) == 0 {
		return nil
	}
	dice := s.random(o, on, nth)
	if dice.IntN(100) >= s.cfg.Awkward {
		return nil
	}
	p := s.platform(o.key.partner)
	var fit faultSet
	for _, f := range Faults {
		if f.Benign && slices.Contains(f.On, on) && p.hasFault(f.Fault) {
			fit = append(fit, f.Fault)
		}
	}
	return faultSet{fit[dice.IntN(len(fit))]}
}

// shuffling is what dice are thrown for, besides the occasions.
const shuffling Occasion = "shuffling"

// dice are thrown anew for each occasion, from the seed, the order's place among
// all orders and the occasion alone: what comes up does not depend on which
// goroutine came first, nor on numbers that are drawn elsewhere.
func (s *Simulator) random(o *order, why Occasion, nth int) *rand.Rand {
	seed := fmt.Appendf(nil, "%d order %d %s %d", s.cfg.Seed, o.place, why, nth)
	return rand.New(rand.NewChaCha8(sha256.Sum256(seed)))
}

// awkwardView is how awkward the wallet is, for those who want to see it again.
type awkwardView struct {
	Percent int    `json:"percent"`
	Seed    uint64 `json:"seed"`
}
