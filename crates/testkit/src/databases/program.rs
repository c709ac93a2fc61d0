//! Identifies the test program that prepares a template, and its build.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

/// The running program.
pub(super) struct Program {
    pub(super) path: PathBuf,
}

impl Program {
    /// Returns the running program, which prepares a template of this name.
    ///
    /// # Panics
    ///
    /// Panics when the name is not 1 to 20 lowercase letters, digits and underscores.
    pub(super) fn running(name: &str) -> Self {
        let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            (1..=20).contains(&name.len()) && name.chars().all(simple),
            "the name of a template is 1 to 20 small letters, digits and underscores, unlike {name:?}"
        );
        Self { path: std::env::current_exe().expect("the running program has a path") }
    }

    /// Returns 16 hexadecimal digits that identify the program.
    pub(super) fn id(&self) -> String {
        hash(&self.path)
    }

    /// Returns 16 hexadecimal digits that identify the build of the program.
    pub(super) fn build(&self) -> String {
        let file = self.path.metadata().expect("the running program is a file");
        hash(&(file.modified().expect("files have a time of change"), file.len()))
    }
}

fn hash(value: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
