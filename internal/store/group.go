package store

import (
	"context"
	"sync"
	"time"
)

// atMost is how many changes are committed together.
const atMost = 256

// group hands waiting items to run, up to atMost at a time. run must answer each of
// them. While run is busy, new items queue up, so groups grow with the load, and a
// single caller waits for nobody.
type group[T any] struct {
	in      chan T // unbuffered: an item that was not taken has not begun
	quit    chan struct{}
	done    chan struct{}
	running sync.WaitGroup
}

// newGroup returns a group whose runs follow one another. If overtake is above
// zero, the next run no longer waits for one that takes longer than that: its
// connection may hang.
func newGroup[T any](overtake time.Duration, run func([]T)) *group[T] {
	g := &group[T]{in: make(chan T), quit: make(chan struct{}), done: make(chan struct{})}
	go g.loop(overtake, run)
	return g
}

func (g *group[T]) loop(overtake time.Duration, run func([]T)) {
	defer close(g.done)
	batch := make([]T, 0, atMost)
	for {
		select {
		case first := <-g.in:
			batch = append(batch, first)
		case <-g.quit:
			return
		}
	fill:
		for len(batch) < atMost {
			select {
			case next := <-g.in:
				batch = append(batch, next)
			default:
				break fill
			}
		}
		if g.waits(overtake, run, batch) {
			clear(batch)
			batch = batch[:0]
		} else {
			batch = make([]T, 0, atMost) // run still uses the other one
		}
	}
}

// waits runs a batch and reports whether the run has ended.
func (g *group[T]) waits(overtake time.Duration, run func([]T), batch []T) bool {
	if overtake == 0 {
		run(batch)
		return true
	}
	ended := make(chan struct{})
	g.running.Go(func() {
		run(batch)
		close(ended)
	})
	slow := time.NewTimer(overtake)
	defer slow.Stop()
	select {
	case <-ended:
		return true
	case <-slow.C:
		return false
	}
}

// hand gives t to the group. If it returns an error, t has not begun and never
// will.
func (g *group[T]) hand(ctx context.Context, t T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.in <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.quit:
		return ErrClosed
	}
}

// close waits for the runs under way and takes no more items.
func (g *group[T]) close() {
	close(g.quit)
	<-g.done
	g.running.Wait()
}
