//! Clean-up: deletes rows that are no longer needed, on a schedule or on request.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_kernel::{Action, Actor, Authorities, Command, Context, Event, Journal, Requirement, TenantId, authorize};

use crate::{
    JobError, JobId, JobQueue, Kind, NewJob, RetryPolicy,
    vocabulary::{CLEANUP_REQUESTED, JOBS_MANAGE},
};

macro_rules! targets {
    ($($variant:ident $name:literal $sentence:literal;)*) => {
        /// A kind of rows that clean-up deletes. The names are public and do not change once shipped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum CleanUpTarget {
            $(#[doc = $sentence] #[serde(rename = $name)] $variant,)*
        }

        impl CleanUpTarget {
            /// Every target; those of a tenant come first.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

targets! {
    ExpiredInvitations "expired_invitations" "Expired invitations.";
    EndedSessions "ended_sessions" "Sessions past their absolute end.";
    FinishedJobs "finished_jobs" "Completed jobs, dead letters and cancelled jobs.";
    JournalSegments "journal_segments" "Audit entries past their retention.";
    ExpiredLinks "expired_links" "Expired links from emails.";
    ExpiredRegistrations "expired_registrations" "Expired registrations without confirmation.";
    Attempts "attempts" "Counters of attempts whose window has passed, and addresses without a recent sign-in.";
    Answers "answers" "Expired responses stored for requests with an `Idempotency-Key`.";
    AuthorityChanges "authority_changes" "Notices of changed authority that every process has read.";
    ScheduleTicks "schedule_ticks" "Times at which schedules have fired.";
}

impl CleanUpTarget {
    /// The targets of which a tenant has rows of its own.
    pub const OF_TENANT: &[Self] =
        &[Self::ExpiredInvitations, Self::EndedSessions, Self::FinishedJobs, Self::JournalSegments];

    /// Returns the target with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| target.name() == name)
    }
}

/// The job that cleans up: a tenant's own rows, or, without a tenant, the rows of the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    /// The targets.
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are counted only.
    pub dry_run: bool,
}

impl Kind for CleanUp {
    const NAME: &'static str = "cleanup";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "maintenance";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, first: Duration::from_secs(30), longest: Duration::from_secs(600) };
    // Deleted rows stay deleted, and the next attempt continues from there.
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

impl CleanUp {
    /// Returns a clean-up of every target.
    pub fn everything() -> Self {
        Self { targets: CleanUpTarget::ALL.to_vec(), dry_run: false }
    }
}

/// Request a clean-up of the tenant's own rows.
#[derive(Debug, Clone)]
pub struct RequestCleanUp {
    /// The targets, from [`CleanUpTarget::OF_TENANT`].
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are counted only.
    pub dry_run: bool,
}

impl Command for RequestCleanUp {
    const REQUIRES: Requirement = Requirement::All(&[JOBS_MANAGE]);
    const EVENTS: &'static [Action] = &[CLEANUP_REQUESTED];
}

/// Enqueues a clean-up of this tenant's rows, and returns the id of its job.
pub async fn request_clean_up(
    unit: &mut (impl JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    tenant: TenantId,
    command: RequestCleanUp,
) -> Result<JobId, JobError> {
    authorize::<RequestCleanUp>(unit, actor, context).await?;
    let RequestCleanUp { targets, dry_run } = command;
    let event = requested(context, actor, Some(tenant), &targets, dry_run);
    let job = NewJob::of(context, Some(tenant), &CleanUp { targets, dry_run })?;
    unit.enqueue_job(&job).await?;
    unit.append_event(event.target(job.id, Some(CleanUp::NAME))).await?;
    Ok(job.id)
}

/// Clean up at once, from the command line.
#[derive(Debug, Clone)]
pub struct StartCleanUp {
    /// The tenant whose rows are cleaned up; `None` for every row of the installation.
    pub tenant: Option<TenantId>,
    /// The targets.
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are counted only.
    pub dry_run: bool,
}

impl Command for StartCleanUp {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[CLEANUP_REQUESTED];
}

/// Records that an operator starts a clean-up. The rows are deleted after the unit is committed.
pub async fn start_clean_up(
    unit: &mut (impl Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: StartCleanUp,
) -> Result<(), JobError> {
    authorize::<StartCleanUp>(unit, actor, context).await?;
    let StartCleanUp { tenant, targets, dry_run } = command;
    unit.append_event(requested(context, actor, tenant, &targets, dry_run)).await?;
    Ok(())
}

fn requested(
    context: &Context,
    actor: &Actor,
    tenant: Option<TenantId>,
    targets: &[CleanUpTarget],
    dry_run: bool,
) -> Event {
    let names: Vec<String> = targets.iter().map(|target| target.name().to_owned()).collect();
    Event::new(context, actor, CLEANUP_REQUESTED)
        .within(tenant)
        .set("targets", names)
        .set("dryRun", if dry_run { "true" } else { "false" })
}
