/* Requests counted in slots of a second, and turns of callers that must keep a gap. */

-- name: LockPace :one
INSERT INTO pace (name, free_at, queued_at) VALUES ($1, 0, 0)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING free_at, queued_at;

-- name: SetPace :exec
UPDATE pace SET free_at = @free_at, queued_at = @queued_at WHERE name = @name;

-- name: LockRate :exec
INSERT INTO rate_slot (app_code, second, taken) VALUES ($1, 0, 0)
ON CONFLICT (app_code, second) DO UPDATE SET taken = 0;

-- name: DropRateSlots :exec
DELETE FROM rate_slot WHERE app_code = @app_code AND second > 0 AND second < @before;

-- name: GiveBackRate :exec
UPDATE rate_slot SET taken = CASE WHEN taken > @given THEN taken - @given ELSE 0 END
WHERE app_code = @app_code AND second = @second AND second > 0;

-- name: RateSlots :many
SELECT second, taken FROM rate_slot
WHERE app_code = @app_code AND second > 0 AND second >= @first AND second <= @last ORDER BY second;

-- name: AddRate :exec
INSERT INTO rate_slot (app_code, second, taken) VALUES ($1, $2, $3)
ON CONFLICT (app_code, second) DO UPDATE SET taken = rate_slot.taken + excluded.taken;
