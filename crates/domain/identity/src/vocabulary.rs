//! The names that this crate adds to the public vocabulary.

use tenantry_kernel::CrateVocabulary;

tenantry_kernel::actions! {
    USER_REGISTERED "user.registered";
    USER_UPDATED "user.updated";
    USER_EMAIL_VERIFIED "user.email_verified";
    USER_EMAIL_CHANGED "user.email_changed";
    USER_PASSWORD_CHANGED "user.password_changed";
    USER_PASSWORD_RESET "user.password_reset";
    USER_DISABLED "user.disabled";
    USER_ENABLED "user.enabled";
    USER_ERASED "user.erased";
    SESSION_STARTED "session.started";
    SESSION_ENDED "session.ended";
    SESSION_REPLAYED "session.replayed";
    SIGN_IN_FAILED "sign_in.failed";
}

tenantry_kernel::codes! {
    INVALID_CREDENTIALS "invalid_credentials" Unauthenticated "The email address or the password is wrong.";
    REGISTRATION_CLOSED "registration_closed" Forbidden "Registration is closed on this installation. You can join a tenant by invitation.";
    EMAIL_TAKEN "email_taken" Conflict "This email address already has an account. Sign in, or use another address.";
    WEAK_PASSWORD "weak_password" Invalid "The password is too easy to guess. Choose a longer one, or one of several unrelated words.";
    LINK_INVALID "link_invalid" Invalid "The link is not valid: it was used, replaced or revoked, or it has expired. Request a new one.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary =
    CrateVocabulary { actions: ACTIONS, codes: CODES, ..CrateVocabulary::of(env!("CARGO_PKG_NAME")) };
