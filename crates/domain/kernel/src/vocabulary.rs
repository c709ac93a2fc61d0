//! The public vocabulary: the names that crates declare, composed into one value.

use std::collections::HashMap;

use crate::{Action, DefaultRole, ErrorCode, Permission, PermissionInfo, PermissionSet, TargetKind};

/// The public names that one crate declares.
#[derive(Debug, Clone, Copy)]
pub struct CrateVocabulary {
    /// The name of the crate, for the error about a name that two crates declare.
    pub name: &'static str,
    /// Its actions.
    pub actions: &'static [Action],
    /// Its kinds of targets.
    pub target_kinds: &'static [TargetKind],
    /// Its error codes.
    pub codes: &'static [ErrorCode],
    /// Its permissions, in the order in which clients see them.
    pub permissions: &'static [PermissionInfo],
}

impl CrateVocabulary {
    /// Returns the vocabulary of a crate that declares nothing.
    pub const fn of(name: &'static str) -> Self {
        Self { name, actions: &[], target_kinds: &[], codes: &[], permissions: &[] }
    }
}

/// The names that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: &[Action::ACCESS_DENIED],
    target_kinds: TargetKind::GENERAL,
    codes: ErrorCode::GENERAL,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};

/// Two crates declare the same name, or one declares it twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} both declare the {kind} {name}")]
pub struct DuplicateName {
    /// The kind of the name: `action`, `kind of target`, `error code` or `permission`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// The crate that declares it first.
    pub first: &'static str,
    /// The crate that declares it again.
    pub second: &'static str,
}

/// The vocabulary of a program, composed of those of its crates. The composition root creates it and passes it to the
/// store and the services. The default is empty.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    actions: Vec<Action>,
    target_kinds: Vec<TargetKind>,
    permissions: Vec<PermissionInfo>,
    /// Index of each permission in that list.
    places: HashMap<Permission, usize>,
    /// Permissions of each default role, in the order of [`DefaultRole::ALL`].
    default_roles: [PermissionSet; DefaultRole::ALL.len()],
}

impl Vocabulary {
    /// Composes the vocabularies of crates, in this order. Fails when a name is declared twice.
    pub fn compose(crates: &[&CrateVocabulary]) -> Result<Self, DuplicateName> {
        ensure_unique("action", crates, |one| one.actions.iter().map(|action| action.name()))?;
        ensure_unique("kind of target", crates, |one| one.target_kinds.iter().map(|kind| kind.name()))?;
        ensure_unique("error code", crates, |one| one.codes.iter().map(|code| code.name()))?;
        ensure_unique("permission", crates, |one| one.permissions.iter().map(|info| info.permission.name()))?;
        let permissions: Vec<_> = crates.iter().flat_map(|one| one.permissions).cloned().collect();
        let default_roles = DefaultRole::ALL.map(|role| {
            let held = permissions.iter().filter(|info| info.is_held_by(role));
            held.map(|info| info.permission.clone()).collect()
        });
        Ok(Self {
            actions: crates.iter().flat_map(|one| one.actions).copied().collect(),
            target_kinds: crates.iter().flat_map(|one| one.target_kinds).copied().collect(),
            places: permissions.iter().enumerate().map(|(place, info)| (info.permission.clone(), place)).collect(),
            permissions,
            default_roles,
        })
    }

    /// Returns every declared action.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Returns the kind of target of that name, if a crate declares it.
    pub fn target_kind(&self, name: &str) -> Option<TargetKind> {
        self.target_kinds.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns every declared permission, in the order in which they are listed.
    pub fn permissions(&self) -> &[PermissionInfo] {
        &self.permissions
    }

    /// Returns the declaration of the permission with that name; `None` when no crate declares it.
    pub fn permission(&self, name: &str) -> Option<&PermissionInfo> {
        self.places.get(name).map(|place| &self.permissions[*place])
    }

    /// Returns the permissions that a default role holds.
    pub fn default_permissions(&self, role: DefaultRole) -> &PermissionSet {
        &self.default_roles[role as usize]
    }

    /// Returns a set in the order of the vocabulary. Names that no crate declares come last.
    pub fn in_order(&self, set: &PermissionSet) -> Vec<Permission> {
        let mut listed: Vec<Permission> = set.iter().cloned().collect();
        listed.sort_by_key(|permission| self.places.get(permission).copied().unwrap_or(usize::MAX));
        listed
    }

    /// Returns the names of a set in the order of the vocabulary.
    pub fn names(&self, set: &PermissionSet) -> Vec<String> {
        self.in_order(set).iter().map(ToString::to_string).collect()
    }

    /// Divides stored names into permissions that a crate declares and those that none does, which grant nothing.
    pub fn divide<'a>(&self, stored: impl IntoIterator<Item = &'a str>) -> (PermissionSet, PermissionSet) {
        let (mut declared, mut undeclared) = (Vec::new(), Vec::new());
        for name in stored {
            match self.permission(name) {
                Some(info) => declared.push(info.permission.clone()),
                None => undeclared.push(Permission::from_stored(name)),
            }
        }
        (declared.into_iter().collect(), undeclared.into_iter().collect())
    }
}

