-- A payment's last event and its notes are found by a key, however many events
-- it has.

-- +goose Up

CREATE UNIQUE INDEX event_seq ON event (merchant_id, payment_id, seq);
CREATE INDEX event_kind ON event (merchant_id, payment_id, kind);
