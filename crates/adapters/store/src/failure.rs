//! Translates database errors into the errors of the ports.

use sea_orm::{DbErr, RuntimeErr};
use tenantry_kernel::StoreError;

/// A unique key, as the databases name it in a violation: PostgreSQL by its name, SQLite by its columns.
pub(crate) struct UniqueKey {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
}

/// The error of a statement.
#[derive(Debug)]
pub(crate) struct StatementError(DbErr);

/// Returns whether PostgreSQL ended the statement because it did not get a lock in time.
pub(crate) fn is_lock_timeout(error: &DbErr) -> bool {
    database_error(error).is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// The database did not respond before the unit's deadline.
#[derive(Debug, thiserror::Error)]
#[error("no answer within the deadline")]
pub(crate) struct DeadlinePassed;

impl StatementError {
    /// Returns whether the statement would have created a second row with that key.
    pub(crate) fn violates(&self, key: &UniqueKey) -> bool {
        match database_error(&self.0) {
            Some(error) => {
                error.is_unique_violation()
                    && (error.constraint() == Some(key.name) || error.message().ends_with(key.columns))
            }
            None => false,
        }
    }
}

impl From<DbErr> for StatementError {
    fn from(error: DbErr) -> Self {
        Self(error)
    }
}

impl From<StatementError> for StoreError {
    fn from(StatementError(error): StatementError) -> Self {
        match sort(&error) {
            Sort::Collision => Self::Collision(Box::new(error)),
            Sort::Unavailable => Self::Unavailable(Box::new(error)),
            Sort::Failed => Self::Failed(Box::new(error)),
        }
    }
}

impl From<DeadlinePassed> for StoreError {
    fn from(passed: DeadlinePassed) -> Self {
        Self::Unavailable(Box::new(passed))
    }
}

enum Sort {
    Collision,
    Unavailable,
    Failed,
}

fn sort(error: &DbErr) -> Sort {
    // Errors before the connection is accepted: too many connections, closed for maintenance, no such role. A request
    // cannot fix them, and a later attempt may succeed.
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return Sort::Unavailable;
    }
    let Some(database) = database_error(error) else {
        return match error {
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) if is_transport(e) => {
                Sort::Unavailable
            }
            _ => Sort::Failed,
        };
    };
    let code = database.code().unwrap_or_default();
    // PostgreSQL reports five characters (appendix A of its manual), SQLite a number whose low byte is the primary
    // code.
    if code.len() == 5 {
        return match &*code {
            "40001" | "40P01" => Sort::Collision,
            "25006" | "55P03" | "57014" | "25P03" => Sort::Unavailable,
            code if ["08", "53", "57"].contains(&&code[..2]) => Sort::Unavailable,
            _ => Sort::Failed,
        };
    }
    // SQLITE_BUSY, LOCKED, IOERR, FULL and CANTOPEN.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6 | 10 | 13 | 14) => Sort::Unavailable,
        _ => Sort::Failed,
    }
}

/// Returns whether the error tells of a lost connection, or of a PostgreSQL that stops or only reads.
pub(crate) fn ends_connection(error: &DbErr) -> bool {
    let code = database_error(error).map(|error| error.code().unwrap_or_default());
    match (code.as_deref(), error) {
        (Some(code), _) => code == "25006" || code.starts_with("57P") || (code.len() == 5 && code.starts_with("08")),
        (None, DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e))) => is_transport(e),
        (None, _) => false,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => e.as_database_error(),
        _ => None,
    }
}

fn is_transport(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    )
}
