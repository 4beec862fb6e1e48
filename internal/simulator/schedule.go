package simulator

import (
	"container/heap"
	"time"
)

// schedule holds ids by due time, earliest first. Each id has at most one entry.
type schedule struct {
	queue entries
	byID  map[string]*dueEntry
}

type dueEntry struct {
	at    time.Time
	id    string
	index int
}

func newSchedule() schedule { return schedule{byID: map[string]*dueEntry{}} }

// set sets the due time of id. The zero time removes it.
func (s *schedule) set(id string, at time.Time) {
	if e := s.byID[id]; e != nil {
		heap.Remove(&s.queue, e.index)
		delete(s.byID, id)
	}
	if !at.IsZero() {
		e := &dueEntry{at: at, id: id}
		s.byID[id] = e
		heap.Push(&s.queue, e)
	}
}

// popDue removes and returns the ids that are due.
func (s *schedule) popDue(now time.Time) []string {
	var ids []string
	for {
		at, ok := s.next()
		if !ok || at.After(now) {
			return ids
		}
		id := s.queue[0].id
		s.set(id, time.Time{})
		ids = append(ids, id)
	}
}

// next returns the earliest due time.
func (s *schedule) next() (time.Time, bool) {
	if len(s.queue) == 0 {
		return time.Time{}, false
	}
	return s.queue[0].at, true
}

type entries []*dueEntry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e entries) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = i, j
}
func (e *entries) Push(x any) {
	x.(*dueEntry).index = len(*e)
	*e = append(*e, x.(*dueEntry))
}
func (e *entries) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
