package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// prepared prepares each statement once and keeps it. It is for constant texts, of
// which there is a fixed number. SQLite spends most of a short statement's time on
// parsing.
type prepared struct {
	db         queries.DBTX
	before     func(text string) error // of Config; may be nil
	mu         sync.RWMutex
	statements map[string]*sql.Stmt
}

func newPrepared(db queries.DBTX, before func(string) error) *prepared {
	return &prepared{db: db, before: before, statements: map[string]*sql.Stmt{}}
}

// PrepareContext returns the kept statement. The caller must not close it.
func (p *prepared) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	if p.before != nil {
		if err := p.before(text); err != nil {
			return nil, err
		}
	}
	p.mu.RLock()
	s := p.statements[text]
	p.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.statements[text]; s != nil {
		return s, nil
	}
	s, err := p.db.PrepareContext(ctx, text)
	if err == nil {
		p.statements[text] = s
	}
	return s, err
}

// ExecContext implements queries.DBTX.
func (p *prepared) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements queries.DBTX.
func (p *prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext implements queries.DBTX.
func (p *prepared) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		if p.before != nil {
			return p.failed(ctx, err, text, args...)
		}
		return p.db.QueryRowContext(ctx, text, args...) // only that can make a Row of the error
	}
	return s.QueryRowContext(ctx, args...)
}

// failed returns a Row with the error reason, without running the statement.
func (p *prepared) failed(ctx context.Context, reason error, text string, args ...any) *sql.Row {
	return p.db.QueryRowContext(ended{ctx, reason}, text, args...)
}

// ended is a context that has ended for the given reason. Only package sql can make
// a Row, and only a context's error makes one without running the statement.
type ended struct {
	context.Context
	reason error
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done implements context.Context.
func (ended) Done() <-chan struct{} { return closed }

// Err implements context.Context.
func (e ended) Err() error { return e.reason }

func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
