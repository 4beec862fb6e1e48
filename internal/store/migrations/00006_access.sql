-- What an app code's requests must be, and what still goes on with a merchant or a store that is disabled. Every
-- column has a default, so that a release that does not know it can go on beside this one.

-- +goose Up

ALTER TABLE credential ADD COLUMN max_age BIGINT NOT NULL DEFAULT 0 CHECK (max_age >= 0); -- ms between txdtm and our clock; 0: any
ALTER TABLE credential ADD COLUMN sha256_only BIGINT NOT NULL DEFAULT 0 CHECK (sha256_only IN (0, 1));

ALTER TABLE merchant ADD COLUMN keep_links BIGINT NOT NULL DEFAULT 0 CHECK (keep_links IN (0, 1));
ALTER TABLE merchant ADD COLUMN stop_refunds BIGINT NOT NULL DEFAULT 0 CHECK (stop_refunds IN (0, 1));
ALTER TABLE store ADD COLUMN keep_links BIGINT NOT NULL DEFAULT 0 CHECK (keep_links IN (0, 1));
ALTER TABLE store ADD COLUMN stop_refunds BIGINT NOT NULL DEFAULT 0 CHECK (stop_refunds IN (0, 1));
