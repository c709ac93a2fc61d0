//! Checks the folders that the process writes to: whether they are writable, and their free space.

use rustix::fs::statvfs;
use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
    process,
};
use tenantry_http::Status;

use crate::config::{Config, Database, HealthConfig, MailTransport, StoragePlace};

use super::Observation;

/// The reason why a folder cannot be written to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{} cannot be inspected", .0.display())]
    Unseen(PathBuf),
    #[error("{} is a file", .0.display())]
    File(PathBuf),
    #[error("{} cannot be written ({source})", folder.display())]
    Unwritable { folder: PathBuf, source: io::Error },
}

/// Returns the folders in which the process stores files, or will store them.
pub(crate) fn folders(config: &Config) -> Vec<PathBuf> {
    let configured = &config.keys;
    let keeps_keys =
        configured.signing_keys.is_none() || configured.server_secrets.is_none() || configured.seal_keys.is_none();
    let of_keys = keeps_keys.then_some(config.general.data_dir.as_path());
    let of_database = match &config.database.url {
        Database::Sqlite(file) => file.parent(),
        Database::Postgres(_) => None,
    };
    let of_mail = match &config.mail.transport {
        MailTransport::File(folder) => Some(folder.as_path()),
        MailTransport::Console | MailTransport::Smtp(_) => None,
    };
    let of_files = match &config.storage.place {
        StoragePlace::Disk(folder) => Some(folder.as_path()),
        StoragePlace::S3(_) => None,
    };
    let named = of_keys.into_iter().chain(of_database).chain(of_mail).chain(of_files);
    let mut folders: Vec<PathBuf> =
        named.map(|folder| absolute(Path::new(".").join(folder)).unwrap_or_else(|_| folder.to_owned())).collect();
    folders.dedup();
    folders
}

/// Creates and removes a file in the folder, or in the nearest existing parent if the folder does not exist yet.
/// Returns whether the folder exists. Permissions alone do not tell: the file system may be read-only or full.
pub(crate) fn try_folder(folder: &Path) -> Result<bool, FolderError> {
    let there = existing(folder).ok_or_else(|| FolderError::Unseen(folder.to_owned()))?;
    if !there.is_dir() {
        return Err(FolderError::File(there.to_owned()));
    }
    let probe = there.join(format!(".tenantry-probe-{}", process::id()));
    let removed = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    // A process with the same number in another container may probe the folder at the same time.
    let tried = fs::File::create(&probe).and_then(|_| fs::remove_file(&probe).or_else(removed));
    tried.map_err(|source| FolderError::Unwritable { folder: there.to_owned(), source })?;
    Ok(there == folder)
}

/// Returns the folder, or its nearest existing parent.
fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|ancestor| ancestor.exists())
}

/// Judges by the file system with the least free space, in bytes or in inodes.
pub(crate) fn check_space(folders: &[PathBuf], limits: &HealthConfig) -> Observation {
    let looked = folders.iter().map(|folder| Space::at(folder)).collect::<Option<Vec<_>>>();
    let Some(spaces) = looked else { return (Status::Fail, "it cannot be inspected".to_owned()) };
    let Some(least) = spaces.into_iter().min_by_key(Space::percent) else {
        return (Status::Pass, "this process writes to no disk".to_owned());
    };
    let percent = least.percent();
    let status = if percent < u64::from(limits.disk_fail_percent) {
        Status::Fail
    } else if percent < u64::from(limits.disk_warn_percent) {
        Status::Warn
    } else {
        Status::Pass
    };
    (status, least.to_string())
}

/// The free space of a file system.
struct Space {
    free_bytes: u64,
    total_bytes: u64,
    free_inodes: u64,
    total_inodes: u64,
}

