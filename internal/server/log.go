package server

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/terminal"
)

// Logger returns the logger that the configuration asks for, which writes to w.
func Logger(c config.Config, w io.Writer) *slog.Logger {
	level, _ := c.Level() // Complete has checked it
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(LogHandler(slog.NewTextHandler(w, options)))
	}
	return slog.New(LogHandler(slog.NewJSONHandler(terminal.ForMachines(w), options)))
}

// LogHandler returns a handler that writes to h, and that turns errors which only
// follow from a stopped database into warnings. The store has logged the one error
// that a person must look at.
func LogHandler(h slog.Handler) slog.Handler { return demoting{h} }

// demoting is the handler of LogHandler.
type demoting struct{ slog.Handler }

// Handle implements slog.Handler.
func (h demoting) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && causedByStop(r) {
		r.Level = slog.LevelWarn
		if !h.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// causedByStop reports whether an attribute of r is the error of a stopped database.
func causedByStop(r slog.Record) (yes bool) {
	r.Attrs(func(a slog.Attr) bool {
		err, is := a.Value.Any().(error)
		yes = is && errors.Is(err, store.ErrStopped)
		return !yes
	})
	return yes
}

// WithAttrs implements slog.Handler.
func (h demoting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoting{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h demoting) WithGroup(name string) slog.Handler { return demoting{h.Handler.WithGroup(name)} }
