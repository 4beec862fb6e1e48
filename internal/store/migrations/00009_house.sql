-- Columns get the names that the program has for them, and a payment's number at
-- the wallet and the wallet's own id become columns of their own. No earlier
-- release can run beside this step.

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

UPDATE payment SET wallet_id = checkout;
UPDATE payment SET events = (SELECT COUNT(*) FROM event e WHERE e.merchant_id = payment.merchant_id AND e.payment_id = payment.id);
