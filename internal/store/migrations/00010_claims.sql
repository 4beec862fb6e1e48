-- A claim steps from wallet account to wallet account and reads a few rows of
-- each, so that one account's backlog does not hide the others' work.

-- +goose Up

DROP INDEX payment_claimable;
CREATE INDEX payment_claimable ON payment ((merchant_id || '/' || account_id), claimable_at) WHERE claimable_at > 0;
DROP INDEX refund_claimable;
CREATE INDEX refund_claimable ON refund ((merchant_id || '/' || account_id), claimable_at) WHERE claimable_at > 0;
DROP INDEX orphan_due;
CREATE INDEX orphan_due ON orphan ((merchant_id || '/' || account_id), due_at) WHERE due_at > 0;
