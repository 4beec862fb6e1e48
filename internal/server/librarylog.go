package server

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// libraryLog puts what Go's own logger says into our log, as lines like any other.
// net/http writes to it, and a receiver of notifications can make it write: by an
// answer that nobody asked for, with a text of its choice. So a text is cut, and
// of many in a short time most are only counted.
type libraryLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	since   time.Time // the beginning of this period
	written int       // in it
	left    int       // left out since the last line
}

// The bounds of what Go's own logger may say.
const (
	libraryPeriod = 10 * time.Second
	libraryLines  = 5       // in a period
	libraryLength = 4 << 10 // bytes of a text
)

func newLibraryLog(l *slog.Logger) *libraryLog { return &libraryLog{log: l, now: time.Now} }

// TakeLibraryLog makes log the place of what the process's own logger says.
func TakeLibraryLog(l *slog.Logger) {
	log.SetFlags(0)
	log.SetPrefix("")
	log.SetOutput(newLibraryLog(l))
}

// Write implements io.Writer: the log package calls it once for each message.
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
	s.log.Warn("said by a library", "text", strings.TrimSpace(strings.ToValidUTF8(cut, "\uFFFD")), "left_out", s.left)
	s.left = 0
	return len(text), nil
}
