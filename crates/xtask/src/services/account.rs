//! The account that the server runs as: PostgreSQL refuses to run as root.

use anyhow::{Context, Result};
use rustix::process::geteuid;
use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

/// Who runs the server: we ourselves, or somebody without rights when we are root.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    Ourselves,
    Other { user: u32, group: u32 },
}

impl Account {
    /// For root the account `postgres`, which the packages make, else `nobody`, which every system has.
    pub(super) fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let other = |name| Some(Self::Other { user: id("-u", name)?, group: id("-g", name)? });
        other("postgres")
            .or_else(|| other("nobody"))
            .context("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")
    }

    /// A command that this account runs.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { user, group } = self {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes the folder this account's own.
    pub(super) fn own(self, folder: &Path) -> Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { user, group } => {
                chown(folder, Some(user), Some(group)).with_context(|| format!("cannot hand over {}", folder.display()))
            }
        }
    }
}

/// A number of the account by the program `id`, which asks every directory of accounts that the system has.
fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
