//! A SQLite file that is prepared once and copied for every test.

use super::{program::Program, sqlite_url};
use sqlx::{Connection, SqliteConnection};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A prepared file. It lies beside the test program, so that it is deleted with the folder of the build.
pub(super) struct FileTemplate {
    folder: PathBuf,
    /// Common prefix of the files of all builds of the program.
    prefix: String,
    file: PathBuf,
}

impl FileTemplate {
    /// Returns the template that the running program prepares under this name.
    pub(super) fn of_this_program(name: &str) -> Self {
        let program = Program::running(name);
        let folder = program.path.parent().expect("a program lies in a folder").to_owned();
        let called = program.path.file_name().expect("a program has a name").to_string_lossy();
        let prefix = format!("{called}.{name}.");
        let file = folder.join(format!("{prefix}{}.sqlite", program.build()));
        Self { folder, prefix, file }
    }

    /// Prepares the file unless that is done already. The file gets its name when it is complete, so that no caller
    /// copies half of it.
    pub(super) async fn make_ready<E: fmt::Debug>(&self, prepare: impl AsyncFnOnce(&str) -> Result<(), E>) {
        if self.file.exists() {
            return;
        }
        let own =
            TempDir::with_prefix_in(&self.prefix, &self.folder).expect("the folder of the program can be written");
        let file = own.path().join("template.db");
        if let Err(error) = prepare(&sqlite_url(&file)).await {
            panic!("the template {} could not be prepared: {error:?}", self.file.display());
        }
        empty_log_of(&file).await;
        self.remove_those_of_older_builds();
        fs::rename(&file, &self.file).expect("a file can be renamed within its file system");
    }

    /// Copies the prepared file.
    pub(super) fn copy_to(&self, to: &Path) {
        fs::copy(&self.file, to).unwrap_or_else(|error| panic!("{} could not be made: {error}", to.display()));
    }

    fn remove_those_of_older_builds(&self) {
        let entries = fs::read_dir(&self.folder).expect("the folder of the program can be read");
        for file in entries.flatten().map(|entry| entry.path()).filter(|file| self.is_of_an_older_build(file)) {
            // Another process may be removing it too.
            let _ = fs::remove_file(file);
        }
    }

    fn is_of_an_older_build(&self, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&self.prefix) && name.ends_with(".sqlite") && file != self.file
    }
}

/// Moves the contents of the write-ahead log into the file, since only the file is copied.
async fn empty_log_of(file: &Path) {
    let mut connection = SqliteConnection::connect(&sqlite_url(file)).await.expect("the prepared file can be opened");
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as(checkpoint).fetch_one(&mut connection).await.expect("a checkpoint can be asked for");
    assert_eq!(busy, 0, "what prepared the template still has it open");
    connection.close().await.expect("the prepared file can be closed");
}
