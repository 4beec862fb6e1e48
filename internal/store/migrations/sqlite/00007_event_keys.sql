-- A payment's last event and its notes are found by a key, however many events
-- it has. And an INSERT OR REPLACE, which deletes rows without a word to the
-- triggers that refuse a DELETE, is refused where it would take a row's place.

-- +goose Up

CREATE UNIQUE INDEX event_seq ON event (merchant_id, payment_id, seq);
CREATE INDEX event_kind ON event (merchant_id, payment_id, kind);

-- +goose StatementBegin
CREATE TRIGGER movement_insert BEFORE INSERT ON movement
WHEN EXISTS (SELECT 1 FROM movement WHERE merchant_id = NEW.merchant_id AND id = NEW.id)
    OR EXISTS (SELECT 1 FROM movement WHERE merchant_id = NEW.merchant_id AND debit = NEW.debit
        AND trade_no = NEW.trade_no AND refund_id = NEW.refund_id)
    OR EXISTS (SELECT 1 FROM movement WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'rows of movement are only ever added: this one is there'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_insert BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE merchant_id = NEW.merchant_id AND payment_id = NEW.payment_id AND id = NEW.id)
    OR EXISTS (SELECT 1 FROM event WHERE merchant_id = NEW.merchant_id AND payment_id = NEW.payment_id AND seq = NEW.seq)
    OR EXISTS (SELECT 1 FROM event WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'rows of event are only ever added: this one is there'); END;
-- +goose StatementEnd

-- Before an INSERT that names no rowid, NEW.rowid is -1: a row with that number
-- would refuse all others.
-- +goose StatementBegin
CREATE TRIGGER movement_rowid AFTER INSERT ON movement WHEN NEW.rowid < 1
BEGIN SELECT RAISE(ABORT, 'rows of movement are numbered from 1'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_rowid AFTER INSERT ON event WHEN NEW.rowid < 1
BEGIN SELECT RAISE(ABORT, 'rows of event are numbered from 1'); END;
-- +goose StatementEnd
