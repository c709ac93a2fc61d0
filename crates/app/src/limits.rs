//! Counting requests, and knowing by how many processes a limit is divided.

use metrics::{Counter, counter, gauge};
use std::{net::IpAddr, num::NonZeroU32, time::Duration};
use tenantry_identity::address_key;
use tenantry_kernel::{Authority, StoreError};
use tenantry_limits::{Charge, DecidedBy, Decision, Limits, Policies, Policy, ProcessId, Processes};
use tenantry_store::{SystemReason, Unit};

use crate::{App, config};

/// After how many heartbeats that were missed a process is taken off the list.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The limits of this process, and how its decisions are counted.
pub(crate) struct RequestLimits {
    limits: Limits,
    decided: [Counter; 3],
    refused: [Counter; 2],
}

impl RequestLimits {
    pub(crate) fn new(limits: Limits) -> Self {
        let decided = |by: &'static str| counter!("tenantry_rate_limit_decisions_total", "by" => by);
        let refused = |policy: Policy| counter!("tenantry_rate_limited_total", "policy" => policy.name());
        gauge!("tenantry_serving_processes").set(1.0);
        Self {
            limits,
            decided: [decided("shared"), decided("twin"), decided("both")],
            refused: [refused(Policy::Caller), refused(Policy::Tenant)],
        }
    }

    fn note(&self, decision: &Decision) {
        let [shared, twin, both] = &self.decided;
        match decision.decided_by {
            DecidedBy::Shared => shared.increment(1),
            DecidedBy::Twin => twin.increment(1),
            DecidedBy::Both => both.increment(1),
        }
        let [caller, tenant] = &self.refused;
        match decision.refused().map(|charge| charge.policy) {
            None => {}
            Some(Policy::Caller) => caller.increment(1),
            Some(Policy::Tenant) => tenant.increment(1),
        }
    }

    pub(crate) fn forget_idle(&self) {
        self.limits.forget_idle();
    }
}

impl App {
    /// Counts a request of somebody signed in, and decides about it; nothing where limits are off.
    pub(crate) async fn count_person(&self, authority: &Authority) -> Option<Decision> {
        let user = authority.user;
        self.count(|policies| match &authority.tenant {
            Some(tenant) => policies.of_member(tenant.id, user, &tenant.plan),
            None => policies.of_person(user),
        })
        .await
    }

    /// Counts a request of somebody who is not, or not yet, known by more than an address.
    pub(crate) async fn count_address(&self, ip: Option<IpAddr>) -> Option<Decision> {
        self.count(|policies| policies.of_address(address_key(ip))).await
    }

    async fn count(&self, charges: impl FnOnce(&Policies) -> Vec<Charge>) -> Option<Decision> {
        let RequestLimits { limits, .. } = self.limits.as_ref()?;
        let (decision, error) = limits.charge(charges(limits.policies()), self.world.now()).await;
        if let Some(error) = error {
            tracing::debug!(%error, "requests are counted by this process alone");
        }
        self.limits.as_ref()?.note(&decision);
        Some(decision)
    }
}

/// Notes again and again that this process serves, and how many others do. On SQLite there is one.
pub(crate) async fn count_processes(app: App) {
    let Some(RequestLimits { limits, .. }) = &app.limits else { return };
    if !has_company(&app) {
        return;
    }
    let mut heartbeat = tokio::time::interval(ProcessId::HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        heartbeat.tick().await;
        match live_processes(&app).await {
            Ok(live) => {
                limits.divide_by(live);
                gauge!("tenantry_serving_processes").set(f64::from(live.get()));
                failing = false;
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, processes = limits.processes(), "the processes that serve cannot be counted");
                }
                failing = true;
            }
        }
    }
}

async fn live_processes(app: &App) -> Result<NonZeroU32, StoreError> {
    let now = app.world.now();
    let heartbeat = async |unit: &mut Unit| {
        unit.note_process(app.process, now).await?;
        unit.remove_silent_processes(now.minus(FORGOTTEN)).await?;
        unit.live_processes(now.minus(ProcessId::LIVES)).await
    };
    let live: Result<u32, StoreError> = app.transactions.housekeeping(SystemReason::Maintenance, heartbeat).await;
    Ok(NonZeroU32::new(live?).unwrap_or(NonZeroU32::MIN))
}

/// Takes this process off the list. If it cannot, others notice when its heartbeat is missing.
pub(crate) async fn leave(app: &App) {
    if app.limits.is_none() || !has_company(app) {
        return;
    }
    let remove = async |unit: &mut Unit| unit.remove_process(app.process).await;
    let left: Result<(), StoreError> = app.transactions.housekeeping(SystemReason::Maintenance, remove).await;
    if let Err(error) = left {
        tracing::debug!(%error, "this process could not be taken off the list of those that serve");
    }
}

fn has_company(app: &App) -> bool {
    matches!(app.config.database.url, config::Database::Postgres(_))
}
