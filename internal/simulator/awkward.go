package simulator

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Occasion is a kind of event at which a fault can strike an order.
type Occasion string

// The occasions.
const (
	OnNotice Occasion = "notification"  // the wallet sends a notification
	OnReturn Occasion = "return"        // the browser returns after payment
	OnQuery  Occasion = "query"         // the wallet answers single_trade_query or alipay.trade.query
	OnVerify Occasion = "notify_verify" // the wallet answers notify_verify
	OnRefund Occasion = "refund"        // the wallet answers a refund or a query of one
	OnCreate Occasion = "create"        // the wallet answers alipay.trade.create
	OnClose  Occasion = "close"         // the wallet answers alipay.trade.close
)

// Mishap is a fault that an awkward wallet drew for an order.
type Mishap struct {
	On    Occasion `json:"on"`
	Nth   int      `json:"nth"` // counts the order's occasions of this kind, from 1
	Fault Fault    `json:"fault"`
}

// drawnSlow is the delay of a drawn QuerySlow: slow for a waiting client, and still an answer.
const drawnSlow = 3 * time.Second

// drawFault picks at most one fault for the order's next occasion of a kind, and records it. The
// caller holds s.mu.
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

// pickFault returns the fault of the order's nth occasion of a kind, if any. Awkward is the
// percentage of occasions with a fault; each benign fault that fits is equally likely. Every fourth
// answer is right, so that the truth comes out even at 100 %.
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

// shuffling is what random is used for besides the occasions.
const shuffling Occasion = "shuffling"

// random returns a random source for one occasion. Its seed is made of the configured seed, the
// order's place among all orders and the occasion, so the result does not depend on the order of
// goroutines or on other random numbers.
func (s *Simulator) random(o *order, why Occasion, nth int) *rand.Rand {
	seed := fmt.Appendf(nil, "%d order %d %s %d", s.cfg.Seed, o.place, why, nth)
	return rand.New(rand.NewChaCha8(sha256.Sum256(seed)))
}

// awkwardView shows the settings that reproduce the drawn faults.
type awkwardView struct {
	Percent int    `json:"percent"`
	Seed    uint64 `json:"seed"`
}
