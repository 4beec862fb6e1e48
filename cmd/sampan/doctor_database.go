package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// checkWithin bounds one question to the network or to the database, and
// openWithin the opening of the database.
const (
	checkWithin = 3 * time.Second
	openWithin  = 10 * time.Second
)

// within is the context of one question.
func (d *doctor) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.ctx, checkWithin)
}

// database goes from the database's address to what is stored in it. It only
// looks: it makes no database and no schema.
func (d *doctor) database() {
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
		d.bad(what, fmt.Sprintf("%s: %v", place, err), "PgBouncer in session mode needs no change")
		return
	case err != nil:
		d.bad(what, fmt.Sprintf("%s: %v", place, err), "is it running, is the address right, does the user exist?")
		return
	case s.Missing:
		d.doubt("schema", place+" has none yet", "sampan serve makes it when it starts, or sampan migrate; is the address right? There is no such file")
		return
	case s.Have == 0:
		d.doubt("schema", place+" has none yet", "sampan serve makes it when it starts, or sampan migrate; is the address right? Then run doctor again")
		return
	case s.Have > s.Want:
		d.bad("schema", fmt.Sprintf("%s has version %d, this program knows %d", place, s.Have, s.Want), "use the newer program that has been here")
		return
	case s.Check() != nil:
		d.doubt("schema", fmt.Sprintf("%s has version %d, this program needs %d; steps to do: %d", place, s.Have, s.Want, len(s.Pending)),
			"back it up: sampan serve brings it up to date when it starts, or sampan migrate; then run doctor again")
		return
	}
	d.good("schema", "version %d, up to date", s.Have)
	if !d.integrity() {
		return
	}
	d.open()
}

// open opens the database to look only, looks at what is in it, and puts the
// whole program around it as serve does.
func (d *doctor) open() {
	ctx, cancel := context.WithTimeout(d.ctx, openWithin)
	defer cancel()
	o, err := openOperator(ctx, d.Config, store.OpenReadOnly)
	if err != nil {
		d.bad("database", err.Error(), "if it is the master key: find the one that this database was made with; without it its secrets are lost")
		return
	}
	d.good("master key", "opens the database's secrets")
	d.speed(o)
	d.connections(o)
	d.clock(o)
	d.merchants(o)
	d.backlog(o)
	if !d.failed { // otherwise serve's own complaint would repeat one of those above
		if _, err := server.Assemble(d.Config, o.DB, wallets, slog.New(slog.DiscardHandler)); err != nil {
			d.bad("serve", "would not start: "+err.Error(), "")
		}
	}
	d.orphans(o)
	if err := o.Close(); err != nil {
		d.bad("database", err.Error(), "")
	}
}

// speed measures a read and, if it may, a durable write.
func (d *doctor) speed(o operator) {
	ctx, cancel := d.within()
	defer cancel()
	from := d.now()
	if err := o.Ping(ctx); err != nil {
		d.bad("database", err.Error(), "it could be opened, and then did not answer")
		return
	}
	read := d.now().Sub(from).Round(10 * time.Microsecond)
	if !d.write {
		switch why, err := o.Unwritable(ctx); {
		case err != nil:
			d.bad("database", err.Error(), "")
		case why != "":
			d.bad("database", "it can be read and not written: "+why, "commands that only look work with it; serve does not")
		default:
			d.good("database", "a read takes %v; --write measures a durable write too", read)
		}
		return
	}
	switch write, err := d.tryWrite(ctx); {
	case err != nil:
		d.bad("database", err.Error(), "it can be read and not written: is it a replica, is the disk full, whose are the files?")
	case write > 100*time.Millisecond:
		d.doubt("database", fmt.Sprintf("a durable write takes %v", write), "every order waits for one: look at the disk, or at the way to the server")
	default:
		d.good("database", "a read takes %v, a durable write %v", read, write)
	}
}

