//! The operator's commands, their arguments and their help. Other modules carry the commands out.

use clap::{
    ArgGroup, Args, Subcommand, ValueHint,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use std::path::PathBuf;
use tenantry_audit::Head;
use tenantry_crypto::SealPublicKey;
use tenantry_jobs::{CleanUpTarget, JobId, JobState};
use tenantry_kernel::{EmailAddress, Name, TenantId, UserId, parse_own_id};
use tenantry_tenancy::{PLANS, Plan, RoleName, Slug};

const CREATE_TENANT_HELP: &str = "\
If the owner's address has no account yet, the command creates one. The server or the worker emails a link to choose the
first password; it is valid for three days. With --print-link the command prints the link instead, for you to pass on.
An existing account keeps its password, and no email is sent.

Example:
  tenantry admin create-tenant \\
    --name 'Acme Ltd' --owner-email ada@acme.example --owner-name 'Ada Byron'";

const ADD_MEMBER_HELP: &str = "\
If the address has no account yet, the command creates one. The server or the worker emails a link to choose the first
password; it is valid for three days. With --print-link the command prints the link instead, for you to pass on.
An existing account keeps its name and its password, and no email is sent.

Example:
  tenantry admin add-member \\
    --tenant acme --email bob@acme.example --name 'Bob Roe' --role member";

const VERIFY_HELP: &str = "\
Entries since the last seal, of the last three minutes at most, are not protected yet. Only with --head does the command
detect that the end of a log was cut off, or that a holder of the key rewrote the log.

Examples:
  tenantry audit verify
  tenantry audit verify --tenant acme --head 0192f0c1-2345-7abc-8def-0123456789ab:7:3b0c…e1
  tenantry audit verify --export acme.ndjson --key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// The commands for the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify that logs were not changed since they were sealed, and name the first entry that was.
    ///
    /// Exits with 0 if every log is intact, with 1 if a log was changed, and with 2 if the command could not decide.
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Print the head of each log, to be stored apart from the log.
    ///
    /// With a head, `tenantry audit verify` also detects that a log was cut off or rewritten.
    Head(HeadOf),
    /// Print the public keys of the seals, for `tenantry audit verify --key` elsewhere.
    Keys,
    /// Seal the entries that wait to be sealed, without waiting for the next minute.
    Seal,
}

/// Logs to verify, and keys to trust.
#[derive(Debug, Args)]
pub struct Verify {
    /// Only the log of this tenant, by its slug or its id (default: every log of the database)
    #[arg(long, value_name = "SLUG_OR_ID", value_parser = TenantSelector::parse, conflicts_with = "export")]
    pub tenant: Option<TenantSelector>,
    /// Verify this file of GET /audit-logs/export?format=ndjson&seals=true instead of the database
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Option<PathBuf>,
    /// Trust only this public key; may be repeated (default: the keys of SEAL_KEYS)
    // One in 64 keys begins with a hyphen.
    #[arg(long = "key", value_name = "KEY", value_parser = seal_key, allow_hyphen_values = true)]
    pub keys: Vec<SealPublicKey>,
    /// A head that was stored apart from the log; may be repeated, for other logs
    #[arg(long = "head", value_name = "HEAD")]
    pub heads: Vec<Head>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// The log whose head is printed.
#[derive(Debug, Args)]
pub struct HeadOf {
    /// Only of this tenant, by its slug or its id
    #[arg(long, value_name = "SLUG_OR_ID", value_parser = TenantSelector::parse)]
    pub tenant: Option<TenantSelector>,
}

fn seal_key(text: &str) -> Result<SealPublicKey, &'static str> {
    SealPublicKey::parse(text).ok_or("is not the 32 bytes of an Ed25519 public key in base64")
}

