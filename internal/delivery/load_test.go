package delivery

import (
	"slices"
	"testing"
	"time"
)

func TestRoomIsSharedBetweenReceivers(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	begin := func(l *load, n int, receiver string) {
		for range n {
			l.begin(receiver)
		}
	}
	end := func(l *load, receiver string, took time.Duration) { l.end(ended{receiver, now, took}) }
	for _, tt := range []struct {
		name               string
		do                 func(*load)
		after              time.Duration
		limit, perReceiver int
		skip               []string
	}{
		{"nothing in hand", func(*load) {}, 0, 16, 4, nil},
		{"half of what one may have leaves room for the other half", func(l *load) { begin(l, 4, "a") }, 0, 12, 4, nil},
		{"more than half leaves none", func(l *load) { begin(l, 5, "a") }, 0, 11, 4, []string{"a"}},
		{"all in hand", func(l *load) { begin(l, 8, "a"); begin(l, 8, "b") }, 0, 0, 4, []string{"a", "b"}},
		{"what ended is room again", func(l *load) { begin(l, 5, "a"); end(l, "a", 0) }, 0, 12, 4, nil},
		{"a slow one gets one at a time", func(l *load) { begin(l, 2, "a"); end(l, "a", slowAfter) }, 0, 15, 4, []string{"a"}},
		{"one that nothing is sent to now, too", func(l *load) { begin(l, 1, "a"); end(l, "a", slowAfter) }, 0, 8, 1, nil},
		{"slow ones have half of the room", func(l *load) {
			begin(l, 9, "a")
			begin(l, 1, "b")
			end(l, "a", slowAfter)
			end(l, "b", slowAfter)
		}, 0, 8, 4, []string{"a", "b"}},
		{"one that became quick is like the others", func(l *load) {
			begin(l, 2, "a")
			end(l, "a", slowAfter)
			end(l, "a", slowAfter-1)
		}, 0, 16, 4, nil},
		{"that it was slow is forgotten", func(l *load) { begin(l, 1, "a"); end(l, "a", slowAfter) }, slowFor + 1, 16, 4, nil},
	} {
		l := newLoad(16, 8)
		tt.do(l)
		limit, perReceiver, skip := l.room(now.Add(tt.after))
		slices.Sort(skip)
		if limit != tt.limit || perReceiver != tt.perReceiver || !slices.Equal(skip, tt.skip) {
			t.Errorf("%s: got %d, %d, %v, want %d, %d, %v", tt.name, limit, perReceiver, skip, tt.limit, tt.perReceiver, tt.skip)
		}
	}
}
