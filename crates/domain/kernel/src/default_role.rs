//! The roles that every tenant has.

/// The roles that every tenant has from its creation. The vocabulary defines their permissions, so that a new
/// permission reaches every tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultRole {
    /// Holds every permission, including ownership.
    Owner,
    /// Holds every permission except ownership.
    Admin,
    /// May read, and work with files.
    Member,
    /// May read.
    Viewer,
}

impl DefaultRole {
    /// Every default role.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// Returns the role's name, also in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// Returns the default role with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Returns the description that the role has in a new tenant.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "Owns the organisation and has every permission.",
            Self::Admin => "Manages members, roles and settings.",
            Self::Member => "Uses the data of the organisation.",
            Self::Viewer => "Reads the data of the organisation.",
        }
    }
}
