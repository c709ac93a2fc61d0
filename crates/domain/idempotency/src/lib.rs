//! Idempotent requests (draft-ietf-httpapi-idempotency-key-header).
//!
//! The response is stored in the unit of the change itself. A crash before the commit leaves neither, a crash after it
//! both. A client that received no response sends the request again with the same key and receives the first response.

mod fingerprint;
mod key;
mod store;
pub mod vocabulary;

pub use fingerprint::{Fingerprint, Request};
pub use key::{IdempotencyKey, IdempotencyScope, InvalidKey};
pub use store::{IdempotencyRecord, IdempotencyStore, KeyState, RESPONSE_RETENTION, StoredResponse};
