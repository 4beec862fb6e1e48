-- When a wallet's message about a payment last had the wallet asked. The
-- previous release may run beside this step: it neither reads nor needs it.

-- +goose Up

ALTER TABLE payment ADD COLUMN confirmed_at BIGINT NOT NULL DEFAULT 0;
