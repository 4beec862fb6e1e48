package store

import (
	"context"
	"sync"
	"time"
)

// atMost is how many changes are committed together.
const atMost = 256

// group hands what is waiting, up to atMost at a time, to run, which must
// answer each. While run is busy the next ones queue up, so the groups grow
// with the load, and one caller alone waits for nobody.
type group[T any] struct {
	in      chan T // unbuffered: what was not taken was not begun
	quit    chan struct{}
	done    chan struct{}
	running sync.WaitGroup
}

// newGroup makes a group whose runs follow one another. With overtake above zero
// one that takes longer than that is no longer waited for by the next: its
// connection may have stopped.
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
			batch = make([]T, 0, atMost) // the other one is still in use
		}
	}
}

// waits runs a batch, and reports whether that has ended.
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

// hand gives t to the group. With an error t was not and will not be begun.
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

// close waits for the groups in hand and takes no more.
func (g *group[T]) close() {
	close(g.quit)
	<-g.done
	g.running.Wait()
}
