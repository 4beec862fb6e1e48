-- A buyer who was sent to the wallet so that it tells who they are: one opened
-- authorisation link, kept until after the link's own end so that the link, by
-- its nonce, opens only once.

-- +goose Up

CREATE TABLE buyer_authorization (
    merchant_id TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    app_code    TEXT   NOT NULL,
    nonce       TEXT   NOT NULL,
    account_id  TEXT   NOT NULL,
    return_url  TEXT   NOT NULL,
    state       TEXT   NOT NULL, -- the merchant's own
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, app_code, nonce)
);
CREATE INDEX buyer_authorization_expires ON buyer_authorization (expires_at);
