//! The operator's commands: opens their database and carries out those that need the keys of the configuration.

mod audit;
mod database;
mod error;
mod keys;

pub use audit::run_audit;
pub use error::AdminError;
pub use tenantry_operator::AuditAnswer;

use tenantry_operator::{JobsCommand, Operator, OperatorError};

use crate::{cli::AdminCommand, config::Config};

/// Carries out a command of the operator and returns the line that reports the result. Must run in a `LocalSet`, as
/// `actix_web::rt::System` provides.
pub async fn run_admin(config: Config, command: AdminCommand) -> Result<String, AdminError> {
    match command {
        AdminCommand::Operator(command) => {
            on_database(config, async |operator| operator.administer(command).await).await
        }
        AdminCommand::RotateKeys => keys::rotate(&config),
        AdminCommand::RenewSealKey => keys::renew_seal_key(&config),
    }
}

/// Carries out a command for jobs and returns its output. Must run in a `LocalSet`.
pub async fn run_jobs(config: Config, command: JobsCommand) -> Result<String, AdminError> {
    on_database(config, async |operator| operator.manage_jobs(command).await).await
}

/// Opens the database for one command and closes it in order.
async fn on_database<T>(
    config: Config,
    work: impl AsyncFnOnce(&Operator) -> Result<T, OperatorError>,
) -> Result<T, AdminError> {
    let app = database::open(config).await?;
    let operator = Operator {
        changes: app.changes.clone(),
        reader: app.reader.clone(),
        transactions: app.transactions.clone(),
        context: app.context.clone(),
        secrets: app.secrets.clone(),
        link_pages: app.link_pages.clone(),
        cleaner: app.cleaner.clone(),
        sealer: app.sealer.clone(),
    };
    let done = work(&operator).await;
    app.store.close().await;
    Ok(done?)
}
