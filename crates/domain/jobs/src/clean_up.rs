//! Clean-up: what is of no use any more goes, on a schedule or when somebody asks.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_kernel::{Action, Actor, Authorities, Command, Event, Journal, Requirement, TenantId, World, authorize};

use crate::{
    JobError, JobId, JobQueue, Kind, NewJob, RetryPolicy,
    vocabulary::{CLEANUP_REQUESTED, JOBS_MANAGE},
};

macro_rules! targets {
    ($($variant:ident $name:literal $sentence:literal;)*) => {
        /// A sort of rows that is cleaned up. The names are public and do not change once shipped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum CleanUpTarget {
            $(#[doc = $sentence] #[serde(rename = $name)] $variant,)*
        }

        impl CleanUpTarget {
            /// Every target, a tenant's first.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

targets! {
    ExpiredInvitations "expired_invitations" "Invitations whose time is over.";
    EndedSessions "ended_sessions" "Sessions whose last moment has passed.";
    FinishedJobs "finished_jobs" "Jobs that were completed, given up or called off.";
    JournalSegments "journal_segments" "Entries of the audit log that were kept for as long as they had to be.";
    ExpiredLinks "expired_links" "Mailed links of persons whose time is over.";
    ExpiredRegistrations "expired_registrations" "Registrations that nobody confirmed.";
    Attempts "attempts" "Counters of tries whose window is over, and addresses long unused.";
    Answers "answers" "Answers kept for requests with an idempotency key, once their time is over.";
    AuthorityChanges "authority_changes" "Notes that somebody's power has changed, which every process has read.";
    ScheduleTicks "schedule_ticks" "Times at which schedules have fired.";
}

impl CleanUpTarget {
    /// What a tenant has rows of its own of.
    pub const OF_TENANT: &[Self] =
        &[Self::ExpiredInvitations, Self::EndedSessions, Self::FinishedJobs, Self::JournalSegments];

    /// The target of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| target.name() == name)
    }
}

/// The job that cleans up: a tenant's own rows, or, without a tenant, everybody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    /// What is cleaned up.
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are only counted.
    pub dry_run: bool,
}

impl Kind for CleanUp {
    const NAME: &'static str = "cleanup";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "maintenance";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, first: Duration::from_secs(30), longest: Duration::from_secs(600) };
    // What was deleted stays deleted, and the next one goes on.
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

impl CleanUp {
    /// Everything of the installation.
    pub fn everything() -> Self {
        Self { targets: CleanUpTarget::ALL.to_vec(), dry_run: false }
    }
}

/// Ask for a clean-up of the tenant's own rows.
#[derive(Debug, Clone)]
pub struct RequestCleanUp {
    /// What is to be cleaned up, of [`CleanUpTarget::OF_TENANT`].
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are only to be counted.
    pub dry_run: bool,
}

impl Command for RequestCleanUp {
    const REQUIRES: Requirement = Requirement::All(&[JOBS_MANAGE]);
    const EVENTS: &'static [Action] = &[CLEANUP_REQUESTED];
}

/// Enqueues a clean-up of this tenant's rows, and returns its job.
pub async fn request_clean_up(
    unit: &mut (impl JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    tenant: TenantId,
    command: RequestCleanUp,
) -> Result<JobId, JobError> {
    authorize::<RequestCleanUp>(unit, actor, world).await?;
    let RequestCleanUp { targets, dry_run } = command;
    let event = requested(world, actor, Some(tenant), &targets, dry_run);
    let job = NewJob::of(world, Some(tenant), &CleanUp { targets, dry_run })?;
    unit.enqueue_job(&job).await?;
    unit.append_event(event.target(job.id, Some(CleanUp::NAME))).await?;
    Ok(job.id)
}

/// Clean up at once, at the command line.
#[derive(Debug, Clone)]
pub struct StartCleanUp {
    /// The tenant whose rows are cleaned up; `None` for every row of the installation.
    pub tenant: Option<TenantId>,
    /// What is cleaned up.
    pub targets: Vec<CleanUpTarget>,
    /// Whether rows are only counted.
    pub dry_run: bool,
}

impl Command for StartCleanUp {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[CLEANUP_REQUESTED];
}

/// Notes that an operator cleans up. The rows are deleted after the unit was committed.
pub async fn start_clean_up(
    unit: &mut (impl Authorities + Journal + ?Sized),
    actor: &Actor,
    world: &World,
    command: StartCleanUp,
) -> Result<(), JobError> {
    authorize::<StartCleanUp>(unit, actor, world).await?;
    let StartCleanUp { tenant, targets, dry_run } = command;
    unit.append_event(requested(world, actor, tenant, &targets, dry_run)).await?;
    Ok(())
}

fn requested(
    world: &World,
    actor: &Actor,
    tenant: Option<TenantId>,
    targets: &[CleanUpTarget],
    dry_run: bool,
) -> Event {
    let names: Vec<String> = targets.iter().map(|target| target.name().to_owned()).collect();
    Event::new(world, actor, CLEANUP_REQUESTED)
        .within(tenant)
        .set("targets", names)
        .set("dryRun", if dry_run { "true" } else { "false" })
}
