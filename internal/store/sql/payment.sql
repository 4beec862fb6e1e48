/* Payments. Lists, grouped writes and claims of deliveries are made in Go. Queries
   named …Locking are for PostgreSQL alone: SQLite has one writer and needs no row locks. */

-- name: Payment :one
SELECT * FROM payment WHERE merchant_id = $1 AND id = $2;

-- name: PaymentLocking :one
SELECT * FROM payment WHERE merchant_id = $1 AND id = $2 FOR UPDATE;

-- name: PaymentByOrderNo :one
SELECT * FROM payment WHERE merchant_id = $1 AND app_code = $2 AND store_id = $3 AND order_no = $4;

-- name: NewestPayments :many
SELECT * FROM payment p
WHERE p.merchant_id = @merchant_id AND p.account_id = @account_id AND p.amount = @amount AND p.currency = @currency
AND p.id IN (SELECT n.id FROM payment n WHERE n.merchant_id = @merchant_id AND n.id > @above
    ORDER BY n.id DESC LIMIT CAST(@most AS BIGINT))
ORDER BY p.id DESC;

-- name: PaymentBacklog :one
SELECT COUNT(*) AS waiting, CAST(COALESCE(MIN(claimable_at), 0) AS BIGINT) AS since
FROM payment WHERE claimable_at > 0 AND claimable_at <= @now;

-- name: CountFlaggedPayments :one
SELECT COUNT(*) FROM payment WHERE flagged = 1;

-- name: MarkOpened :execrows
UPDATE payment SET opened_at = @at, due_at = @due, lease = '', claimable_at = @due
WHERE merchant_id = @merchant_id AND id = @id AND opened_at = 0 AND status IN ('created', 'pending');

-- name: MarkAsked :execrows
UPDATE payment SET asked_at = @at
WHERE merchant_id = @merchant_id AND id = @id AND (asked_at < @older_than OR asked_at > @newer_than);

-- name: MarkConfirmed :execrows
UPDATE payment SET confirmed_at = @at
WHERE merchant_id = @merchant_id AND id = @id AND (confirmed_at <= @older_than OR confirmed_at > @newer_than);

-- name: HastenPayment :execrows
UPDATE payment SET due_at = @due, claimable_at = CASE WHEN lease = '' THEN @due ELSE claimable_at END
WHERE merchant_id = @merchant_id AND id = @id
AND (due_at = 0 OR due_at > @due OR lease <> '' AND due_at <= @now);

-- name: ReschedulePayment :execrows
UPDATE payment SET inquiries = inquiries + 1, lease = '',
    due_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END,
    claimable_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';

-- name: ApplyPayment :execrows
UPDATE payment SET
    status = @status, checkout = @checkout, checkout_ends_at = @checkout_ends_at,
    wallet_id = @wallet_id, wallet_number = @wallet_number, trade_no = @trade_no, buyer_id = @buyer_id,
    failure = @failure, late = @late, flagged = @flagged, reserved = @reserved, refunded = @refunded,
    paid_at = @paid_at, closed_at = @closed_at, close_id = @close_id, close_asked_at = @close_asked_at,
    events = @events,
    due_at = CASE WHEN CAST(@reschedule AS BIGINT) = 1 THEN @due_at ELSE due_at END,
    claimable_at = CASE WHEN CAST(@reschedule AS BIGINT) = 1 THEN @due_at ELSE claimable_at END,
    lease = CASE WHEN CAST(@reschedule AS BIGINT) = 1 THEN '' ELSE lease END
WHERE merchant_id = @merchant_id AND id = @id
AND status = @was_status AND events = @was_events AND opened_at = @was_opened_at;
