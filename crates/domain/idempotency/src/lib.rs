//! Requests that are done once however often they are sent (draft-ietf-httpapi-idempotency-key-header).
//!
//! What was answered is remembered in the unit of the change itself. So a crash before the commit leaves neither, and
//! after it both: whoever has heard nothing asks again with the same key, and hears the first answer.

mod answers;
mod fingerprint;
mod key;

pub use answers::{Answers, Claim, Given, REMEMBERED_FOR, Remembered};
pub use fingerprint::{Fingerprint, Request};
pub use key::{IdempotencyKey, InvalidKey, Keyed};
