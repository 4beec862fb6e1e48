package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/sampanpay/sampan/internal/pay"
)

// record is what the log line of a request is made of.
type record struct {
	id      string
	appCode string
}

// trade serves one of the trade API's calls.
func (a *API) trade(p purpose, serve func(context.Context, call, *record) answer) http.Handler {
	return a.observed(a.broken, func(w http.ResponseWriter, r *http.Request, rec *record) answer {
		rec.appCode = clip(r.Header.Get("X-QF-APPCODE"), 64)
		if err := a.Store.Stopped(); err != nil {
			return a.refuse(err, "", rec) // whatever is asked for, and however
		}
		c, err := a.admit(w, r)
		if err == nil {
			err = p.check(c.params)
		}
		if err != nil {
			return a.refuse(err, "", rec)
		}
		return serve(r.Context(), c, rec)
	})
}

// broken answers a merchant after a panic.
func (a *API) broken(err error, rec *record) answer { return a.refuse(err, "", rec) }

// observed gives each request an id, which goes back as X-Request-Id, and a
// line in the log, and answers with broken if serve panics.
func (a *API) observed(broken func(error, *record) answer, serve func(http.ResponseWriter, *http.Request, *record) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.Now()
		rec := &record{id: a.requestID()}
		w.Header().Set("X-Request-Id", rec.id)
		ans := func() (ans answer) {
			defer func() {
				if p := recover(); p != nil {
					ans = broken(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), rec)
				}
			}()
			return serve(w, r, rec)
		}()
		ans.send(w)

		attrs := []slog.Attr{
			slog.String("request", rec.id), slog.String("method", r.Method), slog.String("path", clip(r.URL.Path, 200)),
			slog.Int("status", ans.status), slog.Duration("took", a.Now().Sub(start)),
		}
		for _, optional := range []slog.Attr{
			slog.String("app_code", rec.appCode), slog.String("respcd", ans.respcd), slog.String("syssn", ans.syssn),
		} {
			if optional.Value.String() != "" {
				attrs = append(attrs, optional)
			}
		}
		level, why := gravity(ans.err)
		a.Log.LogAttrs(r.Context(), level, "request", append(attrs, why...)...)
	})
}

// gravity says how loudly err is logged and what of it. The message of a coded
// error is left out: it went to the merchant, and may quote what they sent.
func gravity(err error) (slog.Level, []slog.Attr) {
	if err == nil {
		return slog.LevelInfo, nil
	}
	if ours(err) {
		if errors.Is(err, context.Canceled) {
			return slog.LevelInfo, []slog.Attr{slog.String("error", "the client went away")}
		}
		return slog.LevelError, []slog.Attr{slog.String("code", string(codeOf(err))), slog.Any("error", err)}
	}
	var coded *pay.Error
	errors.As(err, &coded) // what is not ours has a code
	attrs := []slog.Attr{slog.String("code", string(coded.Code))}
	if coded.Field != "" {
		attrs = append(attrs, slog.String("field", coded.Field))
	}
	if coded.Err != nil {
		attrs = append(attrs, slog.String("error", clip(coded.Err.Error(), 500)))
	}
	return slog.LevelInfo, attrs
}

func (a *API) requestID() string {
	var b [8]byte
	if _, err := io.ReadFull(a.Random, b[:]); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(b[:])
}
