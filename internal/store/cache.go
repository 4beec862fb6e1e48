package store

import (
	"sync"
	"time"
)

// CacheFor is how old data may be that every request reads: merchants, stores,
// credentials and wallet accounts.
const CacheFor = 2 * time.Second

// cache keeps what was read for CacheFor. Its values are shared and must not be
// changed.
type cache[K comparable, V any] struct {
	now    func() time.Time
	usable func() error // returns an error if the database must not be used

	mu      sync.Mutex
	entries map[K]cached[V]
	drops   int
}

type cached[V any] struct {
	value V
	at    time.Time
}

// get returns the kept value of k, or loads it. A value is not kept if load returns
// keep false, or if a drop came after the reading began.
func (c *cache[K, V]) get(k K, load func() (v V, keep bool, err error)) (V, error) {
	if v, kept := c.kept(k); kept {
		return v, nil
	}
	return c.fresh(k, load)
}

// kept returns the kept value of k, if it is young enough.
func (c *cache[K, V]) kept(k K) (v V, kept bool) {
	if c.usable() != nil {
		return v, false
	}
	c.mu.Lock()
	e, ok := c.entries[k]
	c.mu.Unlock()
	if age := c.now().Sub(e.at); ok && age >= 0 && age < CacheFor {
		return e.value, true
	}
	return v, false
}

// fresh loads k even if a value is kept.
func (c *cache[K, V]) fresh(k K, load func() (v V, keep bool, err error)) (V, error) {
	if err := c.usable(); err != nil {
		var none V
		return none, err
	}
	c.mu.Lock()
	drops := c.drops
	c.mu.Unlock()
	now := c.now()
	v, keep, err := load()
	if err != nil || !keep {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops == drops {
		if c.entries == nil {
			c.entries = map[K]cached[V]{}
		}
		c.entries[k] = cached[V]{v, now}
	}
	return v, nil
}

// drop removes k after a write.
func (c *cache[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	c.drops++
}
