//! The names that this crate adds to the public vocabulary.

tenantry_kernel::codes! {
    INVALID_CREDENTIALS "invalid_credentials" Unauthenticated "The e-mail address or the password is wrong.";
    REGISTRATION_CLOSED "registration_closed" Forbidden "Registration is closed on this installation.";
    EMAIL_TAKEN "email_taken" Conflict "There is an account with this e-mail address already.";
    WEAK_PASSWORD "weak_password" Invalid "The password is too easy to guess. Take a longer one, or one made of unrelated words.";
    LINK_INVALID "link_invalid" Invalid "The link is not valid any more: it was used, replaced or withdrawn, or its time is over.";
}
