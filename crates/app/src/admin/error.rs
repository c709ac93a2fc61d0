use std::path::PathBuf;
use tenantry_operator::OperatorError;

use crate::StartError;

/// The reason why a command of the operator failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The application could not be composed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The SQLite file does not exist, or is in another place.
    #[error("there is no database at {}: run `tenantry migrate` to create one, or set DATA_DIR or DATABASE_URL to an existing one", .0.display())]
    NoDatabase(PathBuf),
    /// The schema is older than this program.
    #[error("the database is not up to date: run `tenantry migrate` first")]
    NotMigrated,
    /// There is no key to verify seals with.
    #[error(
        "no key for seals is trusted: name one with --key, as `tenantry audit keys` prints them where the log is, or set SEAL_KEYS"
    )]
    NoSealKey,
    /// The command itself failed.
    #[error(transparent)]
    Command(#[from] OperatorError),
}
