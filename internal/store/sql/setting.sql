/* What the deployment itself keeps: proof of the master key, the number slot. */

-- name: PutSetting :exec
INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING;

-- name: Setting :one
SELECT value FROM setting WHERE name = $1;

-- name: DropSetting :exec
DELETE FROM setting WHERE name = $1;
