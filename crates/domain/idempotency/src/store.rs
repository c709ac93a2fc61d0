use async_trait::async_trait;
use std::time::Duration;
use tenantry_kernel::{StoreError, Timestamp};

use crate::{Fingerprint, IdempotencyScope};

/// Retention of stored responses.
pub const RESPONSE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// A stored response. It holds no secret: routes whose responses show a secret once accept no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// The HTTP status.
    pub status: u16,
    /// Headers other than those that every response has.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A response with the fingerprint of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Id of the server secret whose key computed the fingerprint.
    pub secret_id: String,
    /// Identifies the request.
    pub fingerprint: Fingerprint,
    /// The response.
    pub response: StoredResponse,
    /// Time of the response.
    pub answered_at: Timestamp,
}

/// State of a key for the unit that wants to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The key is unused: the unit holds it until the unit ends.
    First,
    /// Another open unit holds the key.
    Running,
    /// A request with this key has been answered.
    Answered(IdempotencyRecord),
}

/// Port: stores responses in the unit of the change that they describe.
#[async_trait]
pub trait IdempotencyStore: Send {
    /// Acquires a key until the unit ends. Of several open units one gets [`KeyState::First`]; the others wait for its end
    /// or get [`KeyState::Running`]. Responses stored before `since` are ignored.
    async fn acquire_key(&mut self, scope: &IdempotencyScope, since: Timestamp) -> Result<KeyState, StoreError>;

    /// Returns the response of this key stored at or after `since`, without acquiring the key.
    async fn stored_response(
        &mut self,
        scope: &IdempotencyScope,
        since: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Stores the response of a key that this unit holds, replacing an expired one.
    async fn store_response(&mut self, scope: &IdempotencyScope, record: &IdempotencyRecord) -> Result<(), StoreError>;
}
