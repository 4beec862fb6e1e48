/* What the audit reads, page by page: all rows of a merchant's that name the
   payments of a page. */

-- name: NextMerchant :one
SELECT CAST(COALESCE(MIN(found.id), '') AS TEXT) FROM (
    SELECT MIN(m.id) AS id FROM merchant m WHERE m.id > $1
    UNION ALL SELECT MIN(p.merchant_id) FROM payment p WHERE p.merchant_id > $1
    UNION ALL SELECT MIN(r.merchant_id) FROM refund r WHERE r.merchant_id > $1
    UNION ALL SELECT MIN(l.merchant_id) FROM movement l WHERE l.merchant_id > $1
    UNION ALL SELECT MIN(e.merchant_id) FROM event e WHERE e.merchant_id > $1
    UNION ALL SELECT MIN(d.merchant_id) FROM delivery d WHERE d.merchant_id > $1) AS found;

-- name: PageOfPayments :many
SELECT CAST(found.id AS TEXT) AS id FROM (
    SELECT a.id FROM (
        SELECT p.id FROM payment p WHERE p.merchant_id = @merchant_id AND p.id > @after
        ORDER BY p.id LIMIT CAST(@most AS BIGINT)) AS a
    UNION SELECT b.id FROM (
        SELECT DISTINCT r.payment_id AS id FROM refund r WHERE r.merchant_id = @merchant_id AND r.payment_id > @after
        ORDER BY r.payment_id LIMIT CAST(@most AS BIGINT)) AS b
    UNION SELECT c.id FROM (
        SELECT DISTINCT l.payment_id AS id FROM movement l WHERE l.merchant_id = @merchant_id AND l.payment_id > @after
        ORDER BY l.payment_id LIMIT CAST(@most AS BIGINT)) AS c
    UNION SELECT d.id FROM (
        SELECT DISTINCT e.payment_id AS id FROM event e WHERE e.merchant_id = @merchant_id AND e.payment_id > @after
        ORDER BY e.payment_id LIMIT CAST(@most AS BIGINT)) AS d
    UNION SELECT f.id FROM (
        SELECT DISTINCT n.payment_id AS id FROM delivery n WHERE n.merchant_id = @merchant_id AND n.payment_id > @after
        ORDER BY n.payment_id LIMIT CAST(@most AS BIGINT)) AS f) AS found
ORDER BY found.id LIMIT CAST(@most AS BIGINT);

-- name: PaymentsFromTo :many
SELECT * FROM payment WHERE merchant_id = @merchant_id AND id >= @low AND id <= @high;

-- name: RefundsFromTo :many
SELECT * FROM refund WHERE merchant_id = @merchant_id AND payment_id >= @low AND payment_id <= @high
    ORDER BY created_at, id;

-- name: MovementsFromTo :many
SELECT * FROM movement WHERE merchant_id = @merchant_id AND payment_id >= @low AND payment_id <= @high
    ORDER BY at, id;

-- name: EventsFromTo :many
SELECT * FROM event WHERE merchant_id = @merchant_id AND payment_id >= @low AND payment_id <= @high ORDER BY seq, id;

-- name: DeliveriesFromTo :many
SELECT * FROM delivery WHERE merchant_id = @merchant_id AND payment_id >= @low AND payment_id <= @high
    ORDER BY created_at, id;

-- name: AcknowledgedFromTo :many
SELECT d.id FROM delivery d
WHERE d.merchant_id = @merchant_id AND d.payment_id >= @low AND d.payment_id <= @high AND d.state = 'done'
AND EXISTS (
    SELECT 1 FROM delivery_attempt a
    WHERE a.merchant_id = d.merchant_id AND a.delivery_id = d.id AND a.error = '');

-- name: RepeatedTrades :many
SELECT m.payment_id, m.trade_no FROM movement m
WHERE m.merchant_id = @merchant_id AND m.kind <> 'refund' AND m.trade_no IN (
    SELECT l.trade_no FROM movement l WHERE l.merchant_id = @merchant_id AND l.kind <> 'refund'
    GROUP BY l.trade_no HAVING COUNT(*) > 1)
ORDER BY m.trade_no, m.payment_id;

-- name: Extent :one
/* How many payments there are, and how new the newest rows of each kind are. */
SELECT CAST((SELECT COUNT(*) FROM payment) AS BIGINT) AS payments,
    CAST((SELECT COALESCE(MAX(p.created_at), 0) FROM payment p) AS BIGINT) AS payment_at,
    CAST((SELECT COALESCE(MAX(m.at), 0) FROM movement m) AS BIGINT) AS movement_at,
    CAST((SELECT COALESCE(MAX(e.at), 0) FROM event e) AS BIGINT) AS event_at,
    CAST((SELECT COALESCE(MAX(d.created_at), 0) FROM delivery d) AS BIGINT) AS delivery_at;
