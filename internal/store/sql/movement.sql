/* The money record: rows are only added. */

-- name: AddMovement :execrows
INSERT INTO movement (merchant_id, id, payment_id, refund_id, kind, debit, credit, amount, currency, trade_no, at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE NOT EXISTS (
    SELECT 1 FROM movement m WHERE m.merchant_id = $1 AND m.debit = $6 AND m.trade_no = $10 AND m.refund_id = $4)
ON CONFLICT (merchant_id, debit, trade_no, refund_id) DO NOTHING;

-- name: Movement :one
SELECT * FROM movement
WHERE merchant_id = @merchant_id AND debit = @debit AND trade_no = @trade_no AND refund_id = @refund_id;

-- name: Movements :many
SELECT * FROM movement WHERE merchant_id = $1 AND payment_id = $2 ORDER BY at, id;