impl Space {
    fn at(folder: &Path) -> Option<Self> {
        let found = statvfs(existing(folder)?).ok()?;
        // Blocks reserved for the administrator do not count: this process cannot use them.
        let (unit, free) = (found.f_frsize, found.f_bavail);
        Some(Self {
            free_bytes: free.saturating_mul(unit),
            total_bytes: found.f_blocks.saturating_mul(unit),
            free_inodes: found.f_favail,
            total_inodes: found.f_files,
        })
    }

    /// Returns the free share, in percent, of bytes or inodes, whichever is scarcer. A file system without an inode
    /// limit reports a total of 0 inodes.
    fn percent(&self) -> u64 {
        share(self.free_bytes, self.total_bytes).min(share(self.free_inodes, self.total_inodes))
    }
}

fn share(free: u64, total: u64) -> u64 {
    let percent = (u128::from(free) * 100).checked_div(u128::from(total)).unwrap_or(100);
    u64::try_from(percent).unwrap_or(100)
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MIB: u64 = 1024 * 1024;
        let (free, total) = (self.free_bytes / MIB, self.total_bytes / MIB);
        let inodes = share(self.free_inodes, self.total_inodes);
        write!(f, "{} % free, {free} of {total} MiB", share(self.free_bytes, self.total_bytes))?;
        if inodes < share(self.free_bytes, self.total_bytes) {
            write!(f, "; {inodes} % of the inodes free")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use tempfile::TempDir;

    fn config(settings: &[(&str, &str)]) -> Config {
        Config::load(Sources::from_environment(settings.iter().copied())).expect("good")
    }

    #[test]
    fn only_folders_that_are_used_are_looked_at() {
        let folder = TempDir::new().expect("a folder");
        let data = ("DATA_DIR", folder.path().to_str().expect("UTF-8"));
        let files = folder.path().join("files");
        assert_eq!(folders(&config(&[data])), [folder.path(), &files]);
        let elsewhere = ("DATABASE_URL", "sqlite:/elsewhere/a.db");
        assert_eq!(folders(&config(&[data, elsewhere])), [folder.path(), Path::new("/elsewhere"), &files]);
        let keys = [("SIGNING_KEYS", "a"), ("SERVER_SECRETS", "b"), ("SEAL_KEYS", "c"), ("STORAGE_URL", "s3://bucket")];
        let all = [data, ("DATABASE_URL", "postgres://u@h/d")].into_iter().chain(keys).collect::<Vec<_>>();
        assert!(folders(&config(&all)).is_empty());
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_told() {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        for path in [file.clone(), file.join("below")] {
            assert!(matches!(try_folder(&path), Err(FolderError::File(_))), "{}", path.display());
        }
        assert!(try_folder(folder.path()).expect("it can be written"));
        assert!(!try_folder(&folder.path().join("not/yet")).expect("it can be made"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left behind");
    }

    #[test]
    fn what_is_scarcer_decides() {
        let space =
            |free_bytes, free_inodes, total_inodes| Space { free_bytes, total_bytes: 1_000, free_inodes, total_inodes };
        assert_eq!(space(500, 0, 0).percent(), 50, "no inodes are counted there");
        assert_eq!(space(500, 3, 100).percent(), 3);
        assert_eq!(space(9, 100, 100).percent(), 0);
    }

    #[test]
    fn the_limits_decide() {
        let folder = [TempDir::new().expect("a folder").path().join("not/yet")];
        let check = |warn: &str, fail: &str| {
            let limits = config(&[("HEALTH_DISK_WARN_PERCENT", warn), ("HEALTH_DISK_FAIL_PERCENT", fail)]).health;
            check_space(&folder, &limits)
        };
        assert_eq!(check("0", "0").0, Status::Pass);
        assert_eq!(check("100", "0").0, Status::Warn);
        assert_eq!(check("100", "100").0, Status::Fail);
        assert!(check("0", "0").1.contains("MiB"), "{}", check("0", "0").1);
        assert_eq!(check_space(&[], &config(&[]).health).0, Status::Pass);
    }
}
