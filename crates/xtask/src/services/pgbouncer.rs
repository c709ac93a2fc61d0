//! Finds PgBouncer, which some tests start in front of a PostgreSQL of their own.

use super::packages;
use crate::process::Runner;
use anyhow::{Result, bail, ensure};
use std::path::Path;

const PROGRAM: &str = "pgbouncer";
/// The path of Debian's package, whose folder is not on the `PATH` of every user.
const DEBIAN: &str = "/usr/sbin/pgbouncer";

/// Finds PgBouncer, else (as root on Debian) installs it. Fails with what to install when neither works.
pub(crate) fn find_or_install(runner: &mut Runner) -> Result<()> {
    let is_there = || !packages::on_path(PROGRAM).is_empty() || Path::new(DEBIAN).is_file();
    if is_there() {
        return Ok(());
    }
    if !packages::are_ours_to_install() {
        bail!(
            "the tests need PgBouncer, and no {PROGRAM} was found on the PATH.\n\
             Install it (Debian, Ubuntu: `sudo apt-get install pgbouncer`; macOS: `brew install pgbouncer`)"
        );
    }
    packages::install(runner, "PgBouncer", &[PROGRAM])?;
    ensure!(is_there(), "apt-get has installed PgBouncer, and yet there is no {PROGRAM}");
    Ok(())
}
