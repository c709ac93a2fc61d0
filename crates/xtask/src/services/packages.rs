//! Finds programs on the `PATH`, and installs Debian packages where the command may do so.

use crate::process::Runner;
use anyhow::{Result, bail};
use rustix::process::geteuid;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Returns the programs of this name on the `PATH`, in its order.
#[expect(clippy::disallowed_methods, reason = "PATH lists the folders of programs")]
pub(super) fn on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    folders.map(|folder| folder.join(program)).filter(|program| program.is_file()).collect()
}

/// Returns whether the command may install packages: as root on Debian, which usually is a container or a hosted
/// runner.
pub(super) fn are_ours_to_install() -> bool {
    geteuid().is_root() && Path::new("/etc/debian_version").exists()
}

/// Installs packages and their dependencies, without recommended ones.
pub(super) fn install(runner: &mut Runner, what: &str, packages: &[&str]) -> Result<()> {
    eprintln!("==> installing {what} with apt-get");
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt_get(runner, &["update", "--quiet"])?;
    apt_get(runner, &[&install, packages].concat())
}

fn apt_get(runner: &mut Runner, arguments: &[&str]) -> Result<()> {
    let status = runner.run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))?;
    if !status.success() {
        bail!("`apt-get {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
