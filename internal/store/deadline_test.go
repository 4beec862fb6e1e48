package store_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// short is a deadline for tests that let it pass.
const short = 300 * time.Millisecond

func deadline(d time.Duration) storetest.Option { return func(c *store.Config) { c.Deadline = d } }

// path is the way to a PostgreSQL server. While it is frozen it accepts everything,
// connections included, and answers nothing, like a stopped process.
type path struct {
	dsn string
	cut func() // ends all connections, and takes no more
	mu  sync.Mutex
	now *bend
}

// bend is what the connections of one period go through.
type bend struct {
	mu   sync.Mutex
	open chan struct{} // closed while it is
}

func newBend() *bend {
	b := &bend{open: make(chan struct{})}
	close(b.open)
	return b
}

func (b *bend) pass() {
	b.mu.Lock()
	open := b.open
	b.mu.Unlock()
	<-open
}

func (b *bend) freeze() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = make(chan struct{})
}

func (b *bend) thaw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.open:
	default:
		close(b.open)
	}
}

func (p *path) bend() *bend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// bypass sends new connections another way than existing ones.
func (p *path) bypass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = newBend()
}

func newPath(t *testing.T, dsn string) *path {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	p := &path{dsn: u.String(), now: newBend()}
	var all sync.WaitGroup
	var undo []func()
	var mu sync.Mutex
	later := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		undo = append(undo, f)
	}
	forward := func(b *bend, from, to net.Conn) {
		defer from.Close()
		defer to.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			b.pass()
			if n > 0 {
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := p.bend()
			later(b.thaw)
			later(func() { c.Close() })
			all.Go(func() {
				b.pass()
				s, err := net.Dial("tcp", server)
				if err != nil {
					c.Close()
					return
				}
				all.Go(func() { forward(b, s, c) })
				forward(b, c, s)
			})
		}
	})
	p.cut = sync.OnceFunc(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, f := range undo {
			f()
		}
		all.Wait()
	})
	t.Cleanup(p.cut)
	return p
}

const few = 4 // connections

