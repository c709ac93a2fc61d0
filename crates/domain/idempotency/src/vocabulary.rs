//! The names that this crate adds to the public vocabulary.

tenantry_kernel::codes! {
    IDEMPOTENCY_KEY_INVALID "idempotency_key_invalid" Malformed "The Idempotency-Key is not 1 to 255 visible characters, or this route takes none.";
    IDEMPOTENCY_IN_PROGRESS "idempotency_in_progress" Conflict "The first request with this Idempotency-Key is still at work. Ask again in a moment.";
    IDEMPOTENCY_MISMATCH "idempotency_mismatch" Invalid "This Idempotency-Key was used for another request. Take a new one.";
}
