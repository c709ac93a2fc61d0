//! The reasons why the server cannot start.

use std::path::PathBuf;
use tenantry_crypto::{Argon2Error, KeyListError};
use tenantry_kernel::{DuplicateName, StoreError};
use tenantry_store::ConnectError;

/// The reason why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A list of keys cannot be used.
    #[error("{variable} cannot be used: {error}")]
    Keys {
        /// The variable that holds the list.
        variable: &'static str,
        /// The mistake in the list.
        error: KeyListError,
    },
    /// The key file made in development holds no keys.
    #[error("{} holds no keys: remove the file, so that the server creates new keys, or set SIGNING_KEYS, SERVER_SECRETS and SEAL_KEYS", .0.display())]
    KeyFile(PathBuf),
    /// A file or folder of the server cannot be used.
    #[error("{}: {}; set DATA_DIR to a folder that can be written", .0.display(), .1)]
    Files(PathBuf, #[source] std::io::Error),
    /// Another process serves from this SQLite file.
    #[error("another process serves from {}: SQLite supports one process; use PostgreSQL for several", .0.display())]
    Locked(PathBuf),
    /// The storage of files cannot be used.
    #[error("STORAGE_URL cannot be used: {0}")]
    Storage(#[from] tenantry_objects::OpenError),
    /// A mail template cannot be used.
    #[error("MAIL_TEMPLATES: {0}")]
    Templates(#[from] tenantry_mail::TemplateError),
    /// The SMTP server cannot be used as configured.
    #[error("MAIL_CA_FILE or MAIL_URL cannot be used: {0}")]
    Smtp(#[from] tenantry_mail::SmtpSetupError),
    /// A schedule is invalid.
    #[error(transparent)]
    Cron(#[from] tenantry_jobs::CronError),
    /// The job of a schedule cannot be serialized.
    #[error("the job of a schedule cannot be serialized: {0}")]
    ScheduledJob(#[from] tenantry_jobs::SealError),
    /// The sender of emails is not a valid mailbox.
    #[error("MAIL_FROM cannot be used: {0}")]
    Sender(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Metrics cannot be served.
    #[error("metrics cannot be served on {0}; set METRICS_ADDR to an address of this machine and a free port")]
    Metrics(std::net::SocketAddr, #[source] std::io::Error),
    /// Metrics cannot be recorded.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(String),
    /// The hashing threads could not be started.
    #[error(transparent)]
    Hasher(#[from] Argon2Error),
    /// The database cannot be used.
    #[error("{0}; check DATABASE_URL, or run `tenantry doctor`")]
    Database(#[source] ConnectError),
    /// Only newer programs may run on the schema.
    #[error(transparent)]
    ProgramTooOld(ConnectError),
    /// A look-up at start-up failed.
    #[error("{0}; check DATABASE_URL, or run `tenantry doctor`")]
    Store(#[from] StoreError),
    /// The database role bypasses row-level security.
    #[error(
        "the PostgreSQL role can bypass row-level security: use a role that is neither superuser nor BYPASSRLS, or set ALLOW_RLS_BYPASS=on"
    )]
    RowLevelSecurity,
    /// Two crates declare the same name.
    #[error(transparent)]
    Vocabulary(#[from] DuplicateName),
    /// The server could not be set up, or failed.
    #[error("the server failed: {0}")]
    Server(#[from] std::io::Error),
}

impl From<ConnectError> for StartError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::ProgramTooOld { .. } => Self::ProgramTooOld(error),
            error => Self::Database(error),
        }
    }
}

impl StartError {
    pub(crate) fn keys(variable: &'static str, error: KeyListError) -> Self {
        Self::Keys { variable, error }
    }
}
