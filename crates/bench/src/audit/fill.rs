//! Fills a long log directly in the database.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::Store;

/// Time of the first entry in milliseconds since 1970; each later entry is one millisecond younger.
pub(super) const BEGIN_MILLIS: u64 = 1_760_000_000_000;

/// The actor of every hundredth entry.
pub(super) const ACTOR: &str = "00000000-0000-7000-8000-000000000001";
/// The target of every thousandth entry.
pub(super) const TARGET: &str = "00000000-0000-7000-9000-000000000001";

const COLUMNS: &str = "id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, actor_id, target_type, \
     target_id, changes, request_id, count, commitment";

/// Columns of entry `n`: actions of several frequencies down to one in ten thousand, with rare refusals and rare kinds
/// of targets.
const ROW: &str = "{id}, 1, {tenant}, {at}, \
     CASE WHEN n % 10000 = 0 THEN 'role.deleted' WHEN n % 100 = 0 THEN 'role.updated' WHEN n % 3 = 0 THEN 'session.ended' \
         ELSE 'session.started' END, \
     CASE WHEN n % 100 = 0 THEN 'role' ELSE 'session' END, \
     CASE WHEN n % 1000 = 7 THEN 'denied' ELSE 'succeeded' END, 'user', {actor}, \
     CASE WHEN n % 100 = 0 THEN 'role' ELSE 'session' END, {target}, \
     '[{\"field\":\"name\",\"from\":\"before\",\"to\":\"after\"}]', {id}, 1, {digest}";

const PART: &str = "'{\"actorName\":\"Ada Lovelace\",\"ip\":\"203.0.113.7\",\"targetName\":\"support\",\
     \"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36\"}'";

/// Writes the entries of the tenant.
pub(super) async fn fill(store: &Store, tenant: &str, entries: u32) -> Result<()> {
    let begin = BEGIN_MILLIS;
    match store {
        Store::Postgres(url) => {
            let hex = |number: &str, width: u8| format!("lpad(to_hex({number}), {width}, '0')");
            let id = format!(
                "({} || '7' || {} || '8' || {})::uuid",
                hex(&format!("{begin} + n"), 12),
                hex("n % 4096", 3),
                hex("n", 15)
            );
            let digest = format!("decode({} || {}, 'hex')", hex("n", 32), hex("n * 31", 32));
            let row = ROW
                .replace("{id}", &id)
                .replace("{tenant}", &format!("'{tenant}'::uuid"))
                .replace("{at}", &format!("to_timestamp(({begin} + n) / 1000.0)"))
                .replace("{actor}", &format!("('00000000000070008000' || {})::uuid", hex("n % 100 + 1", 12)))
                .replace("{target}", &format!("('00000000000070009000' || {})::uuid", hex("n % 1000 + 1", 12)))
                .replace("{digest}", &digest);
            let mut connection = PgConnection::connect(url).await?;
            for statement in [
                "SET app.system = 'on'".to_owned(),
                format!("INSERT INTO journal ({COLUMNS}) SELECT {row} FROM generate_series(1, {entries}::bigint) n"),
                format!(
                    "INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part) \
                     SELECT id, tenant_id, actor_id, commitment, {PART} FROM journal WHERE actor_id IS NOT NULL \
                     ON CONFLICT DO NOTHING"
                ),
                "VACUUM ANALYZE journal".to_owned(),
                "VACUUM ANALYZE journal_parts".to_owned(),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
            }
            connection.close().await?;
        }
        Store::Sqlite(file) => {
            let tenant = format!("x'{}'", tenant.replace('-', ""));
            let row = ROW
                .replace("{id}", &format!("unhex(printf('%012x7%03x8%015x', {begin} + n, n % 4096, n))"))
                .replace("{tenant}", &tenant)
                .replace("{at}", &format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', ({begin} + n) / 1000.0, 'unixepoch')"))
                .replace("{actor}", "unhex(printf('00000000000070008000%012x', n % 100 + 1))")
                .replace("{target}", "unhex(printf('00000000000070009000%012x', n % 1000 + 1))")
                .replace("{digest}", "unhex(printf('%032x%032x', n, n * 31))");
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            let numbers =
                format!("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {entries})");
            for statement in [
                format!("INSERT INTO journal ({COLUMNS}) {numbers} SELECT {row} FROM s"),
                format!(
                    "INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part) \
                     SELECT id, tenant_id, actor_id, commitment, {PART} FROM journal WHERE actor_id IS NOT NULL \
                     ON CONFLICT DO NOTHING"
                ),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
            }
            connection.close().await?;
        }
    }
    Ok(())
}
