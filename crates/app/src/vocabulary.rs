//! The public vocabulary of this program, composed of the names that its crates declare.

use std::sync::Arc;
use tenantry_files::vocabulary::{QUOTA_EXCEEDED, RANGE_NOT_SATISFIABLE, STORAGE_FULL};
use tenantry_http::vocabulary::ORIGIN_NOT_ALLOWED;
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_MISMATCH};
use tenantry_identity::vocabulary::{
    EMAIL_TAKEN, INVALID_CREDENTIALS, LINK_INVALID, REGISTRATION_CLOSED, WEAK_PASSWORD,
};
use tenantry_kernel::{Action, CrateVocabulary, DuplicateName, ErrorCode as E, TargetKind, Vocabulary};
use tenantry_tenancy::vocabulary::{
    ALREADY_MEMBER, LAST_OWNER, ROLE_ESCALATION, ROLE_IN_USE, ROLE_IS_SYSTEM, ROLE_NAME_TAKEN, SLUG_TAKEN,
};

/// The vocabulary of each crate that declares names. Clients see permissions in this order.
pub const CRATES: &[&CrateVocabulary] = &[
    &tenantry_kernel::VOCABULARY,
    &tenantry_tenancy::vocabulary::VOCABULARY,
    &tenantry_identity::vocabulary::VOCABULARY,
    &tenantry_files::vocabulary::VOCABULARY,
    &tenantry_audit::vocabulary::VOCABULARY,
    &tenantry_jobs::vocabulary::VOCABULARY,
    &tenantry_idempotency::vocabulary::VOCABULARY,
    &tenantry_http::vocabulary::VOCABULARY,
];

/// Composes the vocabulary of this program. Fails on a name that two crates declare.
pub fn compose() -> Result<Arc<Vocabulary>, DuplicateName> {
    Vocabulary::compose(CRATES).map(Arc::new)
}

/// The order of the first codes in the documents. Within its kind, a code that is not here follows those that are.
const ORDER: &[E] = &[
    E::MALFORMED_BODY,
    E::INVALID_CURSOR,
    IDEMPOTENCY_KEY_INVALID,
    E::UNAUTHENTICATED,
    E::TOKEN_INVALID,
    E::TOKEN_EXPIRED,
    E::SESSION_ENDED,
    INVALID_CREDENTIALS,
    E::PERMISSION_DENIED,
    ROLE_ESCALATION,
    E::EMAIL_UNVERIFIED,
    E::TENANT_SUSPENDED,
    E::TENANT_REQUIRED,
    REGISTRATION_CLOSED,
    ORIGIN_NOT_ALLOWED,
    E::NOT_FOUND,
    E::METHOD_NOT_ALLOWED,
    E::TIMEOUT,
    EMAIL_TAKEN,
    SLUG_TAKEN,
    ROLE_NAME_TAKEN,
    ROLE_IN_USE,
    ROLE_IS_SYSTEM,
    LAST_OWNER,
    ALREADY_MEMBER,
    E::INVALID_STATE,
    IDEMPOTENCY_IN_PROGRESS,
    QUOTA_EXCEEDED,
    E::VERSION_CONFLICT,
    E::PAYLOAD_TOO_LARGE,
    E::UNSUPPORTED_MEDIA_TYPE,
    RANGE_NOT_SATISFIABLE,
    E::VALIDATION_FAILED,
    WEAK_PASSWORD,
    LINK_INVALID,
    IDEMPOTENCY_MISMATCH,
    E::RATE_LIMITED,
    E::INTERNAL,
    E::UNAVAILABLE,
    STORAGE_FULL,
];

/// Returns every error code of this program, in the order of the documents.
pub fn error_codes() -> Vec<E> {
    let mut codes: Vec<E> = CRATES.iter().flat_map(|one| one.codes).copied().collect();
    let place = |code: &E| ORDER.iter().position(|known| known == code).unwrap_or(ORDER.len());
    codes.sort_by_key(|code| (code.kind(), place(code)));
    codes
}

/// Returns every action that the crates of this program declare.
pub fn actions() -> Vec<Action> {
    CRATES.iter().flat_map(|one| one.actions).copied().collect()
}

/// Returns every kind of target that the crates of this program declare.
pub fn target_kinds() -> Vec<TargetKind> {
    CRATES.iter().flat_map(|one| one.target_kinds).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_kernel::{DefaultRole, Permission, PermissionSet};

    /// Permissions that clients rely on: their names and order stay. Newer ones may stand between them.
    const SHIPPED: [&str; 21] = [
        "tenant:read",
        "tenant:update",
        "tenant:own",
        "users:read",
        "users:update",
        "users:remove",
        "users:assign-roles",
        "invitations:read",
        "invitations:manage",
        "roles:read",
        "roles:create",
        "roles:update",
        "roles:delete",
        "files:read",
        "files:create",
        "files:delete-own",
        "files:delete",
        "audit:read",
        "audit:export",
        "jobs:read",
        "jobs:manage",
    ];

    #[test]
    fn no_name_is_declared_twice() {
        assert!(compose().is_ok());
    }

    #[test]
    fn a_code_without_a_place_follows_those_of_its_kind() {
        let codes = error_codes();
        assert_eq!(codes.iter().filter(|code| ORDER.contains(code)).copied().collect::<Vec<_>>(), ORDER);
        assert!(codes.is_sorted_by_key(|code| code.kind()));
    }

    #[test]
    fn default_roles_hold_what_the_contract_says() {
        let vocabulary = compose().unwrap();
        let held = |role| vocabulary.default_permissions(role);
        let shipped = |role| shipped(vocabulary.names(held(role)));
        let all: PermissionSet = vocabulary.permissions().iter().map(|info| info.permission.clone()).collect();
        assert_eq!(shipped(DefaultRole::Viewer), ["tenant:read", "users:read", "roles:read", "files:read"]);
        assert_eq!(
            shipped(DefaultRole::Member),
            ["tenant:read", "users:read", "roles:read", "files:read", "files:create", "files:delete-own"]
        );
        assert_eq!(all.minus(held(DefaultRole::Admin)), PermissionSet::of(&[Permission::TENANT_OWN]));
        assert_eq!(*held(DefaultRole::Owner), all);
    }

    #[test]
    fn each_shipped_permission_keeps_its_name_and_the_order() {
        let vocabulary = compose().unwrap();
        let names: Vec<String> = vocabulary.permissions().iter().map(|info| info.permission.to_string()).collect();
        assert_eq!(vocabulary.names(vocabulary.default_permissions(DefaultRole::Owner)), names);
        assert_eq!(shipped(names), SHIPPED);
        for info in vocabulary.permissions() {
            let (permission, name) = (&info.permission, info.permission.name());
            assert_eq!(vocabulary.permission(name).map(|found| &found.permission), Some(permission));
            assert_eq!(name, format!("{}:{}", permission.resource(), permission.action()));
        }
    }

    /// Keeps the shipped permissions of a list.
    fn shipped(mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| SHIPPED.contains(&name.as_str()));
        names
    }
}
