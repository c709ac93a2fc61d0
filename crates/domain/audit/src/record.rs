//! The sealed form of an entry. It holds the row's values, including names that this program does not know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tenantry_kernel::{
    CanonicalError, EVENT_VERSION, Event, EventId, StoreError, Timestamp, canonical_json, commitment_to,
};
use uuid::Uuid;

use crate::Digest;

/// The canonical part of an entry. Its canonical JSON equals, byte for byte, that of the [`Event`] from which it was
/// written, on both databases. A row that was tampered with still has a canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of the canonical form.
    pub version: i32,
    /// Id of the entry.
    pub id: Uuid,
    /// The tenant whose log holds the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Uuid>,
    /// Time of the event.
    pub occurred_at: Timestamp,
    /// The action.
    pub action: String,
    /// The outcome.
    pub outcome: String,
    /// The type of the actor.
    pub actor_type: String,
    /// Id of the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<Uuid>,
    /// The user on whose behalf the actor acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uuid>,
    /// The type of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<String>,
    /// Id of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<Uuid>,
    /// Changed fields, without personal ones.
    pub changes: Value,
    /// Id of the request that caused the event.
    pub request_id: Uuid,
    /// Number of occurrences.
    pub count: i64,
    /// The commitment to the personal part, in lower-case hexadecimal.
    pub commitment: String,
    /// The fields of a newer version, which this program does not know, as an export has them.
    #[serde(flatten)]
    pub newer: Map<String, Value>,
}

impl Record {
    /// Creates the record of an event that is about to be sealed.
    pub fn of(event: &Event) -> Result<Self, CanonicalError> {
        let commitment = event.personal.commitment(&event.salt)?;
        let canonical = event.canonical(&commitment)?;
        Ok(serde_json::from_str(&canonical)?)
    }

    /// Returns whether a newer program made the entry. A record that was read from a row may then lack columns that
    /// this program does not know.
    pub fn is_newer(&self) -> bool {
        self.version > EVENT_VERSION
    }

    /// Returns the entry's id.
    pub fn event_id(&self) -> EventId {
        EventId::from_uuid(self.id)
    }

    /// Returns the SHA-256 of the canonical JSON (RFC 8785).
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest(Sha256::digest(canonical_json(self)?).into()))
    }
}

/// The personal part of an entry, as stored beside the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Its canonical JSON.
    pub part: String,
    /// The key of the commitment.
    pub salt: [u8; 32],
}

impl Personal {
    /// Returns whether the record commits to this personal part.
    pub fn fits(&self, record: &Record) -> bool {
        hex::encode(commitment_to(&self.part, &self.salt)) == record.commitment
    }
}

/// Reports a value without a canonical form, which the journal cannot hold.
pub(crate) fn no_canonical_form(error: CanonicalError) -> StoreError {
    StoreError::Failed(Box::new(error))
}