// tryWrite returns how long a durable write takes.
func (d *doctor) tryWrite(ctx context.Context) (time.Duration, error) {
	db, err := store.Open(ctx, d.StoreConfig(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, err
	}
	from := d.now()
	err = db.TryWrite(ctx)
	took := d.now().Sub(from).Round(10 * time.Microsecond)
	return took, errors.Join(err, db.Close())
}

// leftForPeople is how many connections commands, backups and whoever looks
// things up are to have.
const leftForPeople = 10

// connections compares what each server takes with what PostgreSQL gives.
func (d *doctor) connections(o operator) {
	const what = "connections"
	ctx, cancel := d.within()
	defer cancel()
	s, err := o.Slots(ctx)
	if err != nil {
		d.bad(what, err.Error(), "")
		return
	}
	if s.Server == 0 {
		return // SQLite
	}
	room := s.Server - s.Reserved - leftForPeople
	finding := fmt.Sprintf("PostgreSQL gives %d, of which %d are reserved and %d are left for people; each server takes up to %d",
		s.Server, s.Reserved, leftForPeople, d.Connections)
	switch fit := room / d.Connections; {
	case room < d.Connections:
		d.bad(what, finding+": not even one server has all of its own", "lower database_connections, or raise the server's max_connections")
	case fit == 1:
		d.doubt(what, finding+": that is enough for 1 server, and none could start beside it before it ends",
			"lower database_connections, or raise the server's max_connections")
	default:
		d.good(what, "%s: that is enough for %d servers", finding, fit)
	}
}

// clock compares this machine's with the database's: leases are times, and
// replicas must agree on them.
func (d *doctor) clock(o operator) {
	if strings.HasPrefix(d.Database, "sqlite:") {
		return // the same clock
	}
	ctx, cancel := d.within()
	defer cancel()
	from := d.now()
	theirs, err := o.Clock(ctx)
	to := d.now()
	if err != nil {
		d.bad("clock", err.Error(), "")
		return
	}
	d.offset("the database's", from.Add(to.Sub(from)/2).Sub(theirs), 2*time.Second, 30*time.Second)
}

// offset judges how far this machine's clock is ahead of another one.
func (d *doctor) offset(whose string, ahead, some, much time.Duration) {
	ahead = ahead.Round(100 * time.Millisecond)
	finding := fmt.Sprintf("%v ahead of %s", ahead, whose)
	if ahead < 0 {
		finding = fmt.Sprintf("%v behind %s", -ahead, whose)
	}
	const advice = "keep the machines' clocks by NTP"
	switch ahead = ahead.Abs(); {
	case ahead > much:
		d.bad("clock", finding, advice)
	case ahead > some:
		d.doubt("clock", finding, advice)
	default:
		d.good("clock", "agrees with %s", whose)
	}
}

// merchants checks that every sealed value opens, and that every merchant can
// take orders and be told of them.
func (d *doctor) merchants(o operator) {
	const what = "merchants"
	all, err := o.Merchants(d.ctx)
	if err != nil {
		d.bad(what, err.Error(), "")
		return
	}
	codes, accounts := 0, 0
	for _, m := range all {
		credentials, err := o.Credentials(d.ctx, m.ID)
		switch {
		case err != nil:
			d.bad(what, fmt.Sprintf("%s: %v", m.ID, err), "restore this row from a backup, or make the merchant a new app code")
		case len(credentials) == 0:
			d.doubt(what, m.ID+" has no app code: it cannot place orders", "")
		}
		rules := outbound.Rules{Ports: d.Delivery.Ports, Allow: d.Delivery.Allow}
		for _, c := range credentials {
			if c.NotifyURL == "" {
				continue
			}
			if err := rules.CheckURL(c.NotifyURL); err != nil {
				d.bad(what, fmt.Sprintf("%s: notifications to the notify_url of %s are never sent: %v", m.ID, c.AppCode, err),
					"give it an address on the internet, or open that one in delivery.allow")
			}
		}
		of, err := o.WalletAccounts(d.ctx, m.ID)
		switch {
		case err != nil:
			d.bad("wallets", fmt.Sprintf("%s: %v", m.ID, err), "add that account again: sampan wallet add")
		case len(of) == 0:
			d.doubt("wallets", m.ID+" has no wallet account: its orders are refused", "sampan wallet add")
		}
		for _, a := range of {
			d.account(a)
		}
		codes, accounts = codes+len(credentials), accounts+len(of)
	}
	if len(all) == 0 {
		d.doubt(what, "there are none", "sampan merchant add")
		return
	}
	d.good(what, "%d with %d app codes and %d wallet accounts were looked at", len(all), codes, accounts)
}

// account opens a wallet account as the gateway does.
func (d *doctor) account(a pay.WalletAccount) {
	const what = "wallets"
	name := a.MerchantID + "/" + a.ID
	driver, ok := wallets[a.Wallet]
	if !ok {
		d.bad(what, fmt.Sprintf("%s: this program has no wallet %q", name, a.Wallet), "there are: "+strings.Join(walletNames(), ", "))
		return
	}
	if _, err := driver.Open(wallet.Account{WalletAccount: a, HTTP: outbound.Plain(outbound.Limits{}), Now: d.now}); err != nil {
		d.bad(what, fmt.Sprintf("%s: %v", name, err), "add it again: sampan wallet add; see sampan wallet kinds")
		return
	}
	for _, t := range a.PayTypes {
		if !slices.ContainsFunc(driver.Info.Currencies[t], a.SettlesIn) {
			d.bad(what, fmt.Sprintf("%s: none of its currencies (%s) can be had with pay type %s", name, join(a.Currencies), t),
				"this wallet settles it in "+orDash(join(driver.Info.Currencies[t])))
		}
	}
	setting := func(name string) string {
		if v := a.Settings[name]; v != "" {
			return v
		}
		i := slices.IndexFunc(driver.Info.Settings, func(s wallet.Setting) bool { return s.Name == name })
		if i < 0 {
			return ""
		}
		return driver.Info.Settings[i].Default
	}
	if setting("sign_type") == "MD5" {
		d.doubt(what, name+" signs with MD5: one key signs for both sides", "have the wallet change the contract to RSA2")
	}
	if setting("confirm") == "no" {
		d.doubt(what, name+" believes notices without asking the wallet", "leave confirm at yes, unless the wallet's key is this partner's alone")
	}
	if g := setting("gateway"); g != "" && !a.Disabled && !slices.Contains(d.gateways, g) {
		d.gateways = append(d.gateways, g)
	}
}

// backlog looks for work that nobody does, and for what people must do.
func (d *doctor) backlog(o operator) {
	const what = "backlog"
	ctx, cancel := d.within()
	defer cancel()
	now := d.now()
	b, err := o.Backlog(ctx, now)
	if errors.Is(err, context.DeadlineExceeded) {
		d.doubt(what, "could not be counted in "+checkWithin.String(), "")
		return
	}
	if err != nil {
		d.bad(what, err.Error(), "")
		return
	}
	since := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	const idle = "is serve running? does it log errors?"
	late := 2 * time.Minute
	waits := false
	if b.Deliveries > 0 && now.Sub(b.DeliverDue) > late {
		waits = true
		d.doubt(what, fmt.Sprintf("%d notifications are overdue, the oldest for %s", b.Deliveries, since(b.DeliverDue)), idle)
	}
	if b.Payments > 0 && now.Sub(b.PaymentDue) > late {
		waits = true
		d.doubt(what, fmt.Sprintf("%d orders were to be asked about at the wallet, the oldest %s ago", b.Payments, since(b.PaymentDue)), idle)
	}
	if b.Dead > 0 {
		waits = true
		d.doubt(what, fmt.Sprintf("%d notifications were given up", b.Dead), "sampan delivery list --state dead; then sampan delivery resend")
	}
	if b.Flagged > 0 {
		waits = true
		d.doubt(what, fmt.Sprintf("%d orders need a look: money that is not their own, or that contradicts itself", b.Flagged), "sampan payment show tells why; the log has their syssn: payment needs a look")
	}
	if !waits {
		d.good(what, "nothing waits")
	}
}

// orphans finds money that no order has: somebody must see to it.
func (d *doctor) orphans(o operator) {
	const what = "orphans"
	ctx, cancel := d.within()
	defer cancel()
	open, err := o.OpenOrphanSums(ctx)
	if err != nil {
		d.bad(what, err.Error(), "")
		return
	}
	for _, s := range open {
		d.bad(what, fmt.Sprintf("%s/%s: %s", s.MerchantID, s.AccountID, orphanSum(s)),
			"sampan orphan list; if the database was restored, have the merchant send its orders again")
	}
}
