-- One text for SQLite and PostgreSQL. TEXT ids that we make, BIGINT minor units,
-- BIGINT milliseconds since 1970; nothing is NULL: '' and 0 stand for absent,
-- 0 and 1 for no and yes. Unique keys start with the merchant, so that tables
-- can be spread by merchant; credential, found by its app code, cannot.
--
-- claimable_at is when a worker may take a row next: its due_at, or the end of
-- the lease while somebody has it; 0 for never. One index finds what is to do.

-- +goose Up

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE merchant (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    mcc        TEXT   NOT NULL,
    disabled   BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created_at BIGINT NOT NULL
);

CREATE TABLE store (
    merchant_id TEXT   NOT NULL REFERENCES merchant (id),
    app_code    TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    mcc         TEXT   NOT NULL,
    disabled    BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, app_code, id)
);

CREATE TABLE credential (
    app_code     TEXT   NOT NULL PRIMARY KEY,
    merchant_id  TEXT   NOT NULL REFERENCES merchant (id),
    client_key   TEXT   NOT NULL, -- sealed
    notify_url   TEXT   NOT NULL,
    return_hosts TEXT   NOT NULL, -- separated by commas
    per_second   BIGINT NOT NULL,
    per_minute   BIGINT NOT NULL,
    has_stores   BIGINT NOT NULL CHECK (has_stores IN (0, 1)),
    disabled     BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created_at   BIGINT NOT NULL
);
CREATE INDEX credential_merchant ON credential (merchant_id, app_code);

CREATE TABLE wallet_account (
    merchant_id TEXT   NOT NULL REFERENCES merchant (id),
    id          TEXT   NOT NULL,
    wallet      TEXT   NOT NULL,
    pay_types   TEXT   NOT NULL, -- separated by commas
    currencies  TEXT   NOT NULL, -- separated by commas
    settings    TEXT   NOT NULL, -- a JSON object
    secrets     TEXT   NOT NULL, -- a JSON object, sealed
    disabled    BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

CREATE TABLE payment (
    merchant_id  TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    app_code     TEXT   NOT NULL,
    store_id     TEXT   NOT NULL,
    order_no     TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,
    pay_type     TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    amount       BIGINT NOT NULL CHECK (amount > 0),
    currency     TEXT   NOT NULL,
    goods        TEXT   NOT NULL,
    client_time  TEXT   NOT NULL,
    device_id    TEXT   NOT NULL,
    return_url   TEXT   NOT NULL,
    notify_url   TEXT   NOT NULL,
    open_id      TEXT   NOT NULL,
    no_credit    BIGINT NOT NULL CHECK (no_credit IN (0, 1)),
    status       TEXT   NOT NULL CHECK (status IN ('created', 'pending', 'paid', 'failed', 'closed', 'expired')),
    wallet_ref   TEXT   NOT NULL,
    trade_no     TEXT   NOT NULL,
    buyer_id     TEXT   NOT NULL,
    failure      TEXT   NOT NULL,
    late         BIGINT NOT NULL CHECK (late IN (0, 1)),
    surplus      BIGINT NOT NULL CHECK (surplus IN (0, 1)),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    opened_at    BIGINT NOT NULL,
    paid_at      BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL,
    asked_at     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    looks        BIGINT NOT NULL,
    refunding    BIGINT NOT NULL CHECK (refunding BETWEEN 0 AND amount),
    refunded     BIGINT NOT NULL CHECK (refunded BETWEEN 0 AND refunding),
    lease        TEXT   NOT NULL,
    claimable_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, app_code, store_id, order_no)
);
CREATE INDEX payment_newest ON payment (merchant_id, app_code, store_id, created_at);
CREATE INDEX payment_claimable ON payment (claimable_at) WHERE claimable_at > 0;

CREATE TABLE refund (
    merchant_id  TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    app_code     TEXT   NOT NULL,
    store_id     TEXT   NOT NULL,
    order_no     TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,
    payment_id   TEXT   NOT NULL,
    amount       BIGINT NOT NULL CHECK (amount > 0),
    currency     TEXT   NOT NULL,
    status       TEXT   NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    client_time  TEXT   NOT NULL,
    device_id    TEXT   NOT NULL,
    failure      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    done_at      BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    looks        BIGINT NOT NULL,
    lease        TEXT   NOT NULL,
    claimable_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, app_code, store_id, order_no)
);
CREATE INDEX refund_payment ON refund (merchant_id, payment_id);
CREATE INDEX refund_claimable ON refund (claimable_at) WHERE claimable_at > 0;

-- The money record: rows are only ever added. The unique key is what makes the
-- same money count once, however often the wallet tells of it and for whichever
-- payment: one trade brings money in once, as a payment or as surplus.
CREATE TABLE movement (
    merchant_id TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    payment_id  TEXT   NOT NULL,
    refund_id   TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    debit       TEXT   NOT NULL,
    credit      TEXT   NOT NULL,
    amount      BIGINT NOT NULL CHECK (amount > 0),
    currency    TEXT   NOT NULL,
    trade_no    TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, debit, trade_no, refund_id)
);
CREATE INDEX movement_payment ON movement (merchant_id, payment_id);

CREATE TABLE event (
    merchant_id TEXT   NOT NULL,
    payment_id  TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    seq         BIGINT NOT NULL, -- order of those of one millisecond
    at          BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    detail      TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, payment_id, id)
);

CREATE TABLE delivery (
    merchant_id  TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    payment_id   TEXT   NOT NULL,
    refund_id    TEXT   NOT NULL,
    app_code     TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    url          TEXT   NOT NULL,
    receiver     TEXT   NOT NULL CHECK (receiver <> ''),
    body         BYTEA  NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('due', 'done', 'dead')),
    attempts     BIGINT NOT NULL,
    manual       BIGINT NOT NULL CHECK (manual IN (0, 1)),
    created_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    done_at      BIGINT NOT NULL,
    lease        TEXT   NOT NULL,
    claimable_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id)
);
CREATE INDEX delivery_payment ON delivery (merchant_id, payment_id);
-- By receiver first: a claim steps from receiver to receiver and reads a few
-- rows of each, however many a dead one has piled up.
CREATE INDEX delivery_claimable ON delivery (receiver, claimable_at) WHERE claimable_at > 0;

CREATE TABLE delivery_attempt (
    merchant_id TEXT   NOT NULL,
    delivery_id TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    took        BIGINT NOT NULL, -- nanoseconds
    status      BIGINT NOT NULL,
    answer      TEXT   NOT NULL,
    error       TEXT   NOT NULL,
    manual      BIGINT NOT NULL CHECK (manual IN (0, 1)),
    PRIMARY KEY (merchant_id, delivery_id, number)
);

-- Requests reserved in each second. The row of second 0 is a key's lock.
CREATE TABLE rate_slot (
    app_code TEXT   NOT NULL,
    second   BIGINT NOT NULL,
    taken    BIGINT NOT NULL,
    PRIMARY KEY (app_code, second)
);
