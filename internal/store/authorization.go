package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// OpenAuthorization adds an authorisation, or returns ErrExists if its app code has
// used the nonce before.
func (db *DB) OpenAuthorization(ctx context.Context, a pay.Authorization) error {
	return db.create(ctx, "open authorisation", func(tx *Tx) (int64, error) {
		return tx.q.OpenAuthorization(tx.ctx, queries.OpenAuthorizationParams{
			MerchantID: a.MerchantID, ID: a.ID, AppCode: a.AppCode, Nonce: a.Nonce, AccountID: a.AccountID,
			ReturnURL: a.ReturnURL, State: a.State, CreatedAt: ms(a.CreatedAt), ExpiresAt: ms(a.ExpiresAt),
		})
	})
}

// UseAuthorization returns an authorisation once. It returns ErrNotFound if it does
// not exist, was used, or has expired.
func (db *DB) UseAuthorization(
	ctx context.Context, merchantID, id string, now time.Time,
) (pay.Authorization, error) {
	var row queries.UseAuthorizationRow
	err := db.one(ctx, func(tx *Tx) (err error) {
		row, err = tx.q.UseAuthorization(tx.ctx, queries.UseAuthorizationParams{
			MerchantID: merchantID, ID: id, Now: ms(now),
		})
		return err
	})
	return pay.Authorization{
		MerchantID: merchantID, ID: id, AppCode: row.AppCode, Nonce: row.Nonce, AccountID: row.AccountID,
		ReturnURL: row.ReturnURL, State: row.State,
		CreatedAt: at(row.CreatedAt), ExpiresAt: at(row.ExpiresAt),
	}, wrap("use authorisation", notFound(err))
}

// DropAuthorizations deletes the authorisations whose time was up before the given
// time.
func (db *DB) DropAuthorizations(ctx context.Context, before time.Time) error {
	return wrap("drop authorisations", db.one(ctx, func(tx *Tx) error {
		return tx.q.DropAuthorizations(tx.ctx, ms(before))
	}))
}
