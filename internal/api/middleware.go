package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// trade serves one call of the trade API.
func (a *API) trade(p purpose, serve func(context.Context, call, *web.Entry) answer) http.Handler {
	return a.observed(a.broken, func(w http.ResponseWriter, r *http.Request, entry *web.Entry) answer {
		entry.Add("app_code", web.Clip(r.Header.Get("X-QF-APPCODE"), 64))
		if err := a.Store.Stopped(); err != nil {
			return a.refuse(err, "", entry) // whatever the request is
		}
		c, err := a.admit(w, r)
		if err == nil {
			err = p.check(c.params)
		}
		if err != nil {
			return a.refuse(err, "", entry)
		}
		return serve(r.Context(), c, entry)
	})
}

// broken answers a merchant after a panic.
func (a *API) broken(err error, entry *web.Entry) answer { return a.refuse(err, "", entry) }

// observed serves requests with serve, each with an id and a line in the log.
// broken makes the answer if serve panics.
func (a *API) observed(
	broken func(error, *web.Entry) answer, serve func(http.ResponseWriter, *http.Request, *web.Entry) answer,
) http.Handler {
	return a.observer().Handle(
		func(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
			serve(w, r, entry).finish(w, entry)
		},
		func(w http.ResponseWriter, _ *http.Request, entry *web.Entry, err error) {
			broken(err, entry).finish(w, entry)
		},
	)
}

func (a *API) observer() web.Observer { return web.Observer{Log: a.Log, Now: a.Now, Random: a.Random} }

// finish sends the answer and adds it to the request's entry.
func (ans answer) finish(w http.ResponseWriter, entry *web.Entry) {
	ans.send(w)
	entry.Add("respcd", ans.respcd)
	entry.Add("syssn", ans.syssn)
	enter(entry, ans.err)
}

// enter adds an answer's error to the request's entry. An error of ours makes
// the line an ERROR. The message of any other error is left out: it went to the
// merchant, and may quote what they sent.
func enter(entry *web.Entry, err error) {
	if err == nil {
		return
	}
	if ours(err) {
		if errors.Is(err, context.Canceled) {
			entry.ClientLeft()
			return
		}
		entry.Add("code", string(codeOf(err)))
		entry.Fail(err)
		return
	}
	var coded *pay.Error
	errors.As(err, &coded) // an error that is not ours has a code
	entry.Add("code", string(coded.Code))
	entry.Add("field", coded.Field)
	if coded.Err != nil {
		entry.Add("error", web.Clip(coded.Err.Error(), 500))
	}
}
