-- The statements of one refresh. The bench compares them with those that the server sends.
\if :fresh
SELECT session, tenant, person FROM replay_targets WHERE client = :client_id \gset
\set fresh 0
\endif
BEGIN;
SELECT set_config('app.tenant', '', true), set_config('app.person', '', true),
    set_config('app.system', :on, true);
SELECT "sessions"."id", "sessions"."sign_in_id", "sessions"."user_id", "sessions"."tenant_id", "sessions"."key_id",
    "sessions"."rotation", "sessions"."seen_rotation", "sessions"."created_at", "sessions"."rotated_at",
    "sessions"."last_used_at", "sessions"."expires_at", "sessions"."ended_at", "sessions"."end_reason",
    "sessions"."user_agent", "sessions"."ip"
FROM "sessions" WHERE "sessions"."id" = :session LIMIT :one \gset
UPDATE "sessions" SET "rotation" = "rotation" + :one, "seen_rotation" = "rotation", "rotated_at" = now(),
    "last_used_at" = now()
WHERE "sessions"."id" = :session AND "sessions"."rotation" = :rotation AND "sessions"."ended_at" IS NULL;
COMMIT;
