//! Permissions: rights inside a tenant, each declared by the crate that owns it, and sets of them.

use serde::{Serialize, Serializer};
use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{DefaultRole, names};

/// One right inside a tenant, named `resource:action`. Crates declare their permissions as constants; a stored name may
/// be unknown to this program. Permissions are equal when their names are, and cloning one is cheap.
#[derive(Clone)]
pub struct Permission(Text);

#[derive(Clone)]
enum Text {
    Declared(&'static str),
    Stored(Arc<str>),
}

impl Permission {
    /// Ownership of the tenant. The kernel names this one permission itself, because
    /// [`Requirement::Owner`](crate::Requirement::Owner) asks for it.
    pub const TENANT_OWN: Self = Self::declared("tenant:own");

    /// Declares the permission `resource:action`, a name of at most 64 bytes of `a-z`, `0-9`, `_`, `-` and one colon.
    ///
    /// # Panics
    ///
    /// Panics when the name has another form. In a constant this is a compile error.
    pub const fn declared(name: &'static str) -> Self {
        assert!(names::is_permission(name), "a permission is named resource:action");
        Self(Text::Declared(name))
    }

    /// Creates a permission from a stored name, which may have any form because another program may have written it.
    pub fn from_stored(name: &str) -> Self {
        Self(Text::Stored(Arc::from(name)))
    }

    /// Returns the public name, `resource:action`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Text::Declared(name) => name,
            Text::Stored(name) => name,
        }
    }

    /// Returns the part before the colon.
    pub fn resource(&self) -> &str {
        self.name().split_once(':').map_or("", |(resource, _)| resource)
    }

    /// Returns the part after the colon.
    pub fn action(&self) -> &str {
        self.name().split_once(':').map_or("", |(_, action)| action)
    }
}

/// A permission as its crate declares it.
#[derive(Debug, Clone)]
pub struct PermissionInfo {
    /// The permission.
    pub permission: Permission,
    /// One sentence for users who compose roles.
    pub description: &'static str,
    /// The default roles that hold it in addition to the owner, who holds every permission.
    pub default_roles: &'static [DefaultRole],
}

/// Declares permissions as public constants, and lists them as `PERMISSIONS`. Each has a name, the default roles that
/// hold it in addition to the owner, and a sentence for users who compose roles.
///
/// ```
/// tenantry_kernel::permissions! {
///     INVOICES_READ "invoices:read" [Admin, Member, Viewer] "See invoices.";
/// }
/// assert_eq!(PERMISSIONS[0].permission, INVOICES_READ);
/// ```
#[macro_export]
macro_rules! permissions {
    ($($constant:ident $name:literal [$($role:ident),*] $description:literal;)*) => {
        $(
            #[doc = $description]
            pub const $constant: $crate::Permission = $crate::Permission::declared($name);
        )*

        /// Every permission that this crate declares.
        pub const PERMISSIONS: &[$crate::PermissionInfo] = &[$($crate::PermissionInfo {
            permission: $constant,
            description: $description,
            default_roles: &[$($crate::DefaultRole::$role),*],
        },)*];
    };
}

impl PermissionInfo {
    /// Returns whether a default role holds the permission.
    pub fn is_held_by(&self, role: DefaultRole) -> bool {
        role == DefaultRole::Owner || self.default_roles.contains(&role)
    }
}

impl PartialEq for Permission {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Permission {}

impl PartialOrd for Permission {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Permission {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for Permission {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// Lets maps that are keyed by permission be searched by name.
impl Borrow<str> for Permission {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A set of permissions, stored in the order of their names. Clients see them in the order of the
/// [`Vocabulary`](crate::Vocabulary). Cloning shares the set: a process keeps one for each of 100,000 sessions.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct PermissionSet(Option<Arc<[Permission]>>);

impl PermissionSet {
    /// The set without any permission.
    pub const EMPTY: Self = Self(None);

    /// Creates the set of the listed permissions.
    pub fn of(permissions: &[Permission]) -> Self {
        permissions.iter().cloned().collect()
    }

    fn as_slice(&self) -> &[Permission] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns whether the permission is in the set.
    pub fn contains(&self, permission: &Permission) -> bool {
        self.as_slice().binary_search(permission).is_ok()
    }

    /// Returns the union of this set and the other.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.iter().all(|permission| self.contains(permission)) {
            self.clone()
        } else if self.is_empty() {
            other.clone()
        } else {
            self.iter().chain(other.iter()).cloned().collect()
        }
    }

    /// Returns the permissions that are in this set and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.iter().filter(|permission| !other.contains(permission)).cloned().collect()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Returns the permissions in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.as_slice().iter()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut permissions: Vec<Permission> = permissions.into_iter().collect();
        permissions.sort_unstable();
        permissions.dedup();
        // An empty set has one form, so that sets can be compared.
        Self((!permissions.is_empty()).then(|| permissions.into()))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const CREATE: Permission = Permission::declared("roles:create");
    const READ: Permission = Permission::declared("users:read");
    const AUDIT: Permission = Permission::declared("audit:read");

    #[test]
    fn minus_leaves_what_is_missing() {
        let held = PermissionSet::of(&[CREATE, READ]);
        let wanted = PermissionSet::of(&[READ, AUDIT]);
        assert_eq!(wanted.minus(&held), PermissionSet::of(&[AUDIT]));
        assert_eq!(held.minus(&held), PermissionSet::EMPTY);
    }

    #[test]
    fn a_union_holds_each_permission_once() {
        let (first, second) = (PermissionSet::of(&[READ, CREATE, READ]), PermissionSet::of(&[AUDIT, CREATE]));
        let all = PermissionSet::of(&[AUDIT, CREATE, READ]);
        assert_eq!(first.union(&second), all);
        assert_eq!(all.iter().collect::<Vec<_>>(), [&AUDIT, &CREATE, &READ]);
        for same in [all.union(&first), PermissionSet::EMPTY.union(&all), all.union(&PermissionSet::EMPTY)] {
            assert_eq!(same, all);
        }
    }

    #[test]
    fn a_set_holds_more_than_64_permissions_that_are_known_at_run_time() {
        let names: Vec<String> = (0..200).map(|number| format!("invoices:do-{number}")).collect();
        let set: PermissionSet = names.iter().map(|name| Permission::from_stored(name)).collect();
        assert_eq!(set.iter().count(), names.len());
        assert!(names.iter().all(|name| set.contains(&Permission::from_stored(name))));
        assert!(!set.contains(&Permission::from_stored("invoices:do-200")) && !set.contains(&CREATE));
    }

    #[test]
    fn a_permission_is_a_resource_and_an_action() {
        assert_eq!((CREATE.name(), CREATE.resource(), CREATE.action()), ("roles:create", "roles", "create"));
    }

    #[test]
    fn a_stored_permission_equals_the_declared_one_of_its_name() {
        let stored = Permission::from_stored("roles:create");
        assert_eq!(CREATE, stored);
        assert_eq!(HashSet::from([CREATE, stored]).len(), 1);
        assert!(HashSet::from([CREATE]).contains("roles:create"));
        assert_eq!(Permission::from_stored("Fly Away!").to_string(), "Fly Away!");
    }
}
