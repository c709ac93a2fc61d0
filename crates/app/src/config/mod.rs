//! The configuration. Every setting has a default, production differs only in settings, and all mistakes are reported
//! at once. `keys` declares every setting.
//!
//! The value of a setting comes from the environment, else (in development) from `.env`, else from the file of
//! `--config`, else from its default. An empty value counts as not set.

mod errors;
mod keys;
mod reference;
mod section;
mod setting;
mod sources;
#[cfg(test)]
mod tests;
mod values;

pub use errors::{ConfigErrors, Mistake};
pub use keys::{
    Argon2Config, AuditConfig, Config, DatabaseConfig, Environment, GeneralConfig, GuessingLimits, HealthConfig,
    HttpConfig, JobsConfig, KeyConfig, LinkPaths, LogConfig, LogFormat, MailConfig, MailTransport, RateLimitConfig,
    StopConfig, StorageConfig, StoragePlace, StorageQuotas, TokenConfig, declarations,
};
pub use reference::{default_toml, env_example, reference_markdown};
pub use setting::Declaration;
pub use sources::Sources;
pub use tenantry_store::{Database, Synchronous};
pub use values::Limit;

use section::FromSettings as _;
use setting::Layers;

impl Config {
    /// Reads the sources and checks them as a whole. Fails with every mistake at once.
    pub fn load(sources: Sources) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::gather(&sources);
        let config = Self::read(&mut layers);
        match config {
            Some(config) if layers.mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors(layers.mistakes)),
        }
    }
}
