//! The catalogue of permissions: everything that can be allowed inside a tenant, from the first day.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use std::{fmt, str::FromStr};

/// One right inside a tenant, named `resource:action`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(u8);

/// What the catalogue says of one permission.
#[derive(Debug, Clone, Copy)]
pub struct PermissionInfo {
    /// The right itself.
    pub permission: Permission,
    /// Its public name, `resource:action`.
    pub name: &'static str,
    /// The part before the colon.
    pub resource: &'static str,
    /// The part after the colon.
    pub action: &'static str,
    /// One sentence for people who put roles together.
    pub description: &'static str,
}

macro_rules! catalogue {
    ($($index:literal $constant:ident $resource:literal $action:literal $description:literal;)*) => {
        impl Permission {
            $(#[doc = $description] pub const $constant: Self = Self($index);)*
        }

        /// Every permission, in the order in which the catalogue is shown. The position is internal: what is stored
        /// and answered are names.
        pub const CATALOGUE: &[PermissionInfo] = &[$(PermissionInfo {
            permission: Permission($index),
            name: concat!($resource, ":", $action),
            resource: $resource,
            action: $action,
            description: $description,
        },)*];
    };
}

catalogue! {
    0 TENANT_READ "tenant" "read" "See the organisation's name, slug, plan and status.";
    1 TENANT_UPDATE "tenant" "update" "Change the organisation's name and slug.";
    2 TENANT_OWN "tenant" "own" "Own the organisation: transfer it, give and take ownership, set retention and legal hold.";
    3 USERS_READ "users" "read" "See who is a member.";
    4 USERS_UPDATE "users" "update" "Deactivate and re-activate memberships.";
    5 USERS_REMOVE "users" "remove" "Take people out of the organisation.";
    6 USERS_ASSIGN_ROLES "users" "assign-roles" "Give and take roles.";
    7 INVITATIONS_READ "invitations" "read" "See who has been invited.";
    8 INVITATIONS_MANAGE "invitations" "manage" "Invite people, and renew or revoke invitations.";
    9 ROLES_READ "roles" "read" "See the roles and what they hold.";
    10 ROLES_CREATE "roles" "create" "Make roles.";
    11 ROLES_UPDATE "roles" "update" "Change roles.";
    12 ROLES_DELETE "roles" "delete" "Delete roles that nobody holds.";
    13 FILES_READ "files" "read" "See and download files.";
    14 FILES_CREATE "files" "create" "Upload files.";
    15 FILES_DELETE_OWN "files" "delete-own" "Delete files uploaded by oneself.";
    16 FILES_DELETE "files" "delete" "Delete any file.";
    17 AUDIT_READ "audit" "read" "Read the audit log.";
    18 AUDIT_EXPORT "audit" "export" "Export the audit log.";
    19 JOBS_READ "jobs" "read" "See background jobs.";
    20 JOBS_MANAGE "jobs" "manage" "Retry and cancel background jobs, and ask for a clean-up.";
}

/// No permission of the catalogue has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such permission")]
pub struct UnknownPermission;

impl Permission {
    /// What the catalogue says of this permission.
    pub fn info(self) -> &'static PermissionInfo {
        &CATALOGUE[usize::from(self.0)]
    }

    /// The public name, `resource:action`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(name: &str) -> Result<Self, UnknownPermission> {
        CATALOGUE.iter().find(|info| info.name == name).map(|info| info.permission).ok_or(UnknownPermission)
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A set of permissions; iterates and serializes in the catalogue's order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// No permission.
    pub const EMPTY: Self = Self(0);

    /// Every permission of the catalogue, ownership included.
    pub const ALL: Self = Self((1 << CATALOGUE.len()) - 1);

    /// The set of the listed permissions.
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < permissions.len() {
            bits |= permissions[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// Whether the permission is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// What is in this set or in the other.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions, in the catalogue's order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        CATALOGUE.iter().map(|info| info.permission).filter(move |p| self.contains(*p))
    }

    /// The names, in the catalogue's order.
    pub fn names(self) -> Vec<String> {
        self.iter().map(|p| p.name().to_owned()).collect()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, p| bits | p.bit()))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for PermissionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for permission in self.iter() {
            seq.serialize_element(&permission)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for PermissionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Permission>::deserialize(deserializer).map(|list| list.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_stands_at_its_own_place_under_its_own_name() {
        for (position, info) in CATALOGUE.iter().enumerate() {
            assert_eq!(usize::from(info.permission.0), position);
            assert_eq!(info.name.parse(), Ok(info.permission));
            assert_eq!(info.name, format!("{}:{}", info.resource, info.action));
        }
        assert_eq!(PermissionSet::ALL.iter().count(), CATALOGUE.len());
    }

    #[test]
    fn minus_leaves_what_is_missing() {
        let held = PermissionSet::of(&[Permission::ROLES_CREATE, Permission::USERS_READ]);
        let wanted = PermissionSet::of(&[Permission::USERS_READ, Permission::AUDIT_READ]);
        assert_eq!(wanted.minus(held), PermissionSet::of(&[Permission::AUDIT_READ]));
    }
}
