-- Rows of the money record and of what happened are only ever added. Whoever
-- owns the database can drop these, and then the audit finds what was changed.

-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER movement_update BEFORE UPDATE ON movement
BEGIN SELECT RAISE(ABORT, 'rows of movement are only ever added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER movement_delete BEFORE DELETE ON movement
BEGIN SELECT RAISE(ABORT, 'rows of movement are only ever added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_update BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'rows of event are only ever added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER event_delete BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'rows of event are only ever added'); END;
-- +goose StatementEnd
