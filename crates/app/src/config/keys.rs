//! Every setting, declared once: its documentation, variable, field, type, accepted texts, default and parser.
//!
//! A new setting is one entry in a module below. `UPDATE_SNAPSHOTS=1 cargo xtask test -E 'binary(e2e)'` then writes it into
//! `config/default.toml`, `.env.example` and `docs/configuration.md`.

mod accounts;
mod data;
mod general;
mod jobs;
mod mail;
mod server;

pub use accounts::{Argon2Config, GuessingLimits, KeyConfig, RateLimitConfig, TokenConfig};
pub use data::{DatabaseConfig, StorageConfig, StoragePlace, StorageQuotas};
pub use general::{Environment, GeneralConfig};
pub use jobs::{AuditConfig, JobsConfig};
pub use mail::{LinkPaths, MailConfig, MailTransport};
pub use server::{HealthConfig, HttpConfig, LogConfig, LogFormat, StopConfig};

pub(super) use general::TENANTRY_ENV;

use super::{
    section::{FromSettings, Section},
    setting::{Declaration, Layers},
};
use data::{BucketAccess, StorageAddress};

/// Every section, in the order of the reference.
pub const SECTIONS: &[Section] = &[
    GeneralConfig::SECTION,
    HttpConfig::SECTION,
    HealthConfig::SECTION,
    DatabaseConfig::SECTION,
    StorageAddress::SECTION,
    BucketAccess::SECTION,
    StorageConfig::SECTION,
    StorageQuotas::SECTION,
    MailConfig::SECTION,
    LinkPaths::SECTION,
    KeyConfig::SECTION,
    TokenConfig::SECTION,
    Argon2Config::SECTION,
    RateLimitConfig::SECTION,
    GuessingLimits::SECTION,
    JobsConfig::SECTION,
    AuditConfig::SECTION,
    StopConfig::SECTION,
    LogConfig::SECTION,
];

/// Returns every setting, in the order of the reference.
pub fn declarations() -> impl Iterator<Item = &'static Declaration> {
    SECTIONS.iter().flat_map(|section| section.settings.iter().copied())
}

/// The whole configuration. Printing it shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Settings of the installation as a whole.
    pub general: GeneralConfig,
    /// Settings of the HTTP server.
    pub http: HttpConfig,
    /// Thresholds of the health checks.
    pub health: HealthConfig,
    /// Settings of the database.
    pub database: DatabaseConfig,
    /// Storage of files, and its quotas.
    pub storage: StorageConfig,
    /// Sender, transport and links of emails.
    pub mail: MailConfig,
    /// Keys that sign tokens and seals.
    pub keys: KeyConfig,
    /// Lifetimes of tokens and sessions.
    pub tokens: TokenConfig,
    /// The cost of a password hash.
    pub argon2: Argon2Config,
    /// Limits on requests.
    pub rate_limits: RateLimitConfig,
    /// Limits on guesses and registrations while rate limits are on.
    pub guessing: GuessingLimits,
    /// Concurrency and retention of jobs.
    pub jobs: JobsConfig,
    /// Sealing and retention of the audit log.
    pub audit: AuditConfig,
    /// Times of a stop.
    pub stop: StopConfig,
    /// Level and format of the log.
    pub log: LogConfig,
}

impl FromSettings for Config {
    fn read(layers: &mut Layers) -> Option<Self> {
        let general = FromSettings::read(layers);
        let http = FromSettings::read(layers);
        let health = FromSettings::read(layers);
        let database = FromSettings::read(layers);
        let storage = FromSettings::read(layers);
        let mail = FromSettings::read(layers);
        let keys = FromSettings::read(layers);
        let tokens = FromSettings::read(layers);
        let argon2 = FromSettings::read(layers);
        let rate_limits = FromSettings::read(layers);
        let guessing = FromSettings::read(layers);
        let jobs = FromSettings::read(layers);
        let audit = FromSettings::read(layers);
        let stop = FromSettings::read(layers);
        let log = FromSettings::read(layers);
        Some(Self {
            general: general?,
            http: http?,
            health: health?,
            database: database?,
            storage: storage?,
            mail: mail?,
            keys: keys?,
            tokens: tokens?,
            argon2: argon2?,
            rate_limits: rate_limits?,
            guessing: guessing?,
            jobs: jobs?,
            audit: audit?,
            stop: stop?,
            log: log?,
        })
    }
}

impl Config {
    /// Returns the limits on guessing and on registering; `None` while `RATE_LIMITS` is off.
    pub fn guessing_limits(&self) -> Option<&GuessingLimits> {
        self.rate_limits.enabled.then_some(&self.guessing)
    }
}
