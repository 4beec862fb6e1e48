-- What refunds and closings need beyond the first schema.

-- +goose Up

ALTER TABLE payment ADD COLUMN close_id TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN close_asked_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE refund ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
ALTER TABLE refund ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE refund ADD COLUMN sends BIGINT NOT NULL DEFAULT 0;

-- Turns of those who must keep a gap between them, whichever replica they are on.
CREATE TABLE pace (
    name      TEXT   NOT NULL PRIMARY KEY,
    free_at   BIGINT NOT NULL, -- the next turn, not before
    queued_at BIGINT NOT NULL  -- when the last of those who wait was told to come again
);
