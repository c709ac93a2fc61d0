//! Finds PostgreSQL's server programs, and installs them where the command may do so.

use super::packages;
use crate::process::Runner;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest supported major version. Older servers lack `DROP DATABASE ... WITH (FORCE)`, which the tests use to
/// clean up.
const OLDEST: u32 = 13;

/// The folder that holds both `initdb` and `postgres`.
pub(super) struct Programs {
    folder: PathBuf,
    version: String,
    major: u32,
}

impl Programs {
    /// Returns the programs on the `PATH`, else those of the newest Debian folder, else (as root on Debian) installs
    /// them. Fails with what to install when none of these works.
    pub(super) fn find_or_install(runner: &mut Runner) -> Result<Self> {
        if let Some(programs) = Self::find() {
            return Ok(programs);
        }
        if !packages::are_ours_to_install() {
            bail!(
                "the tests need PostgreSQL {OLDEST} or newer, and no server programs were found.\n\
                 Install them (Debian, Ubuntu: `sudo apt-get install postgresql`; macOS: `brew install postgresql`; elsewhere the \
                 package with `initdb` and `postgres`, on the PATH), or set TEST_DATABASE_URL to a server that runs, such as \
                 postgres://tenantry:secret@127.0.0.1/postgres, for a role with CREATEDB and without SUPERUSER and BYPASSRLS"
            );
        }
        install(runner)?;
        Self::find().context("apt-get has installed PostgreSQL, and yet there are no server programs")
    }

    fn find() -> Option<Self> {
        on_path().or_else(in_debian_folders)
    }

    /// Returns the programs in this folder, if both are there, run, and are new enough.
    fn at(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").exists() {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").stdin(Stdio::null()).output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        let major = major_of(&version).filter(|major| *major >= OLDEST)?;
        Some(Self { folder: folder.to_owned(), version, major })
    }

    /// Returns the output of `postgres --version`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Returns the major version: 15 for PostgreSQL 15.4.
    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// Returns the path of one of the programs.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

fn on_path() -> Option<Programs> {
    let found = packages::on_path("postgres").into_iter().filter_map(|program| program.canonicalize().ok());
    // Resolves links, because perhaps only some programs are linked, and the server looks for its own files beside
    // itself.
    found.filter_map(|program| Programs::at(program.parent()?)).next()
}

fn in_debian_folders() -> Option<Programs> {
    let folders = Path::new("/usr/lib/postgresql").read_dir().ok()?.flatten();
    folders.filter_map(|version| Programs::at(&version.path().join("bin"))).max_by_key(Programs::major)
}

/// Parses the major version: 15 of `postgres (PostgreSQL) 15.4 (Debian 15.4-1)`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// Folder and content of a file that stops Debian's package from creating and starting a cluster, which would stay
/// behind. The file exists only during the installation.
const NO_CLUSTER: (&str, &str) = ("/etc/postgresql-common/createcluster.d", "create_main_cluster = false\n");

fn install(runner: &mut Runner) -> Result<()> {
    let file = Path::new(NO_CLUSTER.0).join("tenantry-xtask.conf");
    fs::create_dir_all(NO_CLUSTER.0)
        .and_then(|()| fs::write(&file, NO_CLUSTER.1))
        .context("cannot prepare the installation")?;
    // Such a bare machine may lack curl too, with which a test runs the tour of the README.
    let installed = packages::install(runner, "PostgreSQL", &["postgresql", "curl"]);
    fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    installed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.4 (Debian 15.4-1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }
}
