//! The journal: who did what to which thing, written in the unit of the change itself. These rows are the audit log.

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    Action, Actor, ActorKind, CanonicalError, EventId, RequestId, StoreError, Target, TenantId, Timestamp, UserId,
    World, canonical_json,
};

/// The version of the canonical form that new events carry.
pub const EVENT_VERSION: i32 = 1;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// The actor was not allowed to.
    Denied,
    /// It was tried and went wrong.
    Failed,
}

impl Outcome {
    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Succeeded, Self::Denied, Self::Failed].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A value before or after a change: text, a whole number or a list of texts, so that it has one canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChangeValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A list of texts.
    List(Vec<String>),
}

impl From<&str> for ChangeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ChangeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for ChangeValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<String>> for ChangeValue {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

/// One field that changed. A secret field has neither `from` nor `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The field's public name.
    pub field: String,
    /// The value before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ChangeValue>,
    /// The value after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ChangeValue>,
}

/// What of an event belongs to persons. It lies in a table of its own and only its commitment is sealed, so that
/// it can be erased while every seal stays valid.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonalPart {
    /// What the actor was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_name: Option<String>,
    /// What the target was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// The network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The client's own description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Changed fields that tell something of a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl PersonalPart {
    /// HMAC-SHA256 (RFC 2104) of the canonical part under the event's salt. Without the salt nobody can try names
    /// against it.
    pub fn commitment(&self, salt: &[u8; 32]) -> Result<[u8; 32], CanonicalError> {
        Ok(commitment_to(&canonical_json(self)?, salt))
    }
}

/// The commitment to a personal part whose canonical JSON is at hand, as it stands in the journal.
pub fn commitment_to(canonical_part: &str, salt: &[u8; 32]) -> [u8; 32] {
    let mut key = [0; 64];
    key[..salt.len()].copy_from_slice(salt);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(canonical_part.as_bytes());
    mac.finalize().into_bytes().into()
}

/// One entry of the journal.
#[derive(Debug, Clone)]
pub struct Event {
    /// Carries the same millisecond as `occurred_at`, so that the order of ids is the order of times.
    pub id: EventId,
    /// The version of the canonical form.
    pub version: i32,
    /// The tenant whose log this is; `None` for what belongs to none.
    pub tenant: Option<TenantId>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What was done or tried.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// What sort of actor did it.
    pub actor_kind: ActorKind,
    /// The person who did it.
    pub actor_id: Option<UserId>,
    /// In whose place.
    pub on_behalf_of: Option<UserId>,
    /// What it was done to.
    pub target: Option<Target>,
    /// What changed, less what belongs to persons.
    pub changes: Vec<Change>,
    /// The request that caused it.
    pub request: RequestId,
    /// How many times; more than one only for refusals that were counted.
    pub count: i64,
    /// What belongs to persons.
    pub personal: PersonalPart,
    /// The key of the commitment to the personal part.
    pub salt: [u8; 32],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CanonicalEvent<'a> {
    version: i32,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    occurred_at: String,
    action: &'static str,
    outcome: &'static str,
    actor_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_id: Option<String>,
    changes: &'a [Change],
    request_id: String,
    count: i64,
    commitment: String,
}

impl Event {
    /// Something that the actor did now, in the actor's tenant.
    pub fn new(world: &World, actor: &Actor, action: Action) -> Self {
        let occurred_at = world.now();
        Self {
            id: EventId::from_uuid(world.uuid_v7_at(occurred_at)),
            version: EVENT_VERSION,
            tenant: actor.tenant,
            occurred_at,
            action,
            outcome: Outcome::Succeeded,
            actor_kind: actor.kind,
            actor_id: actor.user,
            on_behalf_of: actor.on_behalf_of,
            target: None,
            changes: Vec::new(),
            request: actor.origin.trace.request,
            count: 1,
            personal: PersonalPart {
                actor_name: actor.name.clone(),
                ip: actor.origin.ip.map(|ip| ip.to_string()),
                user_agent: actor.origin.user_agent.clone(),
                ..PersonalPart::default()
            },
            salt: world.random(),
        }
    }

    /// It was done to this thing.
    #[must_use]
    pub fn target(mut self, target: impl Into<Target>, name: Option<&str>) -> Self {
        self.target = Some(target.into());
        self.personal.target_name = name.map(str::to_owned);
        self
    }

    /// It belongs into this tenant's log.
    #[must_use]
    pub fn within(mut self, tenant: Option<TenantId>) -> Self {
        self.tenant = tenant;
        self
    }

    /// It ended this way.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// A field has this value now; there was none before.
    #[must_use]
    pub fn set(mut self, field: &str, to: impl Into<ChangeValue>) -> Self {
        self.changes.push(Change { field: field.to_owned(), from: None, to: Some(to.into()) });
        self
    }

    /// A field went from one value to another. Nothing is noted when they are the same.
    #[must_use]
    pub fn changed(mut self, field: &str, from: impl Into<ChangeValue>, to: impl Into<ChangeValue>) -> Self {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.changes.push(Change { field: field.to_owned(), from: Some(from), to: Some(to) });
        }
        self
    }

    /// A field that tells something of a person has this value now; there was none before.
    #[must_use]
    pub fn set_personal(mut self, field: &str, to: impl Into<ChangeValue>) -> Self {
        self.personal.changes.push(Change { field: field.to_owned(), from: None, to: Some(to.into()) });
        self
    }

    /// A field that tells something of a person went from one value to another.
    #[must_use]
    pub fn changed_personal(mut self, field: &str, from: impl Into<ChangeValue>, to: impl Into<ChangeValue>) -> Self {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.personal.changes.push(Change { field: field.to_owned(), from: Some(from), to: Some(to) });
        }
        self
    }

    /// A secret field changed; its values are nobody's business.
    #[must_use]
    pub fn changed_secret(mut self, field: &str) -> Self {
        self.changes.push(Change { field: field.to_owned(), from: None, to: None });
        self
    }

    /// It happened this many times.
    #[must_use]
    pub fn times(mut self, count: i64) -> Self {
        self.count = count;
        self
    }

    /// The bytes that a seal covers: everything but the personal part, for which its commitment stands.
    pub fn canonical(&self, commitment: &[u8; 32]) -> Result<String, CanonicalError> {
        canonical_json(&CanonicalEvent {
            version: self.version,
            id: self.id.to_string(),
            tenant: self.tenant.map(|id| id.to_string()),
            occurred_at: self.occurred_at.to_string(),
            action: self.action.name(),
            outcome: self.outcome.name(),
            actor_type: self.actor_kind.name(),
            actor_id: self.actor_id.map(|id| id.to_string()),
            on_behalf_of: self.on_behalf_of.map(|id| id.to_string()),
            target_type: self.target.map(|target| target.kind.name()),
            target_id: self.target.map(|target| target.id.to_string()),
            changes: &self.changes,
            request_id: self.request.to_string(),
            count: self.count,
            commitment: hex::encode(commitment),
        })
    }
}

/// Where events are written, in the unit of the change that they tell of.
#[async_trait]
pub trait Journal: Send {
    /// Appends one event.
    async fn append_event(&mut self, event: Event) -> Result<(), StoreError>;
}
