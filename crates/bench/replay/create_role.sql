-- The statements that create one role. The bench compares them with those that the server sends.
\if :fresh
SELECT session, tenant, person FROM replay_targets WHERE client = :client_id \gset
\set fresh 0
\endif
\set name random(1, 9000000000000000000)
\startpipeline
BEGIN;
SELECT set_config('app.tenant', :tenant, true), set_config('app.person', :person, true),
    set_config('app.system', '', true), CASE WHEN pg_is_in_recovery() THEN txid_current() END;
\endpipeline
SELECT 1 FROM tenants WHERE id = :tenant FOR NO KEY UPDATE;
SELECT s.id AS session_id, s.sign_in_id, s.created_at AS session_created_at, s.expires_at, s.seen_rotation,
    u.id AS user_id, u.email, u.email_verified_at, u.name AS user_name, u.created_at AS user_created_at,
    u.version AS user_version,
    t.id AS tenant_id, t.name AS tenant_name, t.slug, t.plan, t.status AS tenant_status,
    t.created_at AS tenant_created_at,
    r.id AS role_id, r.name AS role_name, r.permissions, r.system
FROM sessions s
JOIN users u ON u.id = s.user_id
LEFT JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
LEFT JOIN tenants t ON t.id = m.tenant_id
LEFT JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id
LEFT JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id
WHERE s.id = :session AND s.ended_at IS NULL AND s.expires_at > now() AND u.status = 'enabled'
    AND (s.tenant_id IS NULL OR m.status = 'active')
ORDER BY r.name_key;
INSERT INTO "roles" ("tenant_id", "id", "name", "name_key", "description", "permissions", "system", "version",
    "created_at", "updated_at")
VALUES (:tenant, gen_random_uuid(), :name, :name, :description, :permissions, NULL, :one, now(), now());
WITH entry AS (INSERT INTO journal
    (id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, actor_id, on_behalf_of,
    target_type, target_id, changes, request_id, count, commitment)
    VALUES (gen_random_uuid(), :one, :tenant, now(), :action, :action_group, :outcome, :actor_type, :person, NULL,
    :target_type, gen_random_uuid(), :changes, gen_random_uuid(), :one, :digest)),
part AS (INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part)
    VALUES (gen_random_uuid(), :tenant, :person, :digest, :part))
INSERT INTO journal_unsealed (chain, event_id) VALUES (:tenant, gen_random_uuid());
COMMIT;
