package web

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Observer gives each request an id, writes one line about it to the log, and
// recovers a panic of its handler.
type Observer struct {
	Log    *slog.Logger
	Now    func() time.Time
	Random io.Reader // of the ids; crypto/rand if nil
}

// Entry is a request's line in the log. Handlers fill it in.
type Entry struct {
	ID    string // goes back to the client as X-Request-Id
	Path  string // of the request; a handler replaces one that holds a secret
	Level slog.Level

	attrs []slog.Attr
}

// Add adds an attribute to the line. An empty value is left out.
func (e *Entry) Add(key, value string) {
	if value != "" {
		e.attrs = append(e.attrs, slog.String(key, value))
	}
}

// Fail makes the line an error, with its reason.
func (e *Entry) Fail(err error) {
	e.Level = slog.LevelError
	e.attrs = append(e.attrs, slog.Any("error", err))
}

// ClientLeft states that the client closed the connection before the answer.
func (e *Entry) ClientLeft() { e.Add("error", "the client went away") }

// Handler serves a request and fills in its entry.
type Handler func(http.ResponseWriter, *http.Request, *Entry)

// Broken answers a request whose handler has panicked before it answered.
type Broken func(http.ResponseWriter, *http.Request, *Entry, error)

// Begin gives a request its id and returns its entry. Only Handle writes it.
func (o Observer) Begin(w http.ResponseWriter, r *http.Request) *Entry {
	e := &Entry{ID: o.id(), Path: r.URL.Path}
	w.Header().Set("X-Request-Id", e.ID)
	return e
}

// Handle returns a handler that serves requests with serve, under Observer's
// contract. If serve panics, broken answers with the panic as the error.
func (o Observer) Handle(serve Handler, broken Broken) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := o.Now()
		answer := &answer{ResponseWriter: w}
		entry := o.Begin(answer, r)
		if err := o.serve(serve, answer, r, entry); err != nil {
			o.recovered(broken, answer, r, entry, err)
		}
		attrs := []slog.Attr{
			slog.String("request", entry.ID), slog.String("method", r.Method),
			slog.String("path", Clip(entry.Path, 200)),
			slog.Int("status", answer.code()), slog.Duration("took", o.Now().Sub(start)),
		}
		o.Log.LogAttrs(r.Context(), entry.Level, "request", append(attrs, entry.attrs...)...)
	})
}

// serve calls serve. A panic becomes the error, with its stack.
func (o Observer) serve(serve Handler, w http.ResponseWriter, r *http.Request, e *Entry) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	serve(w, r, e)
	return nil
}

// recovered answers after a panic, unless part of an answer has been written.
func (o Observer) recovered(broken Broken, w *answer, r *http.Request, e *Entry, err error) {
	if w.status != 0 {
		e.Fail(err)
		return
	}
	again := o.serve(func(w http.ResponseWriter, r *http.Request, e *Entry) { broken(w, r, e, err) }, w, r, e)
	if again == nil {
		return
	}
	e.Fail(again)
	if w.status == 0 {
		http.Error(w, "internal error; request "+e.ID, http.StatusInternalServerError)
	}
}

func (o Observer) id() string {
	source := o.Random
	if source == nil {
		source = rand.Reader
	}
	var b [8]byte
	if _, err := io.ReadFull(source, b[:]); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(b[:])
}

// answer is a ResponseWriter that records the status it has sent.
type answer struct {
	http.ResponseWriter
	status int // 0 before anything was sent
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// code is the status that the client gets.
func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK // net/http sends it when the handler returns
	}
	return a.status
}

// Clip shortens s to at most n characters of valid UTF-8, for messages and logs.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
