//! Output of servers and their tools, kept apart from this program's output and shown when something fails.

use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{Read, Seek},
    process::Command,
};

/// A file without a name, so that it disappears with this process.
pub(super) struct Log(File);

impl Log {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempfile().context("cannot make a temporary file")?))
    }

    /// Redirects the output and the errors of the command into this file.
    pub(super) fn collect<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        Ok(command.stdout(self.0.try_clone()?).stderr(self.0.try_clone()?))
    }

    /// Returns all output so far. Call it only after every writer has ended, because writers and reader share one
    /// position.
    pub(super) fn read(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.rewind().and_then(|()| self.0.read_to_end(&mut bytes)) {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("(its log cannot be read: {error})"),
        }
    }
}
