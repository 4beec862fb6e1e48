/* What happened to payments: rows are only added. */

-- name: PutEvent :exec
INSERT INTO event (merchant_id, payment_id, id, seq, at, kind, actor, actor_name, amount, currency, trade_no,
    refund_id, number, reason, code, note)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: CountEvents :one
SELECT COUNT(*) FROM event WHERE merchant_id = @merchant_id AND payment_id = @payment_id AND kind = @kind;

-- name: Events :many
SELECT * FROM event WHERE merchant_id = $1 AND payment_id = $2 ORDER BY at, seq, id;
