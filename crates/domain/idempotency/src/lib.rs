//! Idempotent requests (draft-ietf-httpapi-idempotency-key-header).
//!
//! The response is stored in the unit of the change itself. A crash before the commit leaves neither, a crash after it
//! both. A client that received no response sends the request again with the same key and receives the first response.

mod answers;
mod fingerprint;
mod key;
pub mod vocabulary;

pub use answers::{IdempotencyRecord, IdempotencyStore, KeyState, REMEMBERED_FOR, StoredResponse};
pub use fingerprint::{Fingerprint, Request};
pub use key::{IdempotencyKey, IdempotencyScope, InvalidKey};
