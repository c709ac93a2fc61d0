//! The mistakes of a configuration, reported all at once. No value is ever repeated, because it may be a secret.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

/// The source of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(PathBuf),
    Environment,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

/// One mistake of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or the file that cannot be read.
    pub subject: String,
    /// The instruction, as the rest of a sentence that begins with the subject.
    pub demand: String,
}

impl Mistake {
    pub(super) fn new(subject: impl Into<String>, demand: impl Into<String>) -> Self {
        Self { subject: subject.into(), demand: demand.into() }
    }

    pub(super) fn of_file(path: &Path, demand: String) -> Self {
        Self::new(path.display().to_string(), demand)
    }

    /// Creates a mistake in a setting from this source.
    pub(super) fn at(name: &str, origin: &Origin, demand: impl fmt::Display) -> Self {
        Self::new(name, format!("{demand} (set in {origin})"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.demand)
    }
}

/// Every mistake of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<Mistake>);

impl ConfigErrors {
    /// Returns the mistakes, in the order in which the settings are read.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        for mistake in &self.0 {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_a_line_of_its_own() {
        let port = Mistake::at("PORT", &Origin::Environment, "must be a number");
        let keys = Mistake::new("SIGNING_KEYS", "must be set in production");
        assert_eq!(
            ConfigErrors(vec![port.clone()]).to_string(),
            "the configuration has a mistake:\n  PORT must be a number (set in the environment)"
        );
        assert_eq!(
            ConfigErrors(vec![port, keys]).to_string(),
            "the configuration has 2 mistakes:\n  PORT must be a number (set in the environment)\n  SIGNING_KEYS must be set in production"
        );
    }
}
