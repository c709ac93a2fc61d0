//! Reads changes of authority through a connection of its own.

use sea_orm::prelude::Uuid;
use sqlx::{ConnectOptions, PgConnection, Row, SqliteConnection, postgres::PgRow};
use std::collections::HashSet;
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{SessionId, StoreError, TenantId, UserId};

use crate::{
    AuthorityChange, ConnectError, Database, StoreConfig,
    connect::{postgres_options, sqlite_options},
    table::{ExpiringRows, Expiry, HOUR, PersonalColumn, RowRetention, Table},
};

pub(crate) const TABLE: Table = Table {
    name: "authority_changes",
    of_tenant: None,
    of_person: None,
    expires: &[
        // Every process reads a row within a second and caches authority for a minute. A row without a time is older
        // than the column.
        Expiry::CleanUp(ExpiringRows {
            target: CleanUpTarget::AuthorityChanges,
            rows: ExpiredRows::AuthorityChanges,
            what: "notices that tell processes of changed authority",
            over: "(changed_at IS NULL OR changed_at < $1)",
            tenant: None,
            kept: RowRetention::For(HOUR),
        }),
    ],
    personal: &[PersonalColumn::stays("user_id", "an id, which is deleted after an hour")],
};

/// Reads `authority_changes` from where the last read ended, each row once. Reconnects after a failure.
pub struct AuthorityFeed {
    config: StoreConfig,
    place: Position,
}

enum Position {
    Sqlite { connection: Option<SqliteConnection>, last_id: Option<i64> },
    Postgres { connection: Option<PgConnection>, horizon: Option<i64>, applied: HashSet<i64> },
}

impl AuthorityFeed {
    /// Returns a feed that reports the changes after its first read.
    pub fn new(config: StoreConfig) -> Self {
        let place = match config.database {
            Database::Sqlite(_) => Position::Sqlite { connection: None, last_id: None },
            Database::Postgres(_) => Position::Postgres { connection: None, horizon: None, applied: HashSet::new() },
        };
        Self { config, place }
    }

    /// Returns the changes since the previous read. After an error the next read continues from the same position.
    pub async fn read(&mut self) -> Result<Vec<AuthorityChange>, ConnectError> {
        match (&mut self.place, &self.config.database) {
            (Position::Sqlite { connection, last_id }, Database::Sqlite(file)) => {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => {
                        let options = sqlite_options(file, &self.config).read_only(true);
                        options.connect().await.map_err(ConnectError::Unreachable)?
                    }
                };
                let changes = read_sqlite(&mut open, last_id).await.map_err(failed)?;
                *connection = Some(open);
                Ok(changes)
            }
            (Position::Postgres { connection, horizon, applied }, Database::Postgres(url)) => {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => {
                        let options = postgres_options(url, &self.config)?.application_name("tenantry authority feed");
                        let mut open = options.connect().await.map_err(ConnectError::Unreachable)?;
                        let system = "SELECT set_config('app.system', 'on', false)";
                        sqlx::query(system).execute(&mut open).await.map_err(failed)?;
                        open
                    }
                };
                let changes = read_postgres(&mut open, horizon, applied).await.map_err(failed)?;
                *connection = Some(open);
                Ok(changes)
            }
            _ => Err(StoreError::Misuse("a feed can only be used with its own database").into()),
        }
    }
}

fn failed(error: sqlx::Error) -> ConnectError {
    StoreError::Unavailable(Box::new(error)).into()
}

/// Id, session, user and tenant.
type ChangeRow = (i64, Option<Uuid>, Option<Uuid>, Option<Uuid>);

/// Reads changes on SQLite. SQLite has one writer at a time, so ids become visible in order.
async fn read_sqlite(
    connection: &mut SqliteConnection,
    last_id: &mut Option<i64>,
) -> Result<Vec<AuthorityChange>, sqlx::Error> {
    let Some(last) = *last_id else {
        let (newest,): (i64,) =
            sqlx::query_as("SELECT coalesce(max(id), 0) FROM authority_changes").fetch_one(connection).await?;
        *last_id = Some(newest);
        return Ok(Vec::new());
    };
    let rows: Vec<ChangeRow> =
        sqlx::query_as("SELECT id, session_id, user_id, tenant_id FROM authority_changes WHERE id > $1 ORDER BY id")
            .bind(last)
            .fetch_all(connection)
            .await?;
    *last_id = rows.last().map(|row| row.0).or(*last_id);
    Ok(rows.into_iter().filter_map(|(_, session, user, tenant)| change(session, user, tenant)).collect())
}

/// Reads changes on PostgreSQL, where rows become visible out of order. A transaction that was still running at the
/// previous read may have written an id below others already seen. So each read starts at the oldest transaction that
/// was running then.
async fn read_postgres(
    connection: &mut PgConnection,
    horizon: &mut Option<i64>,
    applied: &mut HashSet<i64>,
) -> Result<Vec<AuthorityChange>, sqlx::Error> {
    const READ: &str = "\
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, \
               c.id, c.session_id, c.user_id, c.tenant_id \
        FROM (SELECT 1) AS always LEFT JOIN authority_changes c ON c.xid >= $1::text::xid8";
    // The first read reports nothing: the changes that it finds were committed before it. It starts at the oldest
    // running transaction, which may be unrelated.
    let (start, is_first) = match *horizon {
        Some(start) => (start, false),
        None => {
            let (now,): (i64,) = sqlx::query_as("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
                .fetch_one(&mut *connection)
                .await?;
            (now, true)
        }
    };
    let rows: Vec<PgRow> = sqlx::query(READ).bind(start.to_string()).fetch_all(connection).await?;
    let mut seen = HashSet::with_capacity(rows.len());
    let mut changes = Vec::new();
    for row in rows {
        *horizon = Some(row.try_get("horizon")?);
        let Some(id) = row.try_get::<Option<i64>, _>("id")? else { continue };
        seen.insert(id);
        if !is_first && !applied.contains(&id) {
            changes.extend(change(row.try_get("session_id")?, row.try_get("user_id")?, row.try_get("tenant_id")?));
        }
    }
    *applied = seen;
    Ok(changes)
}

fn change(session: Option<Uuid>, user: Option<Uuid>, tenant: Option<Uuid>) -> Option<AuthorityChange> {
    session
        .map(|id| AuthorityChange::Session(SessionId::from_uuid(id)))
        .or(user.map(|id| AuthorityChange::User(UserId::from_uuid(id))))
        .or(tenant.map(|id| AuthorityChange::Tenant(TenantId::from_uuid(id))))
}
