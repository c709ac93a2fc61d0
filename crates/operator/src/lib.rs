//! The commands of the operator of an installation. They work on the database directly, beside a running server.

mod account;
mod audit;
mod commands;
mod erasure;
mod error;
mod jobs;
mod people;
mod tenants;

pub use audit::{AuditAnswer, AuditVerdict, public_keys, verify_export};
pub use commands::*;
pub use error::OperatorError;

use std::sync::Arc;
use tenantry_crypto::ServerSecrets;
use tenantry_kernel::{
    Action, Actor, Context, Origin, RequestId,
    TenantStatus::{Active, Suspended},
};
use tenantry_service::{
    ChangeRequest, Changes, Cleaner, JournalSealer, LinkPages, Reader, Reply, Scope, ServiceError, SystemReason,
    Transactions, Unit,
};

const REASON: SystemReason = SystemReason::CommandLine;
const SCOPE: Scope = Scope::System(REASON);

/// The services that the operator's commands use. The commands must run in a `LocalSet`.
pub struct Operator {
    /// Runs changes.
    pub changes: Changes,
    /// Opens units for reading.
    pub reader: Reader,
    /// Opens units for writing, for work that is done in portions.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
    /// Encrypts the secrets of jobs.
    pub secrets: Arc<ServerSecrets>,
    /// Addresses of the links to a first password.
    pub link_pages: LinkPages,
    /// Deletes expired rows.
    pub cleaner: Cleaner,
    /// Seals the journal.
    pub sealer: JournalSealer,
}

impl Operator {
    /// Carries out a command for tenants and users, and returns the line that reports the result.
    pub async fn administer(&self, command: OperatorCommand) -> Result<String, OperatorError> {
        use OperatorCommand as Do;
        match command {
            Do::CreateTenant(it) => tenants::create(self, it).await,
            Do::SuspendTenant(it) => tenants::set_status(self, it, Suspended).await,
            Do::ResumeTenant(it) => tenants::set_status(self, it, Active).await,
            Do::SetPlan(it) => tenants::set_plan(self, it).await,
            Do::AddMember(it) => people::add_member(self, it).await,
            Do::DisableUser(it) => people::disable(self, it).await,
            Do::EraseUser(it) => erasure::erase(self, it).await,
            Do::EnableUser(it) => people::enable(self, it).await,
        }
    }

    /// Runs a change by the operator. The work returns the line that reports the result.
    async fn change<W>(&self, action: Action, work: W) -> Result<String, ServiceError>
    where
        W: AsyncFn(&mut Unit, &Actor, &Context) -> Result<String, ServiceError> + 'static,
    {
        let origin = Origin { trace: RequestId::new(&self.context).into(), ip: None, user_agent: None };
        let by = ChangeRequest::new(Actor::operator(origin), action);
        let reply = self.changes.run(by, SCOPE, async move |unit: &mut Unit, actor: &Actor, context: &Context| {
            let line = work(unit, actor, context).await?;
            Ok(Reply { status: 200, headers: Vec::new(), body: line.into() })
        });
        Ok(String::from_utf8_lossy(&reply.await?.body).into_owned())
    }
}
