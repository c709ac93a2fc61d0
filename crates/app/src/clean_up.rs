//! How long what is over is kept, and its going in small units.

use std::{collections::BTreeMap, time::Duration};
use tenantry_idempotency::REMEMBERED_FOR;
use tenantry_jobs::{CleanUpTarget, JobState, Stale, Sweep, SweepMode, Sweeper};
use tenantry_kernel::{StoreError, TenantId, Timestamp};

use crate::{App, app::KNOWN_ADDRESS_FOR, worker::SCOPE};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// An invitation that expired can be sent again, and a list of the last month's shows what became of each.
const KEEP_INVITATIONS: Duration = Duration::from_secs(30 * 24 * 3600);
/// A session is kept until its sign-in's absolute end, since a copied token is known by it until then; and a little
/// longer, for requests under way.
const KEEP_SESSIONS: Duration = HOUR;
/// Whoever follows a link too late is told so; the answer is the same without it.
const KEEP_LINKS: Duration = DAY;
/// Names and password hashes of people who never came.
const KEEP_REGISTRATIONS: Duration = DAY;
/// A counter whose window is over counts nothing.
const KEEP_ATTEMPTS: Duration = HOUR;
/// Every process reads them within a second, and what one keeps of anybody's authority it keeps for a minute at most.
const KEEP_AUTHORITY_CHANGES: Duration = HOUR;
/// Nothing reads older ticks than the last; a week of them shows whether schedules have fired.
const KEEP_TICKS: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many rows go in one unit: SQLite has one writer at a time, and others wait for it.
const PORTION: u32 = 1_000;

/// How many rows of each target there were, by its public name.
pub(crate) type Swept = BTreeMap<&'static str, u64>;

/// Deletes what is over, of one tenant or of everybody; with `dry_run` it is only counted.
pub(crate) async fn clean_up(
    app: &App,
    tenant: Option<TenantId>,
    targets: &[CleanUpTarget],
    dry_run: bool,
) -> Result<Swept, StoreError> {
    let (mut swept, mut failed) = (Swept::new(), None);
    for target in targets {
        match clean_up_target(app, tenant, *target, dry_run).await {
            Ok(rows) => {
                swept.insert(target.name(), rows);
            }
            // What cannot be cleaned up keeps nothing else from it.
            Err(error) => {
                tracing::error!(target = target.name(), %error, "was not cleaned up");
                failed = Some(error);
            }
        }
    }
    tracing::info!(tenant = tenant.map(|id| id.to_string()), dry_run, ?swept, "cleaned up");
    failed.map_or(Ok(swept), Err)
}

async fn clean_up_target(
    app: &App,
    tenant: Option<TenantId>,
    target: CleanUpTarget,
    dry_run: bool,
) -> Result<u64, StoreError> {
    let mut rows = match target {
        CleanUpTarget::JournalSegments => app.remove_old_entries(tenant, dry_run).await?,
        _ => 0,
    };
    for (stale, before) in stale(app, target) {
        rows += sweep(app, stale, tenant, before, dry_run).await?;
    }
    Ok(rows)
}

/// What a target is made of, and before when its rows must have been over.
fn stale(app: &App, target: CleanUpTarget) -> Vec<(Stale, Timestamp)> {
    let before = |kept| app.world.now().minus(kept);
    let jobs = &app.config.jobs;
    match target {
        CleanUpTarget::ExpiredInvitations => vec![(Stale::Invitations, before(KEEP_INVITATIONS))],
        CleanUpTarget::EndedSessions => vec![(Stale::Sessions, before(KEEP_SESSIONS))],
        CleanUpTarget::FinishedJobs => vec![
            (Stale::Jobs(JobState::Completed), before(jobs.keep_completed)),
            (Stale::Jobs(JobState::Cancelled), before(jobs.keep_completed)),
            (Stale::Jobs(JobState::Dead), before(jobs.keep_dead)),
        ],
        // They go by segments, each when its tenant's retention is over.
        CleanUpTarget::JournalSegments => Vec::new(),
        CleanUpTarget::ExpiredLinks => vec![(Stale::Links, before(KEEP_LINKS))],
        CleanUpTarget::ExpiredRegistrations => vec![(Stale::Registrations, before(KEEP_REGISTRATIONS))],
        CleanUpTarget::Attempts => {
            vec![(Stale::Attempts, before(KEEP_ATTEMPTS)), (Stale::KnownSources, before(KNOWN_ADDRESS_FOR))]
        }
        CleanUpTarget::Answers => vec![(Stale::Answers, before(REMEMBERED_FOR))],
        CleanUpTarget::AuthorityChanges => vec![(Stale::AuthorityChanges, before(KEEP_AUTHORITY_CHANGES))],
        CleanUpTarget::ScheduleTicks => vec![(Stale::ScheduleTicks, before(KEEP_TICKS))],
    }
}

async fn sweep(
    app: &App,
    stale: Stale,
    tenant: Option<TenantId>,
    before: Timestamp,
    dry_run: bool,
) -> Result<u64, StoreError> {
    if dry_run {
        let mut unit = app.read(SCOPE).await?;
        return unit.sweep(stale, Sweep { tenant, before, mode: SweepMode::Count }).await;
    }
    let mut rows = 0;
    loop {
        let mut unit = app.transactions.begin(SCOPE).await?;
        let mode = SweepMode::Delete { at_most: PORTION };
        let portion = unit.sweep(stale, Sweep { tenant, before, mode }).await?;
        unit.commit().await?;
        rows += portion;
        if portion < u64::from(PORTION) {
            return Ok(rows);
        }
    }
}
