/* Refunds; about names see payment.sql. */

-- name: HastenRefund :execrows
UPDATE refund SET due_at = @due, claimable_at = CASE WHEN lease = '' THEN @due ELSE claimable_at END
WHERE merchant_id = @merchant_id AND id = @id AND status = 'pending'
AND (due_at > @due OR lease <> '' AND due_at <= @now);

-- name: AddRefund :execrows
INSERT INTO refund (
    merchant_id, id, app_code, store_id, order_no, fingerprint, payment_id, amount, currency, status, client_time,
    device_id, failure, created_at, done_at, due_at, inquiries, lease, claimable_at, account_id, cause, sends)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT DO NOTHING;

-- name: Refund :one
SELECT * FROM refund WHERE merchant_id = $1 AND id = $2;

-- name: RefundByOrderNo :one
SELECT * FROM refund WHERE merchant_id = $1 AND app_code = $2 AND store_id = $3 AND order_no = $4;

-- name: RefundsOf :many
SELECT * FROM refund WHERE merchant_id = $1 AND payment_id = $2 ORDER BY created_at, id;

-- name: ApplyRefund :execrows
UPDATE refund SET status = @status, failure = @failure, cause = @cause, done_at = @done_at,
    due_at = @due_at, claimable_at = @due_at, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND status = @was_status;

-- name: MarkRefundSent :execrows
UPDATE refund SET sends = sends + 1
WHERE merchant_id = @merchant_id AND id = @id AND status = 'pending' AND lease = @lease AND lease <> '';

-- name: RescheduleRefund :execrows
UPDATE refund SET inquiries = inquiries + 1, lease = '',
    due_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END,
    claimable_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';