/// The commands for jobs.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first.
    #[command(
        after_help = "Examples:\n  tenantry jobs list --state dead\n  tenantry jobs list --tenant acme --kind mail --json"
    )]
    List(ListJobs),
    /// Show one job.
    Show(ShowJob),
    /// Retry a dead or cancelled job, with all its attempts again.
    Retry(JobArgument),
    /// Cancel a job that is not running yet.
    Cancel(JobArgument),
    /// Show the number of waiting jobs in each queue.
    Stats(OutputArgument),
    /// Delete expired rows of one tenant, or of the whole installation.
    #[command(
        after_help = "Examples:\n  tenantry jobs cleanup --dry-run\n  tenantry jobs cleanup --tenant acme --target finished_jobs"
    )]
    Cleanup(CleanUpArguments),
}

/// The jobs to list.
#[derive(Debug, Args)]
pub struct ListJobs {
    /// Only of this tenant, by its slug or its id
    #[arg(long, value_name = "SLUG_OR_ID", value_parser = TenantSelector::parse)]
    pub tenant: Option<TenantSelector>,
    /// Only of this queue
    #[arg(long)]
    pub queue: Option<String>,
    /// Only of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// Only in this state
    #[arg(long, value_parser = state_parser())]
    pub state: Option<JobState>,
    /// Maximum number of jobs, 1 to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// A job to show.
#[derive(Debug, Args)]
pub struct ShowJob {
    /// The job.
    #[command(flatten)]
    pub job: JobArgument,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// A job.
#[derive(Debug, Clone, Copy, Args)]
pub struct JobArgument {
    /// The id of the job, as `tenantry jobs list` shows it
    pub id: JobId,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgument {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// The rows to delete.
#[derive(Debug, Args)]
pub struct CleanUpArguments {
    /// Only rows of this tenant, by its slug or its id
    #[arg(long, value_name = "SLUG_OR_ID", value_parser = TenantSelector::parse)]
    pub tenant: Option<TenantSelector>,
    /// Only this kind of rows; may be repeated (default: all kinds)
    #[arg(long = "target", value_name = "TARGET", value_parser = target_parser())]
    pub targets: Vec<CleanUpTarget>,
    /// Count the rows without deleting them
    #[arg(long)]
    pub dry_run: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// The operator's commands for tenants and users.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Create a tenant with its default roles and its owner.
    #[command(after_help = CREATE_TENANT_HELP)]
    CreateTenant(CreateTenantArguments),
    /// Add a user to a tenant with one role.
    #[command(after_help = ADD_MEMBER_HELP)]
    AddMember(AddMemberArguments),
    /// Suspend a tenant: its members are refused until it is resumed.
    SuspendTenant(TenantArgument),
    /// Resume a suspended tenant; its sessions then work again.
    ResumeTenant(TenantArgument),
    /// Change the plan of a tenant.
    SetPlan(SetPlan),
    /// Disable a user in every tenant and end all of the user's sessions.
    DisableUser(DisableUser),
    /// Erase a user: the account, the memberships, and the personal data in every audit log.
    ///
    /// This cannot be undone. The entries stay in the audit logs under the user's id, without name, email and network
    /// address, and the seals of the logs stay valid. If the command is interrupted, repeat it with --id.
    #[command(group = ArgGroup::new("person").required(true).args(["email", "id"]))]
    EraseUser(EraseUser),
    /// Let a disabled user sign in again.
    EnableUser(EmailArgument),
}

/// A tenant to create.
#[derive(Debug, Args)]
pub struct CreateTenantArguments {
    /// The name of the tenant, 1 to 120 characters
    #[arg(long, value_parser = Name::parse)]
    pub name: Name,
    /// The email address of the owner
    #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
    pub owner_email: EmailAddress,
    /// The name of a new owner (default: the part of the address before the @)
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub owner_name: Option<Name>,
    /// The short name of the tenant, 3 to 63 of a-z, 0-9 and single hyphens (default: derived from the name)
    #[arg(long, value_parser = Slug::parse)]
    pub slug: Option<Slug>,
    /// The plan of the tenant (default: the smallest)
    #[arg(long, value_parser = plan_parser())]
    pub plan: Option<&'static Plan>,
    /// How a new owner gets the link for a password.
    #[command(flatten)]
    pub link: LinkArgument,
}

/// A user to add to a tenant.
#[derive(Debug, Args)]
pub struct AddMemberArguments {
    /// The tenant.
    #[command(flatten)]
    pub tenant: TenantArgument,
    /// The email address of the user
    #[arg(long, value_parser = EmailAddress::parse)]
    pub email: EmailAddress,
    /// The name of a new user, 1 to 120 characters
    #[arg(long, value_parser = Name::parse)]
    pub name: Name,
    /// The role to assign: owner, admin, member, viewer, or a role of the tenant
    #[arg(long, value_parser = RoleName::parse)]
    pub role: RoleName,
    /// How a new user gets the link for a password.
    #[command(flatten)]
    pub link: LinkArgument,
}

/// How a new user gets the link to choose a first password.
#[derive(Debug, Clone, Copy, Args)]
pub struct LinkArgument {
    /// Print the link for a first password instead of mailing it
    #[arg(long)]
    pub print_link: bool,
}

/// A tenant and its new plan.
#[derive(Debug, Args)]
pub struct SetPlan {
    /// The tenant.
    #[command(flatten)]
    pub tenant: TenantArgument,
    /// The new plan
    #[arg(long, value_parser = plan_parser())]
    pub plan: &'static Plan,
}

/// A user to disable.
#[derive(Debug, Args)]
pub struct DisableUser {
    /// The user.
    #[command(flatten)]
    pub user: EmailArgument,
    /// Continue even if a tenant is left without an active owner
    #[arg(long)]
    pub force: bool,
}

/// A user to erase.
#[derive(Debug, Args)]
pub struct EraseUser {
    /// The email address of the user
    #[arg(long, value_parser = EmailAddress::parse)]
    pub email: Option<EmailAddress>,
    /// The id of the user
    #[arg(long)]
    pub id: Option<UserId>,
    /// Continue even if a tenant is left without an active owner
    #[arg(long)]
    pub force: bool,
}

/// A tenant.
#[derive(Debug, Args)]
pub struct TenantArgument {
    /// The tenant, by its slug or its id
    #[arg(long, value_name = "SLUG_OR_ID", value_parser = TenantSelector::parse)]
    pub tenant: TenantSelector,
}

/// A user.
#[derive(Debug, Args)]
pub struct EmailArgument {
    /// The email address of the user
    #[arg(long, value_parser = EmailAddress::parse)]
    pub email: EmailAddress,
}

/// A tenant, as an operator names it. Text in the form of an id is always an id, never a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSelector {
    /// By its id.
    Id(TenantId),
    /// By its slug.
    Slug(Slug),
}

fn plan_parser() -> impl TypedValueParser<Value = &'static Plan> {
    let plans = PLANS.iter().map(|plan| PossibleValue::new(plan.name).help(plan.description));
    PossibleValuesParser::new(plans).try_map(|name| Plan::named(&name))
}

fn state_parser() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.iter().map(|state| state.name()))
        .try_map(|name| JobState::from_name(&name).ok_or("is not a state of jobs"))
}

fn target_parser() -> impl TypedValueParser<Value = CleanUpTarget> {
    PossibleValuesParser::new(CleanUpTarget::ALL.iter().map(|target| target.name()))
        .try_map(|name| CleanUpTarget::from_name(&name).ok_or("is not a clean-up target"))
}

impl TenantSelector {
    fn parse(text: &str) -> Result<Self, String> {
        match parse_own_id(&text.to_ascii_lowercase()) {
            Ok(id) => Ok(Self::Id(TenantId::from_uuid(id))),
            Err(_) => {
                Slug::parse(text).map(Self::Slug).map_err(|error| format!("neither an id nor a slug, which {error}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_the_form_of_an_id_is_an_id() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for text in [id, &id.to_uppercase()] {
            assert_eq!(TenantSelector::parse(text).ok(), id.parse().ok().map(TenantSelector::Id));
        }
        assert!(matches!(TenantSelector::parse("acme"), Ok(TenantSelector::Slug(_))));
        assert!(TenantSelector::parse("Acme Ltd").is_err());
    }
}
