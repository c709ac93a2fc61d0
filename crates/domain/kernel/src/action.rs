//! Actions, and the kinds of objects that they concern. The crate that owns an object declares both as constants.

use std::fmt;
use uuid::Uuid;

use crate::{RoleId, SessionId, TenantId, UserId, names};

/// An action that was done or attempted, named `thing.done`. The crate that performs it declares it with
/// [`actions!`](crate::actions). The name is public and does not change once shipped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(&'static str);

impl Action {
    /// A request was refused whose command appends no event of its own.
    pub const ACCESS_DENIED: Self = Self::declared("access.denied");

    /// Maximum length of a name in bytes.
    pub const MAX_LEN: usize = 80;

    /// Declares an action.
    ///
    /// # Panics
    ///
    /// Panics when the name is not a group, a dot and more parts in snake case. In a constant this is a compile error.
    pub const fn declared(name: &'static str) -> Self {
        assert!(Self::is_name(name), "an action is named like resource.verb");
        Self(name)
    }

    /// Returns whether the text has the form of an action's name.
    pub const fn is_name(text: &str) -> bool {
        names::is_dotted(text) && text.len() <= Self::MAX_LEN
    }

    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Returns the part before the first dot, by which the audit log can be filtered.
    pub fn group(self) -> &'static str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Declares actions as public constants, and lists them as `ACTIONS`.
///
/// ```
/// tenantry_kernel::actions! {
///     INVOICE_PAID "invoice.paid";
/// }
/// assert_eq!(ACTIONS, [INVOICE_PAID]);
/// ```
#[macro_export]
macro_rules! actions {
    ($($constant:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: $crate::Action = $crate::Action::declared($name);
        )*

        /// Every action that this crate declares.
        pub const ACTIONS: &[$crate::Action] = &[$($constant,)*];
    };
}

/// The kind of object that an action concerns. The crate that owns the object declares it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKind(&'static str);

impl TargetKind {
    /// A tenant.
    pub const TENANT: Self = Self::declared("tenant");
    /// A user, or a user's membership.
    pub const USER: Self = Self::declared("user");
    /// A role.
    pub const ROLE: Self = Self::declared("role");
    /// A session.
    pub const SESSION: Self = Self::declared("session");

    /// Every kind that is a constant of this type.
    pub const GENERAL: &[Self] = &[Self::TENANT, Self::USER, Self::ROLE, Self::SESSION];

    /// Declares a kind.
    ///
    /// # Panics
    ///
    /// Panics when the name is not in snake case. In a constant this is a compile error.
    pub const fn declared(name: &'static str) -> Self {
        assert!(names::is_snake_case(name), "the name of a kind is written in snake case");
        Self(name)
    }

    /// Returns the public name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The object that an action concerns. Each id of such an object converts into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The kind of object.
    pub kind: TargetKind,
    /// Id of the object.
    pub id: Uuid,
}

macro_rules! target_from {
    ($($id:ident $kind:ident;)*) => {$(
        impl From<$id> for Target {
            fn from(id: $id) -> Self {
                Self { kind: TargetKind::$kind, id: id.uuid() }
            }
        }
    )*};
}

target_from! {
    TenantId TENANT;
    UserId USER;
    RoleId ROLE;
    SessionId SESSION;
}
