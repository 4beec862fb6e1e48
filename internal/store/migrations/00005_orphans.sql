-- Money that a wallet speaks of under a number that no payment has.

-- +goose Up

CREATE TABLE orphan (
    merchant_id TEXT   NOT NULL,
    account_id  TEXT   NOT NULL,
    trade_no    TEXT   NOT NULL,
    refund_id   TEXT   NOT NULL, -- '' where money came in
    number      TEXT   NOT NULL, -- the wallet's order number
    seq         BIGINT NOT NULL, -- 1, 2, … of the account's
    amount      BIGINT NOT NULL CHECK (amount > 0 OR amount = 0 AND refund_id <> ''),
    currency    TEXT   NOT NULL,
    buyer_id    TEXT   NOT NULL,
    wallet_at   BIGINT NOT NULL,
    noticed_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('open', 'matched', 'returned', 'settled elsewhere')),
    payment_id  TEXT   NOT NULL,
    settled_at  BIGINT NOT NULL,
    settled_by  TEXT   NOT NULL,
    note        TEXT   NOT NULL,
    message     TEXT   NOT NULL, -- the wallet's, sealed; '' once it is dropped
    PRIMARY KEY (merchant_id, account_id, trade_no, refund_id),
    UNIQUE (merchant_id, account_id, seq)
);
CREATE INDEX orphan_number ON orphan (merchant_id, number);
-- Every creation of a payment looks here, and mostly finds nothing.
CREATE INDEX orphan_open ON orphan (merchant_id, account_id, seq) WHERE state = 'open';
CREATE INDEX orphan_due ON orphan (due_at) WHERE due_at > 0;

-- The number that the wallet knows a payment by, where it is not the payment's own.
ALTER TABLE payment ADD COLUMN wallet_order_id TEXT NOT NULL DEFAULT '';
