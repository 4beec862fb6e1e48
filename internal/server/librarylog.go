package server

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// libraryLog writes the messages of Go's standard logger to our log. net/http uses
// that logger, and a receiver of notifications can make net/http log a text of the
// receiver's choice, by sending an answer without a request. So long texts are cut,
// and in each period only the first few are written and the others counted.
type libraryLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	since   time.Time // start of the current period
	written int       // lines in the current period
	left    int       // messages left out since the last line
}

// Limits of the messages of libraries.
const (
	libraryPeriod = 10 * time.Second
	libraryLines  = 5       // per period
	libraryLength = 4 << 10 // bytes per text
)

func newLibraryLog(l *slog.Logger) *libraryLog { return &libraryLog{log: l, now: time.Now} }

// TakeLibraryLog sends the messages of the standard logger, which is global to the
// process, to l.
func TakeLibraryLog(l *slog.Logger) {
	log.SetFlags(0)
	log.SetPrefix("")
	log.SetOutput(newLibraryLog(l))
}

// Write implements io.Writer. The log package calls it once for each message.
func (s *libraryLog) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.since) >= libraryPeriod || now.Before(s.since) {
		s.since, s.written = now, 0
	}
	if s.written == libraryLines {
		s.left++
		return len(text), nil
	}
	s.written++
	cut := string(text[:min(len(text), libraryLength)])
	s.log.Warn("said by a library",
		"text", strings.TrimSpace(strings.ToValidUTF8(cut, "\uFFFD")), "left_out", s.left)
	s.left = 0
	return len(text), nil
}
