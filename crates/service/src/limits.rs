//! Counts requests, and finds the number of processes by which limits are divided.

use metrics::{Counter, counter, gauge};
use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};
use tenantry_identity::address_key;
use tenantry_kernel::{Context, StoreError};
use tenantry_limits::{Consumption, DecidedBy, Limits, Policy, ProcessId, Processes, RateLimitDecision};
use tenantry_store::{SystemReason, Unit};

use crate::{authority_cache::CachedAuthority, transactions::Transactions};

/// Time without a heartbeat after which a process is removed from the list.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The request limits of this process and the counters of its decisions.
pub struct RequestLimits {
    limits: Limits,
    context: Context,
    decided: [Counter; 3],
    refused: [Counter; 2],
}

impl RequestLimits {
    /// Counts requests against these limits.
    pub fn new(limits: Limits, context: Context) -> Self {
        let decided = |by: &'static str| counter!("tenantry_rate_limit_decisions_total", "by" => by);
        let refused = |policy: Policy| counter!("tenantry_rate_limited_total", "policy" => policy.name());
        gauge!("tenantry_serving_processes").set(1.0);
        Self {
            limits,
            context,
            decided: [decided("shared"), decided("twin"), decided("both")],
            refused: [refused(Policy::Caller), refused(Policy::Tenant)],
        }
    }

    fn note(&self, decision: &RateLimitDecision) {
        let [shared, local_fallback, both] = &self.decided;
        match decision.decided_by {
            DecidedBy::Shared => shared.increment(1),
            DecidedBy::LocalFallback => local_fallback.increment(1),
            DecidedBy::Both => both.increment(1),
        }
        let [caller, tenant] = &self.refused;
        match decision.refused().map(|consumption| consumption.policy) {
            None => {}
            Some(Policy::Caller) => caller.increment(1),
            Some(Policy::Tenant) => tenant.increment(1),
        }
    }

    /// Deletes the counters of clients whose quota is full again.
    pub fn forget_idle(&self) {
        self.limits.forget_idle();
    }

    /// Counts a request of a signed-in user and decides whether it is allowed.
    pub async fn count_person(&self, caller: &CachedAuthority) -> RateLimitDecision {
        let (policies, user) = (self.limits.policies(), caller.user);
        self.count(match &caller.authority.tenant {
            Some(tenant) => policies.of_member(tenant.id, user, &tenant.plan),
            None => policies.of_person(user),
        })
        .await
    }

    /// Counts a request of a client that is known by its address only, and decides whether it is allowed.
    pub async fn count_address(&self, ip: Option<IpAddr>) -> RateLimitDecision {
        self.count(self.limits.policies().of_address(address_key(ip))).await
    }

    async fn count(&self, consumptions: Vec<Consumption>) -> RateLimitDecision {
        let (decision, error) = self.limits.consume(consumptions, self.context.now()).await;
        if let Some(error) = error {
            tracing::debug!(%error, "requests are counted in this process alone");
        }
        self.note(&decision);
        decision
    }
}

/// Registers this process among those that serve from one database, and divides the limits by their number.
#[derive(Clone)]
pub struct ServingProcesses {
    /// Opens and commits the units that change the list.
    pub transactions: Transactions,
    /// Clock and random source.
    pub context: Context,
    /// The limits to divide.
    pub limits: Arc<RequestLimits>,
    /// Id of this run of the process.
    pub process: ProcessId,
}

impl ServingProcesses {
    /// Records a heartbeat of this process at intervals and counts the other processes.
    pub async fn count(self) {
        let RequestLimits { limits, .. } = &*self.limits;
        let mut heartbeat = tokio::time::interval(ProcessId::HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            heartbeat.tick().await;
            match self.live_processes().await {
                Ok(live) => {
                    limits.divide_by(live);
                    gauge!("tenantry_serving_processes").set(f64::from(live.get()));
                    failing = false;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, processes = limits.processes(), "the serving processes cannot be counted");
                    }
                    failing = true;
                }
            }
        }
    }

    async fn live_processes(&self) -> Result<NonZeroU32, StoreError> {
        let now = self.context.now();
        let heartbeat = async |unit: &mut Unit| {
            unit.note_process(self.process, now).await?;
            unit.remove_silent_processes(now.minus(FORGOTTEN)).await?;
            unit.live_processes(now.minus(ProcessId::LIVES)).await
        };
        let live: Result<u32, StoreError> = self.transactions.housekeeping(SystemReason::Maintenance, heartbeat).await;
        Ok(NonZeroU32::new(live?).unwrap_or(NonZeroU32::MIN))
    }

    /// Removes this process from the list. If that fails, other processes notice the missing heartbeat.
    pub async fn leave(&self) {
        let remove = async |unit: &mut Unit| unit.remove_process(self.process).await;
        let left: Result<(), StoreError> = self.transactions.housekeeping(SystemReason::Maintenance, remove).await;
        if let Err(error) = left {
            tracing::debug!(%error, "this process could not be removed from the list of serving processes");
        }
    }
}
