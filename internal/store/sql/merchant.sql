/* Merchants, their stores, credentials and wallet accounts. */

-- name: CreateMerchant :execrows
INSERT INTO merchant (id, name, mcc, disabled, created_at, keep_links, stop_refunds)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING;

-- name: Merchant :one
SELECT * FROM merchant WHERE id = $1;

-- name: Merchants :many
SELECT * FROM merchant ORDER BY id;

-- name: CreateStore :execrows
INSERT INTO store (merchant_id, app_code, id, name, mcc, disabled, created_at, keep_links, stop_refunds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (merchant_id, app_code, id) DO NOTHING;

-- name: Store :one
SELECT * FROM store WHERE merchant_id = $1 AND app_code = $2 AND id = $3;

-- name: Stores :many
SELECT * FROM store WHERE merchant_id = $1 ORDER BY app_code, id;

-- name: CreateCredential :execrows
INSERT INTO credential (app_code, merchant_id, client_key, notify_url, return_hosts, per_second, per_minute,
    has_stores, disabled, created_at, max_age, sha256_only)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (app_code) DO NOTHING;

-- name: CredentialOrDecoy :one
/* Always a row, so that an unknown app code costs what a known one costs. */
SELECT COALESCE(c.app_code, '') AS app_code, COALESCE(c.merchant_id, '') AS merchant_id,
    COALESCE(c.client_key, @decoy) AS client_key, COALESCE(c.notify_url, '') AS notify_url,
    COALESCE(c.return_hosts, '') AS return_hosts, COALESCE(c.per_second, 0) AS per_second,
    COALESCE(c.per_minute, 0) AS per_minute, COALESCE(c.has_stores, 0) AS has_stores,
    COALESCE(c.disabled, 0) AS disabled, COALESCE(c.created_at, 0) AS created_at,
    COALESCE(c.max_age, 0) AS max_age, COALESCE(c.sha256_only, 0) AS sha256_only
FROM (SELECT 1 AS one) AS always LEFT JOIN credential AS c ON c.app_code = @app_code;

-- name: Credentials :many
SELECT * FROM credential WHERE merchant_id = $1 ORDER BY app_code;

-- name: SetMerchantDisabled :execrows
UPDATE merchant SET disabled = @disabled, keep_links = @keep_links, stop_refunds = @stop_refunds WHERE id = @id;

-- name: SetStoreDisabled :execrows
UPDATE store SET disabled = @disabled, keep_links = @keep_links, stop_refunds = @stop_refunds
WHERE merchant_id = @merchant_id AND app_code = @app_code AND id = @id;

-- name: SetCredentialDisabled :execrows
UPDATE credential SET disabled = @disabled WHERE app_code = @app_code;

-- name: SetClientKey :execrows
UPDATE credential SET client_key = @client_key WHERE app_code = @app_code;

-- name: SetReturnHosts :execrows
UPDATE credential SET return_hosts = @return_hosts WHERE app_code = @app_code;

-- name: SetMaxAge :execrows
UPDATE credential SET max_age = @max_age WHERE app_code = @app_code;

-- name: SetSHA256Only :execrows
UPDATE credential SET sha256_only = @sha256_only WHERE app_code = @app_code;

-- name: SetWalletAccountDisabled :execrows
UPDATE wallet_account SET disabled = @disabled WHERE merchant_id = @merchant_id AND id = @id;

-- name: PutWalletAccount :exec
INSERT INTO wallet_account (merchant_id, id, wallet, pay_types, currencies, settings, secrets, disabled,
    created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (merchant_id, id) DO UPDATE SET
    wallet = excluded.wallet, pay_types = excluded.pay_types, currencies = excluded.currencies,
    settings = excluded.settings, secrets = excluded.secrets, updated_at = excluded.updated_at;

-- name: WalletAccounts :many
SELECT * FROM wallet_account WHERE merchant_id = $1 ORDER BY id;
