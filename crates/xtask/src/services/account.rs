//! The account that runs the server: PostgreSQL refuses to run as root.

use anyhow::{Context, Result};
use rustix::process::geteuid;
use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

/// The account of this process, or an unprivileged account when this process runs as root.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    Ourselves,
    Other { user: u32, group: u32 },
}

impl Account {
    /// Chooses the account. For root it is `postgres`, which the packages create, else `nobody`, which every system
    /// has.
    pub(super) fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let other = |name| Some(Self::Other { user: id("-u", name)?, group: id("-g", name)? });
        other("postgres")
            .or_else(|| other("nobody"))
            .context("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")
    }

    /// Returns a command that this account runs.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { user, group } = self {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes this account the owner of the folder.
    pub(super) fn own(self, folder: &Path) -> Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { user, group } => {
                chown(folder, Some(user), Some(group)).with_context(|| format!("cannot hand over {}", folder.display()))
            }
        }
    }
}

/// Reads a numeric id of the account with the program `id`, which queries every account directory of the system.
fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
