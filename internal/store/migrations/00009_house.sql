-- Columns get the names that the program has for them, a payment's number at the
-- wallet and the wallet's own id become columns of their own, and events hold
-- facts in columns where they held a sentence. No earlier release can run beside
-- this step.
--
-- goose does not run this text: house.go runs its two halves, and reads the
-- sentences between them, all in one transaction.

-- +goose Up

ALTER TABLE payment RENAME COLUMN surplus TO flagged;       -- a person must look
ALTER TABLE payment RENAME COLUMN refunding TO reserved;    -- by refunds, done ones included
ALTER TABLE payment RENAME COLUMN looks TO inquiries;
ALTER TABLE payment RENAME COLUMN wallet_ref TO checkout;   -- what the wallet answered to Pay: a reference or an address
ALTER TABLE payment RENAME COLUMN wallet_order_id TO wallet_number;
ALTER TABLE payment ADD COLUMN checkout_ends_at BIGINT NOT NULL DEFAULT 0; -- 0: with the payment
ALTER TABLE payment ADD COLUMN wallet_id TEXT NOT NULL DEFAULT '';         -- what the wallet itself calls the payment
ALTER TABLE payment ADD COLUMN events BIGINT NOT NULL DEFAULT 0;           -- how many it has: its version

ALTER TABLE refund RENAME COLUMN looks TO inquiries;

-- The next event gets the next number, also where somebody has deleted a row. One
-- update is enough: PostgreSQL writes each row anew for each.
UPDATE payment SET wallet_id = checkout, events = COALESCE((SELECT MAX(e.seq) FROM event e
    WHERE e.merchant_id = payment.merchant_id AND e.payment_id = payment.id), 0);

ALTER TABLE event ADD COLUMN actor_name TEXT NOT NULL DEFAULT ''; -- actor is the role; this is which one: an app code, an operator
ALTER TABLE event ADD COLUMN amount BIGINT NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN currency TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN trade_no TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN refund_id TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN number TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN code TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN note TEXT NOT NULL DEFAULT '';

ALTER TABLE orphan ADD COLUMN settled_by_name TEXT NOT NULL DEFAULT ''; -- settled_by is the role
UPDATE orphan SET settled_by_name = COALESCE((SELECT p.app_code FROM payment p
    WHERE p.merchant_id = orphan.merchant_id AND p.id = orphan.payment_id), '') WHERE settled_by = 'merchant';

-- Here house.go reads the sentences.

ALTER TABLE event DROP COLUMN detail;
