//! An entry as it is sealed: what its row says, whether or not this program knows every name in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tenantry_kernel::{CanonicalError, Event, EventId, StoreError, Timestamp, canonical_json, commitment_to};
use uuid::Uuid;

use crate::Digest;

/// The canonical part of an entry. Its canonical JSON is the same, byte for byte, as that of the [`Event`] it was
/// written from, whichever database it was read from, and a row that was tampered with still has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The version of the canonical form.
    pub version: i32,
    /// The entry.
    pub id: Uuid,
    /// The tenant whose log it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Uuid>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What was done or tried.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// What sort of actor did it.
    pub actor_type: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<Uuid>,
    /// In whose place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uuid>,
    /// What kind of thing it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<String>,
    /// The thing it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<Uuid>,
    /// What changed, less what belongs to persons.
    pub changes: Value,
    /// The request that caused it.
    pub request_id: Uuid,
    /// How many times.
    pub count: i64,
    /// The commitment to the personal part, in lower-case hexadecimal.
    pub commitment: String,
}

impl Record {
    /// The record of an event that is about to be sealed.
    pub fn of(event: &Event) -> Result<Self, CanonicalError> {
        let commitment = event.personal.commitment(&event.salt)?;
        let canonical = event.canonical(&commitment)?;
        Ok(serde_json::from_str(&canonical)?)
    }

    /// The entry's id.
    pub fn event_id(&self) -> EventId {
        EventId::from_uuid(self.id)
    }

    /// SHA-256 over the canonical JSON (RFC 8785).
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest(Sha256::digest(canonical_json(self)?).into()))
    }
}

/// What of an entry belongs to persons, as it lies beside the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Its canonical JSON.
    pub part: String,
    /// The key of the commitment.
    pub salt: [u8; 32],
}

impl Personal {
    /// Whether this is what the record commits to.
    pub fn fits(&self, record: &Record) -> bool {
        hex::encode(commitment_to(&self.part, &self.salt)) == record.commitment
    }
}

/// A value without canonical form stands in no journal of ours.
pub(crate) fn no_canonical_form(error: CanonicalError) -> StoreError {
    StoreError::Failed(Box::new(error))
}