fn ensure_unique<N: Iterator<Item = &'static str>>(
    kind: &'static str,
    crates: &[&CrateVocabulary],
    names: impl Fn(&CrateVocabulary) -> N,
) -> Result<(), DuplicateName> {
    let mut owners = HashMap::new();
    for one in crates {
        for name in names(one) {
            if let Some(first) = owners.insert(name, one.name) {
                return Err(DuplicateName { kind, name: name.to_owned(), first, second: one.name });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const PAID: Action = Action::declared("invoice.paid");
    const INVOICE: TargetKind = TargetKind::declared("invoice");
    const ALREADY_PAID: ErrorCode =
        ErrorCode::declared("already_paid", ErrorKind::Conflict, "The invoice is already paid.");
    const READ: Permission = Permission::declared("invoices:read");
    const PAY: Permission = Permission::declared("invoices:pay");
    const AUDIT: Permission = Permission::declared("audit:read");
    const PERMISSIONS: &[PermissionInfo] = &[
        PermissionInfo {
            permission: READ,
            description: "See invoices.",
            default_roles: &[DefaultRole::Admin, DefaultRole::Member, DefaultRole::Viewer],
        },
        PermissionInfo {
            permission: PAY,
            description: "Pay invoices.",
            default_roles: &[DefaultRole::Admin, DefaultRole::Member],
        },
        PermissionInfo { permission: Permission::TENANT_OWN, description: "Own everything.", default_roles: &[] },
    ];
    const BILLING: CrateVocabulary = CrateVocabulary {
        actions: &[PAID],
        target_kinds: &[INVOICE],
        codes: &[ALREADY_PAID],
        permissions: PERMISSIONS,
        ..CrateVocabulary::of("billing")
    };

    #[test]
    fn a_name_that_two_crates_declare_is_refused_with_both() {
        assert!(Vocabulary::compose(&[&VOCABULARY, &BILLING]).is_ok());
        let others = CrateVocabulary::of("accounting");
        for (second, what) in [
            (CrateVocabulary { actions: &[PAID], ..others }, "action invoice.paid"),
            (CrateVocabulary { target_kinds: &[INVOICE], ..others }, "kind of target invoice"),
            (CrateVocabulary { codes: &[ALREADY_PAID], ..others }, "error code already_paid"),
            (CrateVocabulary { permissions: PERMISSIONS, ..others }, "permission invoices:read"),
        ] {
            let refused = Vocabulary::compose(&[&VOCABULARY, &BILLING, &second]).unwrap_err();
            assert_eq!(refused.to_string(), format!("billing and accounting both declare the {what}"));
        }
    }

    #[test]
    fn actions_are_those_of_every_crate() {
        let vocabulary = Vocabulary::compose(&[&VOCABULARY, &BILLING]).unwrap();
        assert_eq!(vocabulary.actions(), [Action::ACCESS_DENIED, PAID]);
    }

    #[test]
    fn a_kind_of_target_is_found_by_its_name() {
        let vocabulary = Vocabulary::compose(&[&VOCABULARY, &BILLING]).unwrap();
        assert_eq!(vocabulary.target_kind("invoice"), Some(INVOICE));
        assert_eq!(vocabulary.target_kind("role"), Some(TargetKind::ROLE));
        assert_eq!(vocabulary.target_kind("pig"), None);
    }
    #[test]
    fn default_roles_hold_what_the_crates_declare() {
        let vocabulary = Vocabulary::compose(&[&BILLING]).unwrap();
        let held = |role| vocabulary.names(vocabulary.default_permissions(role));
        assert_eq!(held(DefaultRole::Owner), ["invoices:read", "invoices:pay", "tenant:own"]);
        assert_eq!(held(DefaultRole::Admin), ["invoices:read", "invoices:pay"]);
        assert_eq!(held(DefaultRole::Member), ["invoices:read", "invoices:pay"]);
        assert_eq!(held(DefaultRole::Viewer), ["invoices:read"]);
    }

    #[test]
    fn a_set_is_listed_in_the_order_of_the_declarations() {
        let vocabulary = Vocabulary::compose(&[&BILLING]).unwrap();
        let set = PermissionSet::of(&[AUDIT, PAY, READ]);
        assert_eq!(vocabulary.in_order(&set), [READ, PAY, AUDIT], "names that no crate declares come last");
        assert_eq!(Vocabulary::default().names(&set), ["audit:read", "invoices:pay", "invoices:read"]);
    }

    #[test]
    fn stored_names_are_divided_into_declared_and_undeclared_ones() {
        let vocabulary = Vocabulary::compose(&[&BILLING]).unwrap();
        let (declared, undeclared) = vocabulary.divide(["audit:read", "invoices:pay", "Fly Away", "invoices:pay"]);
        assert_eq!(declared, PermissionSet::of(&[PAY]));
        assert_eq!(vocabulary.names(&undeclared), ["Fly Away", "audit:read"]);
        assert_eq!(vocabulary.permission("invoices:pay").map(|info| info.description), Some("Pay invoices."));
        assert!(vocabulary.permission("invoices").is_none());
    }
}
