package work

import (
	"context"
	"log/slog"
	"time"
)

// outage is a time in which the store fails. Its beginning is one error in the
// log, its end one line more.
type outage struct {
	log   *slog.Logger
	name  string
	since time.Time
	tries int
}

// failed returns how long to wait after a failed turn: 100 ms at first, then
// longer, and never more than 1.6 s. Due work is claimed soon after the store is
// back.
func (o *outage) failed(ctx context.Context, err error, now time.Time) time.Duration {
	pause := 100 * time.Millisecond << min(o.tries, 4)
	level := slog.LevelDebug
	if o.tries == 0 {
		o.since, level = now, slog.LevelError
	}
	o.tries++
	o.log.Log(ctx, level, "due work cannot be claimed", "what", o.name, "error", err, "again_in", pause)
	return pause
}

// end is called after each turn that has not failed.
func (o *outage) end(ctx context.Context, now time.Time) {
	if o.tries > 0 {
		o.log.InfoContext(ctx, "due work is claimed again", "what", o.name, "after",
			now.Sub(o.since).Round(time.Millisecond), "tries", o.tries)
	}
	o.tries = 0
}
