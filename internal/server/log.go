package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sampanpay/sampan/internal/store"
)

// LogHandler is h, but what only follows from a stopped database is a warning:
// the store has logged the one error that somebody must look at.
func LogHandler(h slog.Handler) slog.Handler { return once{h} }

// once writes what only follows from a stopped database as warnings: the store
// has logged the one error that somebody must look at.
type once struct{ slog.Handler }

// Handle implements slog.Handler.
func (h once) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && follows(r) {
		r.Level = slog.LevelWarn
		if !h.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// follows reports whether an error of the record's is that of a stopped database.
func follows(r slog.Record) (yes bool) {
	r.Attrs(func(a slog.Attr) bool {
		err, is := a.Value.Any().(error)
		yes = is && errors.Is(err, store.ErrStopped)
		return !yes
	})
	return yes
}

// WithAttrs implements slog.Handler.
func (h once) WithAttrs(attrs []slog.Attr) slog.Handler { return once{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h once) WithGroup(name string) slog.Handler { return once{h.Handler.WithGroup(name)} }
