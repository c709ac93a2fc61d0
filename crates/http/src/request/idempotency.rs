//! `Idempotency-Key`: which requests take a key, and which parts of a request must be equal in a repetition.

use actix_web::{
    HttpMessage, HttpRequest,
    http::{Method, header},
};
use sha2::{Digest, Sha256};
use std::{cell::Cell, rc::Rc};
use tenantry_idempotency::vocabulary::IDEMPOTENCY_KEY_INVALID;
use tenantry_idempotency::{IdempotencyKey, IdempotencyScope, Request};
use tenantry_service::{CachedAuthority, IdempotentRequest};

use crate::Failure;

use super::operation::{Operation, operation_of};

const HEADER: &str = "idempotency-key";

/// Returns whether a request has a key that counts. `GET`, `HEAD`, `PUT` and `DELETE` are idempotent by themselves
/// (RFC 9110, 9.2.2), so a key changes nothing there. Some clients add one to every request.
fn has_key(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::POST | Method::PATCH) && request.headers().contains_key(HEADER)
}

/// Fails with `idempotency_key_invalid` when the request has a key and its operation takes none.
pub(super) fn require_operation_with_key(request: &HttpRequest) -> Result<(), Failure> {
    operation_with_key(request).map(|_| ())
}

/// Returns the operation of a request with a key; `None` without a key. Fails with `idempotency_key_invalid` when the
/// operation takes none.
fn operation_with_key(request: &HttpRequest) -> Result<Option<&'static Operation>, Failure> {
    if !has_key(request) {
        return Ok(None);
    }
    let operation = operation_of(request).filter(|operation| operation.takes_key());
    operation.map(Some).ok_or_else(|| Failure::new(IDEMPOTENCY_KEY_INVALID))
}

/// SHA-256 of the body of a request with a key, set when the body is read. Handlers read the body after they know the
/// caller.
#[derive(Clone, Default)]
pub(crate) struct ReadBody(Rc<Cell<Option<[u8; 32]>>>);

impl ReadBody {
    /// Returns the cell that the request's extensions hold; `None` for a request without a key.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        has_key(request).then(|| {
            let mut extensions = request.extensions_mut();
            if !extensions.contains::<Self>() {
                extensions.insert(Self::default());
            }
            extensions.get::<Self>().cloned().unwrap_or_default()
        })
    }

    /// Stores the digest of the body, or of a canonical form where equal contents can have different bytes.
    pub(crate) fn note(&self, body: &[u8]) {
        self.0.set(Some(Sha256::digest(body).into()));
    }
}

/// A request with a key. Its body may still be unread.
pub(crate) struct IdempotentRequestParts {
    scope: IdempotencyScope,
    request: Request,
    body: ReadBody,
}

impl IdempotentRequestParts {
    /// Returns the keyed request of this caller; `None` without a key. Fails with `idempotency_key_invalid` when the
    /// key is malformed or given twice, or the operation takes none.
    pub(super) fn of(request: &HttpRequest, caller: &CachedAuthority) -> Result<Option<Self>, Failure> {
        let Some(operation) = operation_with_key(request)? else { return Ok(None) };
        let Some(body) = ReadBody::of(request) else { return Ok(None) };
        let invalid = || Failure::new(IDEMPOTENCY_KEY_INVALID);
        let mut keys = request.headers().get_all(HEADER);
        let (Some(key), None) = (keys.next(), keys.next()) else { return Err(invalid()) };
        let key = IdempotencyKey::parse(key.as_bytes()).map_err(|_| invalid())?;
        let method = request.method().to_string();
        let if_match = request.headers().get(header::IF_MATCH).map(|tag| String::from_utf8_lossy(tag.as_bytes()));
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(Some(Self {
            scope: IdempotencyScope {
                tenant: caller.authority.tenant_id(),
                person: caller.user,
                route: operation.route.clone(),
                key,
            },
            request: Request { method, target, if_match: if_match.map(Into::into), body: None },
            body,
        }))
    }

    /// Returns the request with the digest of its body, if the body has been read.
    pub(super) fn request(&self) -> IdempotentRequest {
        let request = Request { body: self.body.0.get(), ..self.request.clone() };
        IdempotentRequest { scope: self.scope.clone(), request }
    }
}
