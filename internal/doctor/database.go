package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/store"
)

// checkWithin bounds one request to the network or to the database, openWithin the
// opening of the database.
const (
	checkWithin = 3 * time.Second
	openWithin  = 10 * time.Second
)

// within returns the context of one request.
func (d *checkup) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.ctx, checkWithin)
}

// database checks the database's address, its schema, its file, and then what is
// stored in it. It creates neither a database nor a schema.
func (d *checkup) database() {
	const what = "database"
	place := "the PostgreSQL server"
	if path, ok := strings.CutPrefix(d.Database, "sqlite:"); ok {
		place = path
		d.databaseFiles(path)
	} else if u, err := url.Parse(d.Database); err == nil {
		place = cmp.Or(u.Host, place) // one host or several
	}
	ctx, cancel := d.within()
	defer cancel()
	s, err := store.ReadSchema(ctx, d.Database)
	switch {
	case errors.Is(err, store.ErrDamaged):
		d.integrity()
		return
	case errors.Is(err, store.ErrPooler):
		d.wrong(what, fmt.Sprintf("%s: %v", place, err), "PgBouncer in session mode needs no change")
		return
	case err != nil:
		d.wrong(what, fmt.Sprintf("%s: %v", place, err),
			"is it running, is the address right, does the user exist?")
		return
	case s.Missing:
		d.warn("schema", place+" has none yet",
			"sampan serve makes it when it starts, or sampan migrate; is the address right? There is "+
				"no such file")
		return
	case s.Have == 0:
		d.warn("schema", place+" has none yet",
			"sampan serve makes it when it starts, or sampan migrate; is the address right? Then run "+
				"doctor again")
		return
	case s.Have > s.Want:
		d.wrong("schema", fmt.Sprintf("%s has version %d, this program knows %d", place, s.Have, s.Want),
			"use the newer program that has been here")
		return
	case s.Check() != nil:
		d.warn("schema",
			fmt.Sprintf("%s has version %d, this program needs %d; steps to do: %d", place, s.Have, s.Want,
				len(s.Pending)),
			"back it up: sampan serve brings it up to date when it starts, or sampan migrate; then "+
				"run doctor again")
		return
	}
	d.good("schema", "version %d, up to date", s.Have)
	if !d.integrity() {
		return
	}
	d.open()
}

// open opens the database for reading, checks what is in it, and assembles a server
// around it as serve does.
func (d *checkup) open() {
	ctx, cancel := context.WithTimeout(d.ctx, openWithin)
	defer cancel()
	db, err := store.OpenReadOnly(ctx, d.StoreConfig(slog.New(slog.DiscardHandler)))
	if err != nil {
		d.wrong("database", err.Error(),
			"if it is the master key: find the one that this database was made with; without it its "+
				"secrets are lost")
		return
	}
	d.good("master key", "opens the database's secrets")
	d.speed(db)
	d.connections(db)
	d.clock(db)
	d.merchants(db)
	d.backlog(db)
	if !d.failed { // otherwise serve's error would repeat one of those above
		if _, err := server.Assemble(d.Config, db, d.Wallets, slog.New(slog.DiscardHandler)); err != nil {
			d.wrong("serve", "would not start: "+err.Error(), "")
		}
	}
	d.orphans(db)
	if err := db.Close(); err != nil {
		d.wrong("database", err.Error(), "")
	}
}

// speed measures a read and, with Write, a durable write.
func (d *checkup) speed(db *store.DB) {
	ctx, cancel := d.within()
	defer cancel()
	from := d.now()
	if err := db.Ping(ctx); err != nil {
		d.wrong("database", err.Error(), "it could be opened, and then did not answer")
		return
	}
	read := d.now().Sub(from).Round(10 * time.Microsecond)
	if !d.Write {
		switch why, err := db.Unwritable(ctx); {
		case err != nil:
			d.wrong("database", err.Error(), "")
		case why != "":
			d.wrong("database", "it can be read and not written: "+why,
				"commands that only look work with it; serve does not")
		default:
			d.good("database", "a read takes %v; --write measures a durable write too", read)
		}
		return
	}
	switch write, err := d.tryWrite(ctx); {
	case err != nil:
		d.wrong("database", err.Error(),
			"it can be read and not written: is it a replica, is the disk full, whose are the files?")
	case write > 100*time.Millisecond:
		d.warn("database", fmt.Sprintf("a durable write takes %v", write),
			"every order waits for one: look at the disk, or at the way to the server")
	default:
		d.good("database", "a read takes %v, a durable write %v", read, write)
	}
}

// tryWrite returns how long a durable write takes.
func (d *checkup) tryWrite(ctx context.Context) (time.Duration, error) {
	db, err := store.Open(ctx, d.StoreConfig(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, err
	}
	from := d.now()
	err = db.TryWrite(ctx)
	took := d.now().Sub(from).Round(10 * time.Microsecond)
	return took, errors.Join(err, db.Close())
}

// leftForPeople is how many connections stay free for commands, backups and people
// who look things up.
const leftForPeople = 10

// connections compares the connections of each server with those that PostgreSQL
// has.
func (d *checkup) connections(db *store.DB) {
	const what = "connections"
	ctx, cancel := d.within()
	defer cancel()
	s, err := db.Slots(ctx)
	if err != nil {
		d.wrong(what, err.Error(), "")
		return
	}
	if s.Server == 0 {
		return // SQLite
	}
	room := s.Server - s.Reserved - leftForPeople
	finding := fmt.Sprintf("PostgreSQL gives %d, of which %d are reserved and %d are left for people; "+
		"each server takes up to %d",
		s.Server, s.Reserved, leftForPeople, d.Connections)
	switch fit := room / d.Connections; {
	case room < d.Connections:
		d.wrong(what, finding+": not even one server has all of its own",
			"lower database_connections, or raise the server's max_connections")
	case fit == 1:
		d.warn(what, finding+": that is enough for 1 server, and none could start beside it before it ends",
			"lower database_connections, or raise the server's max_connections")
	default:
		d.good(what, "%s: that is enough for %d servers", finding, fit)
	}
}

// clock compares this machine's clock with the database's. Leases are times, so
// replicas must agree on the time.
func (d *checkup) clock(db *store.DB) {
	if strings.HasPrefix(d.Database, "sqlite:") {
		return // the same clock
	}
	ctx, cancel := d.within()
	defer cancel()
	from := d.now()
	theirs, err := db.Clock(ctx)
	to := d.now()
	if err != nil {
		d.wrong("clock", err.Error(), "")
		return
	}
	d.offset("the database's", from.Add(to.Sub(from)/2).Sub(theirs), 2*time.Second, 30*time.Second)
}

// offset judges how far this machine's clock is ahead of another.
func (d *checkup) offset(whose string, ahead, some, much time.Duration) {
	ahead = ahead.Round(100 * time.Millisecond)
	finding := fmt.Sprintf("%v ahead of %s", ahead, whose)
	if ahead < 0 {
		finding = fmt.Sprintf("%v behind %s", -ahead, whose)
	}
	const advice = "keep the machines' clocks by NTP"
	switch ahead = ahead.Abs(); {
	case ahead > much:
		d.wrong("clock", finding, advice)
	case ahead > some:
		d.warn("clock", finding, advice)
	default:
		d.good("clock", "agrees with %s", whose)
	}
}
