//! Records refusals in the journal: the first of its kind in a minute at once. The others are counted, and the count is
//! added when the minute ends.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tenantry_kernel::{
    Action, Actor, Context, Event, Journal, Outcome, StoreError, Target, TenantId, Timestamp, UserId,
};
use tenantry_store::{SystemReason, Unit};

use crate::{ServiceError, changes::ChangeRequest, transactions::Transactions};

/// A refused request.
#[derive(Debug, Clone)]
pub struct Refused {
    actor: Actor,
    action: Action,
    outcome: Outcome,
    reason: &'static str,
    target: Option<(Target, String)>,
}

/// The key by which refusals are counted together: the user or the account, the action and the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    account: Option<UserId>,
    action: Action,
    ip: Option<IpAddr>,
}

struct Counted {
    since: Timestamp,
    more: i64,
    refused: Refused,
}

/// Records refusals in the journal and counts those of the current minute.
pub struct Refusals {
    transactions: Transactions,
    context: Context,
    running: Mutex<HashMap<Kind, Counted>>,
}

impl Refused {
    /// Describes a refused request, with the code of the failure as the reason.
    pub fn new(request: &ChangeRequest, outcome: Outcome, failure: &ServiceError) -> Self {
        let ChangeRequest { actor, action, .. } = request;
        Self { actor: actor.clone(), action: *action, outcome, reason: failure.code.name(), target: None }
    }

    /// Names the user whose account the client tried.
    pub fn of_account(mut self, id: UserId, name: &str) -> Self {
        self.target = Some((id.into(), name.to_owned()));
        self
    }

    /// Names the tenant whose log gets the entry.
    pub fn within(mut self, tenant: Option<TenantId>) -> Self {
        self.actor = self.actor.within(tenant);
        self
    }

    fn kind(&self) -> Kind {
        let target = self.target.as_ref().map(|(target, _)| UserId::from_uuid(target.id));
        Kind { account: self.actor.user().or(target), action: self.action, ip: self.actor.origin.ip }
    }

    fn event(&self, context: &Context, count: i64) -> Event {
        let mut event = Event::new(context, &self.actor, self.action).outcome(self.outcome).times(count);
        if let Some((target, name)) = &self.target {
            event = event.target(*target, Some(name));
        }
        event.set("reason", self.reason)
    }
}

impl Refusals {
    /// Time during which equal refusals are only counted.
    const MINUTE: Duration = Duration::from_secs(60);
    /// Maximum number of kinds counted separately in a minute. Further kinds are dropped here and reported in the log.
    const KINDS: usize = 10_000;

    /// Records refusals in these transactions.
    pub fn new(transactions: Transactions, context: Context) -> Self {
        Self { transactions, context, running: Mutex::default() }
    }

    /// Records a refusal. A failure to record it does not change the response.
    pub async fn note(&self, refused: Refused) {
        if self.is_first(self.context.now(), &refused) {
            self.append(refused.event(&self.context, 1)).await;
        }
    }

    /// Adds the counts of the minutes that have ended; with `all`, also of the current one.
    pub async fn settle(&self, all: bool) {
        let now = self.context.now();
        let over: Vec<Counted> = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let over = running.extract_if(|_, counted| all || now.since(counted.since) >= Self::MINUTE);
            over.map(|(_, counted)| counted).filter(|counted| counted.more > 0).collect()
        };
        for counted in over {
            self.append(counted.refused.event(&self.context, counted.more)).await;
        }
    }

    fn is_first(&self, now: Timestamp, refused: &Refused) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = running.get_mut(&refused.kind()) {
            counted.more += 1;
            return false;
        }
        if running.len() >= Self::KINDS {
            tracing::warn!(kinds = Self::KINDS, "more kinds of refusals in a minute than are recorded");
            return false;
        }
        running.insert(refused.kind(), Counted { since: now, more: 0, refused: refused.clone() });
        true
    }

    async fn append(&self, event: Event) {
        let append = async |unit: &mut Unit| unit.append_event(event).await;
        let appended: Result<(), StoreError> = self.transactions.housekeeping(SystemReason::Refusal, append).await;
        if let Err(error) = appended {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    }
}