// connected opens a database over a path with few connections, all of them open.
func connected(t *testing.T, p *path) *store.DB {
	t.Helper()
	db := storetest.Open(t, p.dsn, deadline(2*time.Second), func(c *store.Config) { c.Connections = few })
	var at, wg sync.WaitGroup
	at.Add(few)
	for range few {
		wg.Go(func() {
			err := db.Tx(t.Context(), func(*store.Tx) error {
				at.Done()
				at.Wait()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return db
}

// Every method of DB that waits for the database ends with its deadline when the
// server has stopped, even if the caller's context does not end. A new method is
// tried too.
func TestEveryCallToAStoppedServerEndsInTime(t *testing.T) {
	p := newPath(t, storetest.PostgresDSN(t))
	db := connected(t, p)
	ctx := context.Background()
	calls := map[string]func() error{
		"Tx, at its statement": func() error {
			return db.Tx(ctx, func(tx *store.Tx) error {
				_, err := tx.Payment("m", "1")
				return err
			})
		},
		"MerchantIDs": func() error {
			for _, err := range db.MerchantIDs(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	// the last two only their contexts bound
	skip := []string{"Tx", "MerchantIDs", "Dossiers", "RepeatedTrades"}
	v := reflect.ValueOf(db)
	for i := range v.NumMethod() {
		name, method := v.Type().Method(i).Name, v.Method(i)
		kind := method.Type()
		if kind.NumIn() == 0 || kind.In(0) != reflect.TypeFor[context.Context]() ||
			slices.Contains(skip, name) {
			continue
		}
		calls[name] = func() error {
			args := []reflect.Value{reflect.ValueOf(ctx)}
			for n := 1; n < kind.NumIn(); n++ {
				arg := reflect.New(kind.In(n)).Elem()
				if c, ok := arg.Addr().Interface().(*store.Claim); ok {
					c.Keys = map[string]int{"m/a": 1}
				}
				switch arg.Kind() {
				case reflect.Int:
					arg.SetInt(1)
				case reflect.String:
					arg.SetString(name) // a key of its own in the caches
				}
				args = append(args, arg)
			}
			out := method.Call(args)
			err, _ := out[len(out)-1].Interface().(error)
			return err
		}
	}
	if len(calls) < 40 {
		t.Fatalf("only %d methods were found", len(calls))
	}
	p.bend().freeze()
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			if err := call(); !errors.Is(err, store.ErrUnavailable) &&
				!errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	p.bend().thaw()
	// On a new connection, at once. Only the failures of connections begun before
	// may still arrive: package sql gives them to the next callers.
	for try := 1; ; try++ {
		if _, _, err := db.CreatePayment(ctx, payment(1)); err == nil {
			break
		} else if !errors.Is(err, store.ErrUnavailable) || try > few {
			t.Fatal(err)
		}
	}
}

// Callers in turn all wait for a stopped connection, each no longer than its
// deadline. The first one that finds it stopped has all others dropped.
func TestOneStoppedConnectionIsFoundOnceForAll(t *testing.T) {
	p := newPath(t, storetest.PostgresDSN(t))
	db := connected(t, p)
	p.bend().freeze()
	if _, err := db.NextDeliveries(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("of a stopped server: %v", err)
	}
	p.bypass() // what was frozen stays so, as when another server takes over the address
	for range 3 {
		if _, err := db.NextDeliveries(context.Background()); err != nil {
			t.Errorf("of the one that took over: %v", err)
		}
		if err := db.TryWrite(context.Background()); err != nil {
			t.Errorf("of the one that took over: %v", err)
		}
	}
}

// An order whose connection has stopped holds up the next ones for a moment only.
func TestAStoppedGroupIsOvertaken(t *testing.T) {
	p := newPath(t, storetest.PostgresDSN(t))
	db := storetest.Open(t, p.dsn)
	create(t, db, payment(1))
	p.bend().freeze()
	first := make(chan error, 1)
	go func() {
		_, _, err := db.CreatePayment(context.Background(), payment(2))
		first <- err
	}()
	time.Sleep(short) // so that it is under way
	old := p.bend()
	p.bypass()
	create(t, db, payment(3))
	select {
	case err := <-first:
		t.Fatalf("the first one has ended: %v", err)
	default:
	}
	old.thaw()
	if err := <-first; err != nil && kind(err) != "unknown" {
		t.Errorf("the first one: %v", err)
	}
}

// gate holds up the SQLite statements that begin with a text.
type gate struct {
	prefix  atomic.Pointer[string]
	reached chan struct{}
	goOn    chan struct{}
}

func newGate() *gate { return &gate{reached: make(chan struct{}), goOn: make(chan struct{})} }

func (g *gate) before(statement string) error {
	if p := g.prefix.Load(); p != nil && strings.Contains(statement, *p) {
		g.prefix.Store(nil) // once
		g.reached <- struct{}{}
		<-g.goOn
	}
	return nil
}

func (g *gate) holds(prefix string) { g.prefix.Store(&prefix) }

func openGated(t *testing.T) (*store.DB, *gate) {
	g := newGate()
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "s.db"), deadline(short),
		func(c *store.Config) { c.Before = g.before })
	return db, g
}

func TestAnUnansweredCommitIsInDoubtAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, g := openGated(t)
		g.holds("COMMIT")
		var first, second error
		var wg sync.WaitGroup
		wg.Go(func() { _, _, first = db.CreatePayment(context.Background(), payment(1)) })
		<-g.reached
		wg.Go(func() { _, _, second = db.CreatePayment(context.Background(), payment(2)) })
		wg.Wait()
		if !errors.Is(first, store.ErrOutcomeUnknown) || errors.Is(first, store.ErrUnavailable) {
			t.Errorf("the one in the commit: %v", first)
		}
		if !errors.Is(second, store.ErrUnavailable) || errors.Is(second, store.ErrOutcomeUnknown) {
			t.Errorf("the one behind it: %v", second)
		}
		g.goOn <- struct{}{}
		create(t, db, payment(3))
		_, err := db.Payment(t.Context(), scope.MerchantID, payment(2).ID)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what was given up is there (%v)", err)
		}
	})
}

func TestALateWriteIsNeverBegun(t *testing.T) {
	for _, statement := range []string{"BEGIN IMMEDIATE", "INSERT INTO payment"} {
		synctest.Test(t, func(t *testing.T) {
			db, g := openGated(t)
			g.holds(statement)
			errs := make([]error, 4)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { _, _, errs[i] = db.CreatePayment(context.Background(), payment(i)) })
			}
			<-g.reached
			if statement == "BEGIN IMMEDIATE" {
				wg.Wait() // nobody waits for one that has not begun
				g.goOn <- struct{}{}
			} else {
				// the one whose statement is held is waited for, and its deadline passes
				time.Sleep(2 * short)
				g.goOn <- struct{}{}
				wg.Wait()
			}
			create(t, db, payment(9))
			for i, err := range errs {
				_, found := db.Payment(t.Context(), scope.MerchantID, payment(i).ID)
				switch stored := found == nil; {
				case err == nil:
					t.Errorf("%s, %d: stored in time", statement, i)
				case errors.Is(err, store.ErrUnavailable) && stored:
					t.Errorf("%s, %d: %v, and it is stored", statement, i, err)
				case !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrOutcomeUnknown):
					t.Errorf("%s, %d: %v", statement, i, err)
				}
			}
		})
	}
}

// When its caller's time is over, a transaction's statements fail and what it did
// is undone, both alone and in a group.
func TestATransactionStopsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, g := openGated(t)
		add := func(n string, pause func()) error {
			return db.Tx(context.Background(), func(tx *store.Tx) error {
				err := tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: n, ID: n})
				pause()
				if err != nil {
					return err
				}
				return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: n, ID: n + "b"})
			})
		}
		late := func() { time.Sleep(2 * short) }
		if err := add("alone", late); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("alone: %v", err)
		}
		g.holds("COMMIT") // others queue up behind it, and become a group
		var wg sync.WaitGroup
		wg.Go(func() { add("first", func() {}) })
		<-g.reached
		var slow error
		wg.Go(func() { slow = add("slow", late) })
		synctest.Wait()
		wg.Go(func() { add("other", func() {}) })
		synctest.Wait()
		g.goOn <- struct{}{}
		wg.Wait()
		if !errors.Is(slow, store.ErrUnavailable) {
			t.Errorf("in a group: %v", slow)
		}
		create(t, db, payment(1))
		for _, n := range []string{"alone", "slow"} {
			if events, err := db.Events(t.Context(), "m", n); err != nil || len(events) > 0 {
				t.Errorf("%s: %d events are there (%v)", n, len(events), err)
			}
		}
	})
}

// A stopped host accepts connections for ever. It is skipped before the call's own
// deadline, in favour of the next host in the address.
func TestAHostThatStandsStillIsPassedOver(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	p := newPath(t, dsn)
	p.bend().freeze()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	still, err := url.Parse(p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = still.Host + "," + u.Host
	db := storetest.Open(t, u.String(), deadline(10*time.Second))
	create(t, db, payment(1))
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
