//! Requests with an `Idempotency-Key`: their identity, and the storage and replay of their responses.

use std::sync::Arc;
use tenantry_crypto::{Purpose, ServerSecrets};
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_MISMATCH};
use tenantry_idempotency::{
    Fingerprint, IdempotencyRecord, IdempotencyScope, IdempotencyStore, KeyState, RESPONSE_RETENTION, Request,
    StoredResponse,
};
use tenantry_kernel::Context;
use tenantry_store::Unit;

use crate::{Reply, ServiceError};

/// A request whose client sent an `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct IdempotentRequest {
    /// The key and the scope in which it is unique.
    pub scope: IdempotencyScope,
    /// The content of the request.
    pub request: Request,
}

/// Stores the responses to idempotent requests in the unit of their change, and replays them.
pub struct Idempotency {
    context: Context,
    secrets: Arc<ServerSecrets>,
}

impl Idempotency {
    pub fn new(context: Context, secrets: Arc<ServerSecrets>) -> Self {
        Self { context, secrets }
    }

    /// Returns the stored response without acquiring the key.
    pub async fn stored_answer(
        &self,
        idempotent: &IdempotentRequest,
        unit: &mut Unit,
    ) -> Result<Option<Reply>, ServiceError> {
        let since = self.context.now().minus(RESPONSE_RETENTION);
        let record = unit.stored_response(&idempotent.scope, since).await?;
        record.map(|record| self.replay(idempotent, record)).transpose()
    }

    /// Acquires the key of the request until the unit ends. Returns the stored response where there is one. Fails when
    /// another unit holds the key.
    pub async fn acquire(
        &self,
        idempotent: &IdempotentRequest,
        unit: &mut Unit,
    ) -> Result<Option<Reply>, ServiceError> {
        let since = self.context.now().minus(RESPONSE_RETENTION);
        match unit.acquire_key(&idempotent.scope, since).await? {
            KeyState::First => Ok(None),
            KeyState::Running => Err(ServiceError::new(IDEMPOTENCY_IN_PROGRESS)),
            KeyState::Answered(record) => self.replay(idempotent, record).map(Some),
        }
    }

    /// Stores the response in the unit of its change.
    pub async fn store(
        &self,
        idempotent: &IdempotentRequest,
        unit: &mut Unit,
        answer: &Reply,
    ) -> Result<(), ServiceError> {
        let (secret_id, key) = self.secrets.current(Purpose::Fingerprints);
        let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let record = IdempotencyRecord {
            secret_id: secret_id.to_owned(),
            fingerprint: Fingerprint::of(&idempotent.request, key),
            response: StoredResponse { status: answer.status, headers, body: answer.body.to_vec() },
            answered_at: self.context.now(),
        };
        Ok(unit.store_response(&idempotent.scope, &record).await?)
    }

    fn replay(&self, idempotent: &IdempotentRequest, record: IdempotencyRecord) -> Result<Reply, ServiceError> {
        // Without the secret that made the fingerprint the requests cannot be compared.
        let key = self.secrets.by_id(Purpose::Fingerprints, &record.secret_id);
        if key.is_none_or(|key| Fingerprint::of(&idempotent.request, key) != record.fingerprint) {
            return Err(ServiceError::new(IDEMPOTENCY_MISMATCH));
        }
        let StoredResponse { status, headers, body } = record.response;
        let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        headers.push(("Idempotency-Replayed".into(), "true".to_owned()));
        Ok(Reply { status, headers, body: body.into() })
    }
}
