package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// member is one change that waits to be committed with others.
type member interface {
	begin() bool // reports false if the caller has gone
	give(error)
}

// answer is what the caller of a member waits for.
type answer struct {
	hold hold
	yes  bool // the change was made; false with no error if its condition did not hold
	err  error
	done chan struct{}
}

func newAnswer() answer { return answer{done: make(chan struct{})} }

func (a *answer) begin() bool { return a.hold.begin() }

func (a *answer) give(err error) {
	a.err = err
	close(a.done)
}

// submit hands m to a group and waits for its answer a until the deadline. A member
// that has not begun when the deadline or ctx ends never begins.
func submit[T member](
	ctx context.Context, deadline time.Duration, g *group[T], m T, a *answer,
) (bool, error) {
	bound, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if err := g.hand(bound, m); err != nil {
		return false, unavailable(err)
	}
	select {
	case <-a.done:
		return a.yes, a.err
	case <-bound.Done():
		if a.hold.giveUp() {
			return false, tooLate(bound.Err())
		}
	}
	select {
	case <-a.done:
		return a.yes, a.err
	case <-whole.Done():
	}
	if a.hold.leave() == waiting {
		return false, tooLate(whole.Err())
	}
	return false, fmt.Errorf("%w: %w", ErrOutcomeUnknown, whole.Err())
}

// commitGroup commits a batch as one transaction. If the server refuses it, each
// member is tried alone, so that only the bad ones fail. One deadline covers all of
// that, so that the next group does not wait longer.
func commitGroup[T member](e *postgresEngine, batch []T, commit func(context.Context, *sql.Conn, []T) error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.deadline)
	defer cancel()
	try := func(some []T) error {
		return e.alone(ctx, func(conn *sql.Conn) error { return commit(ctx, conn, some) })
	}
	var begun []T
	err := e.alone(ctx, func(conn *sql.Conn) error {
		for _, m := range batch {
			if m.begin() {
				begun = append(begun, m)
			}
		}
		if len(begun) == 0 {
			return nil
		}
		return commit(ctx, conn, begun)
	})
	if len(begun) == 0 {
		begun = batch // there was no connection, or nobody waits for an answer
	}
	alone := err != nil && len(begun) > 1 && refusedByServer(err)
	for _, m := range begun {
		if alone {
			err = try([]T{m})
		}
		m.give(err)
	}
}
