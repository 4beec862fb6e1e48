package simulator

import (
	"container/heap"
	"time"
)

// schedule is what is to be done when, soonest first. A record that was put off
// or settled leaves its old entry behind; valid tells it apart from a live one.
type schedule struct {
	entries entries
	valid   func(id string, at time.Time) bool
}

type dueEntry struct {
	at time.Time
	id string
}

func (s *schedule) add(at time.Time, id string) {
	if !at.IsZero() {
		heap.Push(&s.entries, dueEntry{at, id})
	}
}

// take removes and returns what is due.
func (s *schedule) take(now time.Time) []string {
	var ids []string
	for {
		at, ok := s.next()
		if !ok || at.After(now) {
			return ids
		}
		ids = append(ids, heap.Pop(&s.entries).(dueEntry).id)
	}
}

// next tells when the soonest is due.
func (s *schedule) next() (time.Time, bool) {
	for len(s.entries) > 0 {
		if e := s.entries[0]; s.valid(e.id, e.at) {
			return e.at, true
		}
		heap.Pop(&s.entries)
	}
	return time.Time{}, false
}

type entries []dueEntry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)        { *e = append(*e, x.(dueEntry)) }
func (e *entries) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
