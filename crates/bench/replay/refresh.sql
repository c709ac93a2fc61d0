-- The statements of one refresh. The bench compares them with those that the server sends.
\if :fresh
SELECT session, tenant, person, rotation FROM replay_targets WHERE client = :client_id \gset
\set fresh 0
\endif
\startpipeline
BEGIN;
SELECT set_config('app.tenant', '', true), set_config('app.person', '', true),
    set_config('app.system', 'on', true), CASE WHEN pg_is_in_recovery() THEN txid_current() END;
\endpipeline
UPDATE "sessions" SET "rotation" = "rotation" + :one, "seen_rotation" = "rotation", "rotated_at" = now(),
    "last_used_at" = now()
WHERE "sessions"."id" = :session AND "sessions"."rotation" = :rotation AND "sessions"."ended_at" IS NULL
    AND "sessions"."expires_at" > now() AND "sessions"."rotated_at" > :long_ago
RETURNING "id", "sign_in_id", "user_id", "tenant_id", "key_id", "rotation", "seen_rotation", "created_at",
    "rotated_at", "last_used_at", "expires_at", "ended_at", "end_reason", "user_agent", "ip" \gset
COMMIT;
