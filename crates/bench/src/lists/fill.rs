//! Fills a tenant with as many rows of everything that a list shows, directly in the database.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::FilledStore;
use crate::people::SignedInOwner;

const FILL: [&str; 10] = [
    "INSERT INTO users (id, email, name, status, version, created_at)
     SELECT {id}, 'member' || n || '@example.com', 'Ada Lovelace ' || n, 'enabled', 1, {at} FROM {numbers}",
    "INSERT INTO memberships (tenant_id, user_id, status, version, joined_at, name_key, email_key)
     SELECT {tenant}, {id}, 'active', 1, {at}, 'ada lovelace ' || n, 'member' || n || '@example.com' FROM {numbers}",
    "INSERT INTO roles (tenant_id, id, name, name_key, description, permissions, version, created_at, updated_at)
     SELECT {tenant}, {id}, 'clerk ' || n, 'clerk ' || n, 'Answers customers.', 'users:read', 1, {at}, {at}
     FROM {numbers}",
    "INSERT INTO membership_roles (tenant_id, user_id, role_id) SELECT {tenant}, {id}, {id} FROM {numbers}",
    "INSERT INTO invitations (tenant_id, id, email, state, invited_by, expires_at, created_at)
     SELECT {tenant}, {id}, 'invited' || n || '@example.com', 'open', {id}, {at}, {at} FROM {numbers}",
    "INSERT INTO invitation_roles (tenant_id, invitation_id, role_id) SELECT {tenant}, {id}, {id} FROM {numbers}",
    "INSERT INTO files (tenant_id, id, name, name_key, content_type, bytes, sha256, uploaded_by, created_at)
     SELECT {tenant}, {id}, 'plan ' || n || '.csv', 'plan ' || n || '.csv', 'text/csv', 1, {digest}, {id}, {at}
     FROM {numbers}",
    "INSERT INTO jobs (id, tenant_id, queue, kind, version, payload, priority, run_at, state, attempt, max_attempts,
                       created_at, finished_at)
     SELECT {id}, {tenant}, 'default', 'send_email', 1, '{}', 0, {at}, 'completed', 1, 5, {at}, {at} FROM {numbers}",
    "INSERT INTO journal (id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, actor_id,
                          target_type, target_id, changes, request_id, count, commitment)
     SELECT {id}, 1, {tenant}, {at}, 'role.created', 'role', 'succeeded', 'user', {id}, 'role', {id},
            '[{\"field\":\"name\",\"to\":\"clerk\"}]', {id}, 1, {digest} FROM {numbers}",
    "INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part)
     SELECT {id}, {tenant}, {id}, {digest},
            '{\"actorName\":\"Ada Lovelace\",\"ip\":\"203.0.113.7\",\"targetName\":\"clerk\"}' FROM {numbers}",
];

/// Writes `rows` rows of each kind into the tenant of the owner.
pub(super) async fn fill(store: &FilledStore, owner: &SignedInOwner, rows: u32) -> Result<()> {
    // Later than every row that the server has written, so that a list newest first shows these.
    const BEGIN_SECONDS: u64 = 4_000_000_000;
    let tenant = &owner.tenant;
    match store {
        FilledStore::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await?;
            let put = |sql: &str| {
                sql.replace("{id}", "('f0000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid")
                    .replace("{tenant}", &format!("'{tenant}'::uuid"))
                    .replace("{at}", &format!("to_timestamp({BEGIN_SECONDS} + n)"))
                    .replace("{digest}", "decode(repeat('00', 32), 'hex')")
                    .replace("{numbers}", &format!("generate_series(1, {rows}::bigint) n"))
            };
            sqlx::query("SET app.system = 'on'").execute(&mut connection).await?;
            for sql in FILL {
                sqlx::query(AssertSqlSafe(put(sql))).execute(&mut connection).await?;
            }
            sqlx::query("VACUUM ANALYZE").execute(&mut connection).await?;
            connection.close().await?;
        }
        FilledStore::Sqlite(file) => {
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            let numbers = format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s)"
            );
            let put = |sql: &str| {
                sql.replace("{id}", "unhex('f000000000007000' || '8000' || printf('%012x', n))")
                    .replace("{tenant}", &format!("x'{}'", tenant.replace('-', "")))
                    .replace("{at}", &format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', {BEGIN_SECONDS} + n, 'unixepoch')"))
                    .replace("{digest}", "zeroblob(32)")
                    .replace("{numbers}", &numbers)
            };
            let mut transaction = connection.begin().await?;
            for sql in FILL {
                sqlx::query(AssertSqlSafe(put(sql))).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            connection.close().await?;
        }
    }
    Ok(())
}
