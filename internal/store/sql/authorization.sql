/* Opened authorisation links. */

-- name: OpenAuthorization :execrows
INSERT INTO buyer_authorization (merchant_id, id, app_code, nonce, account_id, return_url, state, created_at,
    expires_at, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
ON CONFLICT (merchant_id, app_code, nonce) DO NOTHING;

-- name: UseAuthorization :one
UPDATE buyer_authorization SET used_at = CAST(@now AS BIGINT)
WHERE merchant_id = @merchant_id AND id = @id AND used_at = 0 AND expires_at > CAST(@now AS BIGINT)
RETURNING app_code, nonce, account_id, return_url, state, created_at, expires_at;

-- name: DropAuthorizations :exec
DELETE FROM buyer_authorization WHERE expires_at < @before;
