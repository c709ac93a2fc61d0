//! Refusals in the journal: the first of its kind in a minute at once, the others counted and added when it ends.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tenantry_kernel::{Action, Actor, Event, Journal, Outcome, StoreError, Target, TenantId, Timestamp, UserId};
use tenantry_store::{Scope, SystemReason};

use crate::{App, Failure, change::Attempt};

/// Something that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    actor: Actor,
    action: Action,
    outcome: Outcome,
    reason: &'static str,
    target: Option<(Target, String)>,
}

/// Whose refusals of one kind are counted together: a person's or an account's, by action and address.
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

/// The refusals of the running minute.
#[derive(Default)]
pub(crate) struct Refusals {
    running: Mutex<HashMap<Kind, Counted>>,
}

impl Refused {
    /// A refused attempt, with the code of the failure as the reason.
    pub(crate) fn new(by: &Attempt, outcome: Outcome, failure: &Failure) -> Self {
        Self { actor: by.actor.clone(), action: by.action, outcome, reason: failure.code.name(), target: None }
    }

    /// The person whose account was tried.
    pub(crate) fn of_account(mut self, id: UserId, name: &str) -> Self {
        self.target = Some((id.into(), name.to_owned()));
        self
    }

    /// The tenant into whose log it belongs.
    pub(crate) fn within(mut self, tenant: Option<TenantId>) -> Self {
        self.actor = self.actor.within(tenant);
        self
    }

    fn kind(&self) -> Kind {
        let target = self.target.as_ref().map(|(target, _)| UserId::from_uuid(target.id));
        Kind { account: self.actor.user.or(target), action: self.action, ip: self.actor.origin.ip }
    }

    fn event(&self, app: &App, count: i64) -> Event {
        let mut event = Event::new(&app.world, &self.actor, self.action).outcome(self.outcome).times(count);
        if let Some((target, name)) = &self.target {
            event = event.target(*target, Some(name));
        }
        event.set("reason", self.reason)
    }
}

impl Refusals {
    /// For how long the same refusals are only counted.
    const MINUTE: Duration = Duration::from_secs(60);
    /// How many kinds are told apart in a minute. A flood of others is dropped here and shows in the log.
    const KINDS: usize = 10_000;

    /// Notes a refusal. That it cannot be noted changes no answer.
    pub(crate) async fn note(&self, app: &App, refused: Refused) {
        if self.is_first(app.world.now(), &refused) {
            self.append(app, refused.event(app, 1)).await;
        }
    }

    /// Adds what was counted in minutes that are over; with `all`, also in the running one.
    pub(crate) async fn settle(&self, app: &App, all: bool) {
        let now = app.world.now();
        let over: Vec<Counted> = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let over = running.extract_if(|_, counted| all || now.since(counted.since) >= Self::MINUTE);
            over.map(|(_, counted)| counted).filter(|counted| counted.more > 0).collect()
        };
        for counted in over {
            self.append(app, counted.refused.event(app, counted.more)).await;
        }
    }

    fn is_first(&self, now: Timestamp, refused: &Refused) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = running.get_mut(&refused.kind()) {
            counted.more += 1;
            return false;
        }
        if running.len() >= Self::KINDS {
            tracing::warn!(kinds = Self::KINDS, "more kinds of refusals in a minute than are noted");
            return false;
        }
        running.insert(refused.kind(), Counted { since: now, more: 0, refused: refused.clone() });
        true
    }

    async fn append(&self, app: &App, event: Event) {
        let appended: Result<(), StoreError> = async {
            let mut unit = app.store.begin(Scope::System(SystemReason::Refusal)).await?;
            unit.append_event(event).await?;
            unit.commit().await.map(|_| ())
        }
        .await;
        if let Err(error) = appended {
            tracing::warn!(%error, "a refusal could not be noted");
        }
    }
}
