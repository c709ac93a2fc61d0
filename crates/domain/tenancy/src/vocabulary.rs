//! The names that this crate adds to the public vocabulary.

tenantry_kernel::codes! {
    ROLE_ESCALATION "role_escalation" Forbidden "You cannot confer rights that you do not hold yourself.";
    SLUG_TAKEN "slug_taken" Conflict "Another organisation has this slug.";
    ROLE_NAME_TAKEN "role_name_taken" Conflict "Another role of the organisation has this name.";
    ROLE_IN_USE "role_in_use" Conflict "The role is held by somebody, or offered by an open invitation.";
    ROLE_IS_SYSTEM "role_is_system" Conflict "Default roles cannot be changed or deleted.";
    LAST_OWNER "last_owner" Conflict "The organisation would be left without an active owner.";
    ALREADY_MEMBER "already_member" Conflict "This person is a member of the organisation already.";
}
