//! Which test program prepares a template, and which build of it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

/// The running program.
pub(super) struct Program {
    pub(super) path: PathBuf,
}

impl Program {
    /// The running program, which prepares a template of this name.
    ///
    /// # Panics
    ///
    /// When the name is not 1 to 20 small letters, digits and underscores.
    pub(super) fn running(name: &str) -> Self {
        let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            (1..=20).contains(&name.len()) && name.chars().all(simple),
            "the name of a template is 1 to 20 small letters, digits and underscores, unlike {name:?}"
        );
        Self { path: std::env::current_exe().expect("the running program has a path") }
    }

    /// Tells one program from another, in 16 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        hash(&self.path)
    }

    /// Tells one build of the program from another, in 16 hexadecimal digits.
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
