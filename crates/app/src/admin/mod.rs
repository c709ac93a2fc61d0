//! What the operator of an installation does at its command line, on the database itself, beside a running server.

mod account;
mod audit;
mod database;
mod erasure;
mod error;
mod jobs;
mod keys;
mod people;
mod tenants;

pub use audit::{AuditAnswer, run_audit};
pub use error::AdminError;
pub use jobs::run_jobs;

use tenantry_kernel::{Action, Actor, Origin, RequestId, World};
use tenantry_store::{Scope, SystemReason, Unit};

use crate::{Answer, App, Failure, changes::ChangeRequest, cli::AdminCommand, config::Config};

const REASON: SystemReason = SystemReason::CommandLine;
const SCOPE: Scope = Scope::System(REASON);

/// Carries out a command of the operator and returns the line that tells what was done. Must run in a `LocalSet`, as
/// `actix_web::rt::System` has one.
pub async fn run_admin(config: Config, command: AdminCommand) -> Result<String, AdminError> {
    use AdminCommand as Do;
    use tenantry_kernel::TenantStatus::{Active, Suspended};
    match command {
        Do::CreateTenant(it) => on_database(config, async |app| tenants::create(app, it).await).await,
        Do::SuspendTenant(it) => on_database(config, async |app| tenants::set_status(app, it, Suspended).await).await,
        Do::ResumeTenant(it) => on_database(config, async |app| tenants::set_status(app, it, Active).await).await,
        Do::SetPlan(it) => on_database(config, async |app| tenants::set_plan(app, it).await).await,
        Do::AddMember(it) => on_database(config, async |app| people::add_member(app, it).await).await,
        Do::DisableUser(it) => on_database(config, async |app| people::disable(app, it).await).await,
        Do::EraseUser(it) => on_database(config, async |app| erasure::erase(app, it).await).await,
        Do::EnableUser(it) => on_database(config, async |app| people::enable(app, it).await).await,
        Do::RotateKeys => keys::rotate(&config),
        Do::RenewSealKey => keys::renew_seal_key(&config),
    }
}

/// Opens the database for one command, and closes it in order.
async fn on_database<T>(
    config: Config,
    work: impl AsyncFnOnce(&App) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let app = database::open(config).await?;
    let done = work(&app).await;
    app.store.close().await;
    done
}

/// Runs a change by the operator; what it returns is the line that tells of it.
async fn change<W>(app: &App, action: Action, work: W) -> Result<String, Failure>
where
    W: AsyncFn(&mut Unit, &Actor, &World) -> Result<String, Failure> + 'static,
{
    let origin = Origin { trace: RequestId::new(&app.world).into(), ip: None, user_agent: None };
    let by = ChangeRequest::new(Actor::operator(origin), action);
    let answer = app.change(by, SCOPE, async move |unit: &mut Unit, actor: &Actor, world: &World| {
        let line = work(unit, actor, world).await?;
        Ok(Answer { status: 200, headers: Vec::new(), body: line.into() })
    });
    Ok(String::from_utf8_lossy(&answer.await?.body).into_owned())
}
