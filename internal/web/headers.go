package web

import (
	"io"
	"net/http"
)

// PageHeaders sets the security headers of a page, with its
// Content-Security-Policy. The answer is not cached: a handler of files that are
// the same for everybody may change that.
func PageHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "no-store")
}

// DataHeaders sets the security headers of an answer to a program.
func DataHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// LimitBody returns the request's body, of which at most limit bytes can be
// read. Reading more is a *http.MaxBytesError, and the connection is closed
// after the answer. Use it in place of http.MaxBytesReader, which cannot close
// the connection through an Observer's ResponseWriter.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) io.ReadCloser {
	if a, ok := w.(*answer); ok {
		w = a.ResponseWriter
	}
	return http.MaxBytesReader(w, r.Body, limit)
}

// Overloaded answers a request over one connection more than the server takes.
// Nothing was done about it, so the client can repeat it.
func Overloaded(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	DataHeaders(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "too many connections: try again\n") // the client may have gone away
}
