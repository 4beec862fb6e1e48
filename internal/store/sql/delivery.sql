/* Notifications to merchants and the attempts to send them. */

-- name: AddDelivery :exec
INSERT INTO delivery (merchant_id, id, payment_id, refund_id, app_code, kind, url, receiver, body, state, attempts,
    manual, created_at, due_at, done_at, lease, claimable_at)
VALUES (@merchant_id, @id, @payment_id, @refund_id, @app_code, @kind, @url, @receiver, @body, 'due', 0, 0,
    @created_at, @created_at, 0, '', @created_at);

-- name: FinishDelivery :execrows
UPDATE delivery SET state = @state, attempts = @attempts, manual = 0, due_at = @due_at, done_at = @done_at,
    claimable_at = @claimable_at, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';

-- name: AddAttempt :exec
INSERT INTO delivery_attempt (merchant_id, delivery_id, number, started_at, took, status, answer, error, manual)
VALUES ($1, $2, COALESCE((
    SELECT a.number FROM delivery_attempt a WHERE a.merchant_id = $1 AND a.delivery_id = $2
    ORDER BY a.number DESC LIMIT 1), 0) + 1,
    $3, $4, $5, $6, $7, $8);

-- name: Attempts :many
SELECT * FROM delivery_attempt WHERE merchant_id = $1 AND delivery_id = $2 ORDER BY number;

-- name: Resend :execrows
UPDATE delivery SET state = 'due', attempts = 0, manual = 1, due_at = @now, done_at = 0,
    claimable_at = @now, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND state <> 'due';

-- name: DeliveryState :one
SELECT state FROM delivery WHERE merchant_id = $1 AND id = $2;

-- name: DeliveryBacklog :one
SELECT COUNT(*) AS waiting, CAST(COALESCE(MIN(claimable_at), 0) AS BIGINT) AS since
FROM delivery WHERE claimable_at > 0 AND claimable_at <= @now;

-- name: CountDeadDeliveries :one
SELECT COUNT(*) FROM delivery WHERE state = 'dead';
