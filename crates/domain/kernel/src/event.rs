//! The journal: who did what to which target, written in the unit of the change itself. Its rows are the audit log.

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    Action, Actor, CanonicalError, Context, EventId, RequestId, StoreError, Target, TenantId, Timestamp, UserId,
    canonical_json,
};

/// Version of the canonical form of new events.
pub const EVENT_VERSION: i32 = 1;

/// Outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The action was done.
    Succeeded,
    /// The actor was not allowed to.
    Denied,
    /// The action failed for another reason.
    Failed,
}

impl Outcome {
    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// Returns the outcome with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Succeeded, Self::Denied, Self::Failed].into_iter().find(|outcome| outcome.name() == name)
    }

    /// Returns the outcome with this stored name. One that only a newer program knows was no success.
    pub fn from_stored(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::Failed)
    }
}

/// A value before or after a change: text, a whole number or a list of texts, so that it has one canonical form.
///
/// A value of another form, which only a newer program writes, is read as the text of its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "Value")]
pub enum ChangeValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A list of texts.
    List(Vec<String>),
}

impl From<Value> for ChangeValue {
    fn from(value: Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = || -> Option<Vec<String>> { value.as_array()?.iter().map(text).collect() };
        let known = text(&value).map(Self::Text).or_else(|| value.as_i64().map(Self::Number));
        known.or_else(|| texts().map(Self::List)).unwrap_or_else(|| Self::Text(value.to_string()))
    }
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

/// A changed field. A secret field has neither `from` nor `to`. Readers ignore what a newer program adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Public name of the field.
    pub field: String,
    /// The value before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ChangeValue>,
    /// The value after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ChangeValue>,
}

/// The personal part of an event. It is stored in its own table and only its commitment is sealed, so that it can be
/// erased while every seal stays valid. Readers ignore what a newer program adds; the commitment covers the stored text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonalPart {
    /// Name of the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_name: Option<String>,
    /// Name of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// Network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The client's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Changed fields that hold personal data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
}

impl PersonalPart {
    /// Returns the HMAC-SHA256 (RFC 2104) of the canonical part under the event's salt. Without the salt, names cannot
    /// be guessed and compared.
    pub fn commitment(&self, salt: &[u8; 32]) -> Result<[u8; 32], CanonicalError> {
        Ok(commitment_to(&canonical_json(self)?, salt))
    }
}

/// Returns the commitment to a personal part that is given as canonical JSON, as stored beside the journal.
pub fn commitment_to(canonical_part: &str, salt: &[u8; 32]) -> [u8; 32] {
    let mut key = [0; 64];
    key[..salt.len()].copy_from_slice(salt);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(canonical_part.as_bytes());
    mac.finalize().into_bytes().into()
}

/// An entry of the journal.
#[derive(Debug, Clone)]
pub struct Event {
    /// Id. It carries the same millisecond as `occurred_at`, so that the order of ids is the order of time.
    pub id: EventId,
    /// Version of the canonical form.
    pub version: i32,
    /// The tenant whose log holds the entry; `None` for entries without a tenant.
    pub tenant: Option<TenantId>,
    /// Time of the event.
    pub occurred_at: Timestamp,
    /// The action that was done or attempted.
    pub action: Action,
    /// The outcome.
    pub outcome: Outcome,
    /// The type of the actor who did it; see [`Actor::type_name`].
    pub actor_type: &'static str,
    /// The user who did it.
    pub actor_id: Option<UserId>,
    /// The user on whose behalf the actor acted.
    pub on_behalf_of: Option<UserId>,
    /// The target.
    pub target: Option<Target>,
    /// Changed fields, without personal ones.
    pub changes: Vec<FieldChange>,
    /// The request that caused it.
    pub request: RequestId,
    /// Number of occurrences; more than one only for counted refusals.
    pub count: i64,
    /// The personal part.
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
    changes: &'a [FieldChange],
    request_id: String,
    count: i64,
    commitment: String,
}

impl Event {
    /// Creates an event of the actor at the current time, in the actor's tenant.
    pub fn new(context: &Context, actor: &Actor, action: Action) -> Self {
        let occurred_at = context.now();
        Self {
            id: EventId::from_uuid(context.uuid_v7_at(occurred_at)),
            version: EVENT_VERSION,
            tenant: actor.tenant,
            occurred_at,
            action,
            outcome: Outcome::Succeeded,
            actor_type: actor.type_name(),
            actor_id: actor.user(),
            on_behalf_of: None,
            target: None,
            changes: Vec::new(),
            request: actor.origin.trace.request,
            count: 1,
            personal: PersonalPart {
                actor_name: actor.name().map(str::to_owned),
                ip: actor.origin.ip.map(|ip| ip.to_string()),
                user_agent: actor.origin.user_agent.clone(),
                ..PersonalPart::default()
            },
            salt: context.random(),
        }
    }

    /// Sets the target and its name.
    #[must_use]
    pub fn target(mut self, target: impl Into<Target>, name: Option<&str>) -> Self {
        self.target = Some(target.into());
        self.personal.target_name = name.map(str::to_owned);
        self
    }

    /// Sets the tenant whose log holds the entry.
    #[must_use]
    pub fn within(mut self, tenant: Option<TenantId>) -> Self {
        self.tenant = tenant;
        self
    }

    /// Sets the outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Adds a field that had no value before.
    #[must_use]
    pub fn set(mut self, field: &str, to: impl Into<ChangeValue>) -> Self {
        self.changes.push(FieldChange { field: field.to_owned(), from: None, to: Some(to.into()) });
        self
    }

    /// Adds a changed field. Equal values add nothing.
    #[must_use]
    pub fn changed(mut self, field: &str, from: impl Into<ChangeValue>, to: impl Into<ChangeValue>) -> Self {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.changes.push(FieldChange { field: field.to_owned(), from: Some(from), to: Some(to) });
        }
        self
    }

    /// Adds a field with personal data that had no value before.
    #[must_use]
    pub fn set_personal(mut self, field: &str, to: impl Into<ChangeValue>) -> Self {
        self.personal.changes.push(FieldChange { field: field.to_owned(), from: None, to: Some(to.into()) });
        self
    }

    /// Adds a changed field with personal data. Equal values add nothing.
    #[must_use]
    pub fn changed_personal(mut self, field: &str, from: impl Into<ChangeValue>, to: impl Into<ChangeValue>) -> Self {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.personal.changes.push(FieldChange { field: field.to_owned(), from: Some(from), to: Some(to) });
        }
        self
    }

    /// Adds a changed secret field without its values.
    #[must_use]
    pub fn changed_secret(mut self, field: &str) -> Self {
        self.changes.push(FieldChange { field: field.to_owned(), from: None, to: None });
        self
    }

    /// Sets the number of occurrences.
    #[must_use]
    pub fn times(mut self, count: i64) -> Self {
        self.count = count;
        self
    }

    /// Returns the sealed bytes: everything but the personal part, which its commitment represents.
    pub fn canonical(&self, commitment: &[u8; 32]) -> Result<String, CanonicalError> {
        canonical_json(&CanonicalEvent {
            version: self.version,
            id: self.id.to_string(),
            tenant: self.tenant.map(|id| id.to_string()),
            occurred_at: self.occurred_at.to_string(),
            action: self.action.name(),
            outcome: self.outcome.name(),
            actor_type: self.actor_type,
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

/// Port: appends events in the unit of the change that they describe.
#[async_trait]
pub trait Journal: Send {
    /// Appends one event.
    async fn append_event(&mut self, event: Event) -> Result<(), StoreError>;
}
