//! How long what is over is kept, and its going in small units.

use std::{collections::BTreeMap, time::Duration};
use tenantry_jobs::{CleanUpTarget, Stale, Sweep, SweepMode, Sweeper};
use tenantry_kernel::{StoreError, TenantId, Timestamp};
use tenantry_store::Retention;

use crate::{App, config::JobsConfig, worker::SCOPE};

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
    for expiring in tenantry_store::expiring(target) {
        let before = app.world.now().minus(kept_for(&app.config.jobs, expiring.kept));
        rows += sweep(app, expiring.rows, tenant, before, dry_run).await?;
    }
    Ok(rows)
}

fn kept_for(jobs: &JobsConfig, retention: Retention) -> Duration {
    match retention {
        Retention::For(duration) => duration,
        Retention::CompletedJobs => jobs.keep_completed,
        Retention::DeadJobs => jobs.keep_dead,
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
