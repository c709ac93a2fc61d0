//! The doctor's check that other users of this machine cannot read the data. The program creates its files for its user
//! alone; files that existed before keep their modes.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    config::{Config, Database, MailTransport, StoragePlace},
    keys::Keys,
};

use super::Report;

/// Permission bits of the group and of other users.
const OTHERS: u32 = 0o077;

/// Returns whether the file or folder exists and grants anything to other users.
pub(super) fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
}

/// Warns of data that other users of this machine can reach. What lies in a closed folder is out of their reach.
pub(super) fn look(config: &Config, report: &mut Report) {
    // The key file has a check of its own, which is a problem and no warning.
    let keys = Keys::file(config);
    let reachable = |path: &PathBuf| *path != keys && is_open(path) && path.parent().is_none_or(is_open_or_current);
    let open: Vec<PathBuf> = stored(config).into_iter().filter(reachable).collect();
    if !open.is_empty() {
        let paths = open.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        report.warning("data", format!("other users of this machine can read it: chmod -R go= {paths}"));
    }
}

/// Returns whether the folder of a relative or absolute path is open. A path without a folder is in the current one.
fn is_open_or_current(folder: &Path) -> bool {
    is_open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Returns the stored files and folders, without the content of folders that are ours alone.
fn stored(config: &Config) -> BTreeSet<PathBuf> {
    let mut stored = BTreeSet::from_iter(entries(&config.general.data_dir, ""));
    if let Database::Sqlite(file) = &config.database.url
        && let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
    {
        // The database with its log, its index and its locks.
        stored.extend(entries(folder, name));
    }
    if let MailTransport::File(folder) = &config.mail.transport {
        stored.insert(folder.clone());
    }
    if let StoragePlace::Disk(folder) = &config.storage.place {
        stored.insert(folder.clone());
    }
    stored
}

/// Returns the entries of the folder whose names begin so; none of a folder that cannot be read.
fn entries(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning));
    ours.map(|entry| entry.path()).collect()
}
