/* The queries that are the same text on SQLite and PostgreSQL. Lists, grouped
   writes and claims of deliveries are made in Go. Those named …Locking are for
   PostgreSQL alone: SQLite has one writer and needs no row locks. */

-- name: PutSetting :exec
INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING;

-- name: Setting :one
SELECT value FROM setting WHERE name = $1;

-- name: CreateMerchant :execrows
INSERT INTO merchant (id, name, mcc, disabled, created_at, keep_links, stop_refunds) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING;

-- name: Merchant :one
SELECT * FROM merchant WHERE id = $1;

-- name: Merchants :many
SELECT * FROM merchant ORDER BY id;

-- name: CreateStore :execrows
INSERT INTO store (merchant_id, app_code, id, name, mcc, disabled, created_at, keep_links, stop_refunds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (merchant_id, app_code, id) DO NOTHING;

-- name: Store :one
SELECT * FROM store WHERE merchant_id = $1 AND app_code = $2 AND id = $3;

-- name: Stores :many
SELECT * FROM store WHERE merchant_id = $1 ORDER BY app_code, id;

-- name: CreateCredential :execrows
INSERT INTO credential (app_code, merchant_id, client_key, notify_url, return_hosts, per_second, per_minute, has_stores, disabled, created_at,
    max_age, sha256_only)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (app_code) DO NOTHING;

-- name: CredentialOrDecoy :one
/* Always a row, so that an unknown app code costs what a known one costs. */
SELECT COALESCE(c.app_code, '') AS app_code, COALESCE(c.merchant_id, '') AS merchant_id,
    COALESCE(c.client_key, @decoy) AS client_key, COALESCE(c.notify_url, '') AS notify_url,
    COALESCE(c.return_hosts, '') AS return_hosts, COALESCE(c.per_second, 0) AS per_second,
    COALESCE(c.per_minute, 0) AS per_minute, COALESCE(c.has_stores, 0) AS has_stores, COALESCE(c.disabled, 0) AS disabled,
    COALESCE(c.created_at, 0) AS created_at, COALESCE(c.max_age, 0) AS max_age, COALESCE(c.sha256_only, 0) AS sha256_only
FROM (SELECT 1 AS one) AS always LEFT JOIN credential AS c ON c.app_code = @app_code;

-- name: Credentials :many
SELECT * FROM credential WHERE merchant_id = $1 ORDER BY app_code;

-- name: SetMerchantDisabled :execrows
UPDATE merchant SET disabled = @disabled, keep_links = @keep_links, stop_refunds = @stop_refunds WHERE id = @id;

-- name: SetStoreDisabled :execrows
UPDATE store SET disabled = @disabled, keep_links = @keep_links, stop_refunds = @stop_refunds
WHERE merchant_id = @merchant_id AND app_code = @app_code AND id = @id;

-- name: SetCredentialDisabled :execrows
UPDATE credential SET disabled = @disabled WHERE app_code = @app_code;

-- name: SetClientKey :execrows
UPDATE credential SET client_key = @client_key WHERE app_code = @app_code;

-- name: SetReturnHosts :execrows
UPDATE credential SET return_hosts = @return_hosts WHERE app_code = @app_code;

-- name: SetMaxAge :execrows
UPDATE credential SET max_age = @max_age WHERE app_code = @app_code;

-- name: SetSHA256Only :execrows
UPDATE credential SET sha256_only = @sha256_only WHERE app_code = @app_code;

-- name: SetWalletAccountDisabled :execrows
UPDATE wallet_account SET disabled = @disabled WHERE merchant_id = @merchant_id AND id = @id;

-- name: PutWalletAccount :exec
INSERT INTO wallet_account (merchant_id, id, wallet, pay_types, currencies, settings, secrets, disabled, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (merchant_id, id) DO UPDATE SET
    wallet = excluded.wallet, pay_types = excluded.pay_types, currencies = excluded.currencies,
    settings = excluded.settings, secrets = excluded.secrets, updated_at = excluded.updated_at;

-- name: WalletAccounts :many
SELECT * FROM wallet_account WHERE merchant_id = $1 ORDER BY id;

-- name: Payment :one
SELECT * FROM payment WHERE merchant_id = $1 AND id = $2;

-- name: PaymentLocking :one
SELECT * FROM payment WHERE merchant_id = $1 AND id = $2 FOR UPDATE;

-- name: PaymentByOrderNo :one
SELECT * FROM payment WHERE merchant_id = $1 AND app_code = $2 AND store_id = $3 AND order_no = $4;

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

-- name: HastenRefund :execrows
UPDATE refund SET due_at = @due, claimable_at = CASE WHEN lease = '' THEN @due ELSE claimable_at END
WHERE merchant_id = @merchant_id AND id = @id AND status = 'pending'
AND (due_at > @due OR lease <> '' AND due_at <= @now);

-- name: ClaimPayments :many
UPDATE payment SET lease = @lease, claimable_at = @until
WHERE (merchant_id, id) IN (
    SELECT p.merchant_id, p.id FROM payment p WHERE p.claimable_at > 0 AND p.claimable_at <= @now
    AND CAST(@skip AS TEXT) NOT LIKE '%|' || p.merchant_id || '/' || p.account_id || '|%'
    ORDER BY p.claimable_at LIMIT CAST(@batch AS BIGINT))
AND +claimable_at <= @now
RETURNING *;

-- name: ClaimPaymentsLocking :many
WITH due AS (
    SELECT d.merchant_id, d.id FROM payment d WHERE d.claimable_at > 0 AND d.claimable_at <= @now
    AND CAST(@skip AS TEXT) NOT LIKE '%|' || d.merchant_id || '/' || d.account_id || '|%'
    ORDER BY d.claimable_at LIMIT CAST(@batch AS BIGINT) FOR UPDATE SKIP LOCKED)
UPDATE payment p SET lease = @lease, claimable_at = @until
FROM due WHERE p.merchant_id = due.merchant_id AND p.id = due.id
RETURNING p.*;

-- name: ReschedulePayment :execrows
UPDATE payment SET looks = looks + 1, lease = '',
    due_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END,
    claimable_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';

-- name: NextDuePayment :one
SELECT CAST(COALESCE(MIN(claimable_at), 0) AS BIGINT) FROM payment WHERE claimable_at > 0;

-- name: MovePayment :execrows
UPDATE payment SET
    status = @status, wallet_ref = @wallet_ref, trade_no = @trade_no, buyer_id = @buyer_id, failure = @failure,
    late = @late, surplus = @surplus, paid_at = @paid_at, closed_at = @closed_at,
    due_at = @due, claimable_at = @due, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND status = @was;

-- name: SetWalletOrderID :exec
UPDATE payment SET wallet_order_id = @wallet_order_id WHERE merchant_id = @merchant_id AND id = @id;

-- name: MarkClosing :execrows
UPDATE payment SET close_id = @close_id, close_asked_at = @at, due_at = @due, claimable_at = @due, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND close_id = '' AND status IN ('created', 'pending');

-- name: ReserveRefund :execrows
UPDATE payment SET refunding = refunding + @minor
WHERE merchant_id = @merchant_id AND id = @id AND status = 'paid' AND refunding + @minor <= amount;

-- name: ReleaseRefund :execrows
UPDATE payment SET refunding = refunding - @minor
WHERE merchant_id = @merchant_id AND id = @id AND refunding - @minor >= refunded;

-- name: CountRefund :execrows
UPDATE payment SET refunded = refunded + @minor
WHERE merchant_id = @merchant_id AND id = @id AND refunded + @minor <= refunding;

-- name: AddRefund :execrows
INSERT INTO refund (
    merchant_id, id, app_code, store_id, order_no, fingerprint, payment_id, amount, currency, status, client_time, device_id,
    failure, created_at, done_at, due_at, looks, lease, claimable_at, account_id, cause, sends)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT DO NOTHING;

-- name: Refund :one
SELECT * FROM refund WHERE merchant_id = $1 AND id = $2;

-- name: RefundByOrderNo :one
SELECT * FROM refund WHERE merchant_id = $1 AND app_code = $2 AND store_id = $3 AND order_no = $4;

-- name: RefundsOf :many
SELECT * FROM refund WHERE merchant_id = $1 AND payment_id = $2 ORDER BY created_at, id;

-- name: MoveRefund :execrows
UPDATE refund SET status = @status, failure = @failure, cause = @cause, done_at = @done_at, due_at = 0, claimable_at = 0, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND status = @was;

-- name: MarkRefundSent :execrows
UPDATE refund SET sends = sends + 1
WHERE merchant_id = @merchant_id AND id = @id AND status = 'pending' AND lease = @lease AND lease <> '';

-- name: ClaimRefunds :many
UPDATE refund SET lease = @lease, claimable_at = @until
WHERE (merchant_id, id) IN (
    SELECT r.merchant_id, r.id FROM refund r WHERE r.claimable_at > 0 AND r.claimable_at <= @now
    AND CAST(@skip AS TEXT) NOT LIKE '%|' || r.merchant_id || '/' || r.account_id || '|%'
    ORDER BY r.claimable_at LIMIT CAST(@batch AS BIGINT))
AND +claimable_at <= @now
RETURNING *;

-- name: ClaimRefundsLocking :many
WITH due AS (
    SELECT d.merchant_id, d.id FROM refund d WHERE d.claimable_at > 0 AND d.claimable_at <= @now
    AND CAST(@skip AS TEXT) NOT LIKE '%|' || d.merchant_id || '/' || d.account_id || '|%'
    ORDER BY d.claimable_at LIMIT CAST(@batch AS BIGINT) FOR UPDATE SKIP LOCKED)
UPDATE refund r SET lease = @lease, claimable_at = @until
FROM due WHERE r.merchant_id = due.merchant_id AND r.id = due.id
RETURNING r.*;

-- name: RescheduleRefund :execrows
UPDATE refund SET looks = looks + 1, lease = '',
    due_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END,
    claimable_at = CASE WHEN due_at > @claimed AND (due_at < @due OR @due = 0) THEN due_at ELSE @due END
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';

-- name: NextDueRefund :one
SELECT CAST(COALESCE(MIN(claimable_at), 0) AS BIGINT) FROM refund WHERE claimable_at > 0;

-- name: LockPace :one
INSERT INTO pace (name, free_at, queued_at) VALUES ($1, 0, 0)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING free_at, queued_at;

-- name: SetPace :exec
UPDATE pace SET free_at = @free_at, queued_at = @queued_at WHERE name = @name;

-- name: AddMovement :execrows
INSERT INTO movement (merchant_id, id, payment_id, refund_id, kind, debit, credit, amount, currency, trade_no, at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE NOT EXISTS (SELECT 1 FROM movement m WHERE m.merchant_id = $1 AND m.debit = $6 AND m.trade_no = $10 AND m.refund_id = $4)
ON CONFLICT (merchant_id, debit, trade_no, refund_id) DO NOTHING;

-- name: Movement :one
SELECT * FROM movement WHERE merchant_id = @merchant_id AND debit = @debit AND trade_no = @trade_no AND refund_id = @refund_id;

-- name: FlagPayment :execrows
UPDATE payment SET surplus = 1 WHERE merchant_id = $1 AND id = $2;

-- name: Movements :many
SELECT * FROM movement WHERE merchant_id = $1 AND payment_id = $2 ORDER BY at, id;

-- name: AddEvent :exec
INSERT INTO event (merchant_id, payment_id, id, seq, at, kind, actor, detail)
VALUES ($1, $2, $3, COALESCE((
    SELECT e.seq FROM event e WHERE e.merchant_id = $1 AND e.payment_id = $2 ORDER BY e.seq DESC LIMIT 1), 0) + 1, $4, $5, $6, $7);

-- name: CountEvents :one
SELECT COUNT(*) FROM event WHERE merchant_id = @merchant_id AND payment_id = @payment_id AND kind = @kind;

-- name: CountEventsSaying :one
SELECT COUNT(*) FROM event WHERE merchant_id = @merchant_id AND payment_id = @payment_id AND kind = @kind AND detail = @detail;

-- name: Events :many
SELECT * FROM event WHERE merchant_id = $1 AND payment_id = $2 ORDER BY at, seq, id;

-- name: AddDelivery :exec
INSERT INTO delivery (merchant_id, id, payment_id, refund_id, app_code, kind, url, receiver, body, state, attempts, manual,
    created_at, due_at, done_at, lease, claimable_at)
VALUES (@merchant_id, @id, @payment_id, @refund_id, @app_code, @kind, @url, @receiver, @body, 'due', 0, 0,
    @created_at, @created_at, 0, '', @created_at);

-- name: FinishDelivery :execrows
UPDATE delivery SET state = @state, attempts = @attempts, manual = 0, due_at = @due_at, done_at = @done_at,
    claimable_at = @claimable_at, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND lease = @lease AND lease <> '';

-- name: AddAttempt :exec
INSERT INTO delivery_attempt (merchant_id, delivery_id, number, started_at, took, status, answer, error, manual)
VALUES ($1, $2, COALESCE((
    SELECT a.number FROM delivery_attempt a WHERE a.merchant_id = $1 AND a.delivery_id = $2 ORDER BY a.number DESC LIMIT 1), 0) + 1,
    $3, $4, $5, $6, $7, $8);

-- name: Attempts :many
SELECT * FROM delivery_attempt WHERE merchant_id = $1 AND delivery_id = $2 ORDER BY number;

-- name: Resend :execrows
UPDATE delivery SET state = 'due', attempts = 0, manual = 1, due_at = @now, done_at = 0, claimable_at = @now, lease = ''
WHERE merchant_id = @merchant_id AND id = @id AND state <> 'due';

-- name: DeliveryState :one
SELECT state FROM delivery WHERE merchant_id = $1 AND id = $2;

-- name: LockRate :exec
INSERT INTO rate_slot (app_code, second, taken) VALUES ($1, 0, 0)
ON CONFLICT (app_code, second) DO UPDATE SET taken = 0;

-- name: DropRateSlots :exec
DELETE FROM rate_slot WHERE app_code = @app_code AND second > 0 AND second < @before;

-- name: GiveBackRate :exec
UPDATE rate_slot SET taken = CASE WHEN taken > @given THEN taken - @given ELSE 0 END
WHERE app_code = @app_code AND second = @second AND second > 0;

-- name: RateSlots :many
SELECT second, taken FROM rate_slot
WHERE app_code = @app_code AND second > 0 AND second >= @first AND second <= @last ORDER BY second;

-- name: AddRate :exec
INSERT INTO rate_slot (app_code, second, taken) VALUES ($1, $2, $3)
ON CONFLICT (app_code, second) DO UPDATE SET taken = rate_slot.taken + excluded.taken;
