/* Orphans: what wallets speak of and no payment has. */

-- name: AddOrphan :execrows
INSERT INTO orphan (merchant_id, account_id, trade_no, refund_id, number, seq, amount, currency, buyer_id,
    wallet_at, noticed_at, due_at, state, payment_id, settled_at, settled_by, note, message)
SELECT $1, $2, $3, $4, $5, COALESCE(MAX(o.seq), 0) + 1, $6, $7, $8, $9, $10, $11, 'open', '', 0, '', '', $12
FROM orphan o WHERE o.merchant_id = $1 AND o.account_id = $2
ON CONFLICT (merchant_id, account_id, trade_no, refund_id) DO NOTHING;

-- name: Orphan :one
SELECT * FROM orphan WHERE merchant_id = $1 AND account_id = $2 AND trade_no = $3 AND refund_id = $4;

-- name: OrphansOfNumber :many
SELECT * FROM orphan WHERE merchant_id = $1 AND number = $2 ORDER BY account_id, seq;

-- name: OrphansOfTrade :many
SELECT * FROM orphan WHERE merchant_id = $1 AND account_id = $2 AND trade_no = $3 ORDER BY seq;

-- name: OpenOrphans :many
SELECT * FROM orphan WHERE merchant_id = $1 AND account_id = $2 AND state = 'open' ORDER BY seq;

-- name: CountOpenOrphans :one
SELECT COUNT(*) FROM (
    SELECT 1 FROM orphan o WHERE o.merchant_id = @merchant_id AND o.account_id = @account_id AND o.state = 'open'
    LIMIT CAST(@most AS BIGINT)) AS found;

-- name: OrphansUnseen :one
SELECT COUNT(*) FROM (
    SELECT 1 FROM orphan o WHERE o.merchant_id = @merchant_id AND o.account_id = @account_id AND o.state = 'open'
    AND o.seq > @seen
    LIMIT 1) AS found;

-- name: MoveOrphan :execrows
UPDATE orphan SET state = @state, payment_id = @payment_id, settled_at = @at, settled_by = @settled_by,
    settled_by_name = @settled_by_name, note = @note, due_at = 0
WHERE merchant_id = @merchant_id AND account_id = @account_id AND trade_no = @trade_no AND refund_id = @refund_id
AND state = 'open';

-- name: RescheduleOrphan :execrows
UPDATE orphan SET due_at = @due
WHERE merchant_id = @merchant_id AND account_id = @account_id AND trade_no = @trade_no AND refund_id = @refund_id
AND state = 'open';

-- name: DropOrphanMessages :execrows
UPDATE orphan SET message = '' WHERE settled_at > 0 AND settled_at < @before AND message <> '';

-- name: OpenOrphanSums :many
SELECT merchant_id, account_id, CASE WHEN refund_id = '' THEN 0 ELSE 1 END AS back, currency,
    CAST(COUNT(*) AS BIGINT) AS orphans, CAST(SUM(amount) AS BIGINT) AS minor
FROM orphan WHERE state = 'open'
GROUP BY merchant_id, account_id, CASE WHEN refund_id = '' THEN 0 ELSE 1 END, currency
ORDER BY merchant_id, account_id, back, currency;
