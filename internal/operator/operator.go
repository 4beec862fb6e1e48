// Package operator holds the use cases of the people who run a deployment: add
// and disable merchants and wallet accounts, look an order up by any number,
// settle orphans, send notifications again, audit the books. The command line
// and the console run the same ones. They return data and print nothing.
//
// A caller opens a Deployment and reads with its methods. Changes are methods of
// Acts, which By gives: they know who acts.
//
// Read operator.go first, then a file a noun: merchant.go and merchant_change.go,
// account.go (wallet accounts), lookup.go (an order and all that happened to it),
// orphan.go, delivery.go, audit.go, postgres_tool.go. input.go checks what people
// type, actor.go says who types it. state.go has the English words for states,
// words.go those for events.
package operator

import (
	"context"
	"log/slog"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Deployment is an open database with its configuration and the wallets that
// the program can talk to.
type Deployment struct {
	config.Config
	Wallets map[string]wallet.Driver
	Now     func() time.Time

	db *store.DB
}

// Open opens the database for changes. It must have the schema that this program
// knows.
func Open(ctx context.Context, c config.Config, wallets map[string]wallet.Driver) (*Deployment, error) {
	return open(ctx, c, wallets, store.Open)
}

// OpenReadOnly opens the database for reading. It creates, changes and locks
// nothing.
func OpenReadOnly(
	ctx context.Context, c config.Config, wallets map[string]wallet.Driver,
) (*Deployment, error) {
	return open(ctx, c, wallets, store.OpenReadOnly)
}

func open(ctx context.Context, c config.Config, wallets map[string]wallet.Driver,
	open func(context.Context, store.Config) (*store.DB, error),
) (*Deployment, error) {
	db, err := open(ctx, c.StoreConfig(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	return &Deployment{Config: c, Wallets: wallets, Now: time.Now, db: db}, nil
}

// Close closes the database. It is an error if what was read from a database
// that was opened read-only may be of several states.
func (d *Deployment) Close() error { return d.db.Close() }

// Acts are the changes that an operator makes.
type Acts struct {
	*Deployment
	by pay.Actor
}

// By gives the changes to an operator.
func (d *Deployment) By(who pay.Actor) Acts { return Acts{Deployment: d, by: who} }
