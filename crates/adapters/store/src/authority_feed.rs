//! Reads changes of authority through a connection of its own.

use sea_orm::prelude::Uuid;
use sqlx::{ConnectOptions, PgConnection, Row, SqliteConnection, postgres::PgRow};
use std::{collections::HashSet, time::Duration};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{SessionId, StoreError, TenantId, UserId};

use crate::{
    AuthorityChange, ConnectError, Database, StoreConfig,
    connect::sqlite_options,
    postgres::{self, only_reads},
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

/// The result of a read of the feed.
#[derive(Debug, PartialEq, Eq)]
pub enum FeedRead {
    /// The feed begins on a new connection. Earlier changes may have been missed, so everything that was cached before
    /// must be looked up again.
    Begun,
    /// The changes since the previous read.
    Changes(Vec<AuthorityChange>),
}

/// Reads `authority_changes` from where the last read ended, each row once. Reconnects after a failure.
pub struct AuthorityFeed {
    config: StoreConfig,
    place: Position,
}

enum Position {
    Sqlite { connection: Option<SqliteConnection>, last_id: Option<i64> },
    Postgres(Option<Following>),
}

/// A position in the feed of one PostgreSQL server, which ends with the connection. A promoted server may lack the last
/// transactions of the one before, and then uses their ids again.
struct Following {
    connection: PgConnection,
    horizon: i64,
    applied: HashSet<i64>,
}

impl AuthorityFeed {
    /// Returns a feed that reports the changes after its first read.
    pub fn new(config: StoreConfig) -> Self {
        let place = match config.database {
            Database::Sqlite(_) => Position::Sqlite { connection: None, last_id: None },
            Database::Postgres(_) => Position::Postgres(None),
        };
        Self { config, place }
    }

    /// Returns the changes since the previous read. Fails on a PostgreSQL that only reads: a standby may lag behind. On
    /// PostgreSQL the feed begins anew after an error; on SQLite the next read continues from the same position.
    pub async fn read(&mut self) -> Result<FeedRead, ConnectError> {
        match (&mut self.place, &self.config.database) {
            (Position::Sqlite { connection, last_id }, Database::Sqlite(file)) => {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => {
                        let options = sqlite_options(file, &self.config).read_only(true);
                        options.connect().await.map_err(ConnectError::Unreachable)?
                    }
                };
                let read = read_sqlite(&mut open, last_id).await.map_err(failed)?;
                *connection = Some(open);
                Ok(read)
            }
            (Position::Postgres(following), Database::Postgres(url)) => {
                let (begun, read) = match following.take() {
                    Some(mut open) => {
                        let changes = open.changes().await?;
                        (open, FeedRead::Changes(changes))
                    }
                    None => {
                        let options = postgres::options(url)?.application_name("tenantry authority feed");
                        let connection = options.connect().await.map_err(ConnectError::Unreachable)?;
                        (Following::begin(connection, self.config.deadline).await?, FeedRead::Begun)
                    }
                };
                *following = Some(begun);
                Ok(read)
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
async fn read_sqlite(connection: &mut SqliteConnection, last_id: &mut Option<i64>) -> Result<FeedRead, sqlx::Error> {
    let Some(last) = *last_id else {
        let (newest,): (i64,) =
            sqlx::query_as("SELECT coalesce(max(id), 0) FROM authority_changes").fetch_one(connection).await?;
        *last_id = Some(newest);
        return Ok(FeedRead::Begun);
    };
    let rows: Vec<ChangeRow> =
        sqlx::query_as("SELECT id, session_id, user_id, tenant_id FROM authority_changes WHERE id > $1 ORDER BY id")
            .bind(last)
            .fetch_all(connection)
            .await?;
    *last_id = rows.last().map(|row| row.0).or(*last_id);
    let changes = rows.into_iter().filter_map(|(_, session, user, tenant)| change(session, user, tenant));
    Ok(FeedRead::Changes(changes.collect()))
}

/// Reads changes on PostgreSQL, where rows become visible out of order. A transaction that was still running at the
/// previous read may have written an id below others already seen. So each read starts at the oldest transaction that
/// was running then. It returns one row at least.
const READ: &str = concat!(
    "SELECT ",
    only_reads!(),
    " AS only_reads, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, \
     c.id, c.session_id, c.user_id, c.tenant_id \
     FROM (SELECT 1) AS always LEFT JOIN authority_changes c ON c.xid >= $1::text::xid8"
);

impl Following {
    /// Begins at the oldest running transaction, which may be unrelated. The changes found now were committed before.
    async fn begin(mut connection: PgConnection, deadline: Duration) -> Result<Self, ConnectError> {
        let set_up = async {
            postgres::set_up(&mut connection, deadline).await?;
            sqlx::query("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await?;
            sqlx::query_as("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
                .fetch_one(&mut connection)
                .await
        };
        let (horizon,): (i64,) = set_up.await.map_err(failed)?;
        let mut begun = Self { connection, horizon, applied: HashSet::new() };
        begun.changes().await?;
        Ok(begun)
    }

    async fn changes(&mut self) -> Result<Vec<AuthorityChange>, ConnectError> {
        let rows = sqlx::query(READ).bind(self.horizon.to_string()).fetch_all(&mut self.connection);
        let rows = rows.await.map_err(failed)?;
        self.apply(&rows).map_err(failed)?.ok_or(ConnectError::OnlyReads)
    }

    /// Returns the changes among the rows that were not reported before; `None` if the server only reads.
    fn apply(&mut self, rows: &[PgRow]) -> Result<Option<Vec<AuthorityChange>>, sqlx::Error> {
        let mut seen = HashSet::with_capacity(rows.len());
        let mut changes = Vec::new();
        for row in rows {
            if row.try_get("only_reads")? {
                return Ok(None);
            }
            self.horizon = row.try_get("horizon")?;
            let Some(id) = row.try_get::<Option<i64>, _>("id")? else { continue };
            seen.insert(id);
            if !self.applied.contains(&id) {
                changes.extend(change(row.try_get("session_id")?, row.try_get("user_id")?, row.try_get("tenant_id")?));
            }
        }
        self.applied = seen;
        Ok(Some(changes))
    }
}

fn change(session: Option<Uuid>, user: Option<Uuid>, tenant: Option<Uuid>) -> Option<AuthorityChange> {
    session
        .map(|id| AuthorityChange::Session(SessionId::from_uuid(id)))
        .or(user.map(|id| AuthorityChange::User(UserId::from_uuid(id))))
        .or(tenant.map(|id| AuthorityChange::Tenant(TenantId::from_uuid(id))))
}
