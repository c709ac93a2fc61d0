//! The configuration: everything has a default, production changes only settings, and all mistakes are told at once.
//!
//! A setting is looked for in the environment, then (in development) in `.env`, then in the file of `--config`, then in
//! the embedded `config/default.toml`; an empty one counts as not set.

mod errors;
mod keys;
mod layers;
mod sections;
#[cfg(test)]
mod tests;
mod values;

pub use errors::{ConfigErrors, Mistake};
pub use keys::{KEYS, Key, reference_markdown};
pub use layers::Sources;

use secrecy::SecretString;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tenantry_audit::Retention;
use tenantry_limits::Policies;
use tenantry_mail::SmtpServer;
use tenantry_objects::S3Config;
use url::Url;

/// Everything that can be set. Printing it shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the installation is for.
    pub environment: Environment,
    /// Holds the SQLite file and the keys made in development.
    pub data_dir: PathBuf,
    /// How HTTP is served.
    pub http: HttpConfig,
    /// When a check of health warns or fails.
    pub health: HealthConfig,
    /// Where the data is.
    pub database: DatabaseConfig,
    /// The Redis that processes share, if there is one; the URL may hold a password.
    pub redis: Option<SecretString>,
    /// Where files are kept, and how much of them.
    pub storage: StorageConfig,
    /// Who may register.
    pub registration: Registration,
    /// What people are written, and where mailed links lead.
    pub mail: MailConfig,
    /// What tokens are made with.
    pub keys: KeyConfig,
    /// How long tokens are good.
    pub tokens: TokenConfig,
    /// What a password hash costs.
    pub argon2: Argon2Config,
    /// How many requests may come; none means as many as one likes, for tests and benchmarks.
    pub rate_limits: Option<Policies>,
    /// How often passwords may be guessed; none means as often as one likes, for tests and benchmarks.
    pub guessing: Option<GuessingLimits>,
    /// How jobs are done, and how long they are kept.
    pub jobs: JobsConfig,
    /// Whether the audit log is sealed, and how long it is kept.
    pub audit: AuditConfig,
    /// How the server stops.
    pub stop: StopConfig,
    /// Where metrics are served, if they are.
    pub metrics_address: Option<SocketAddr>,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// What an installation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Trying and building; missing keys are made.
    Development,
    /// Serving people; unsafe settings are refused.
    Production,
}

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// Threads that serve HTTP.
    pub workers: usize,
    /// Where clients reach the API, if that was said; see [`HttpConfig::public_url()`].
    pub public_url: Option<Url>,
    /// Web origins whose pages may call the API, as browsers send them.
    pub cors_origins: Vec<String>,
    /// How many hops of the forwarding headers count, if that was said.
    pub trusted_proxies: Option<u8>,
    /// Bearer token that shows the checks of `/health`.
    pub health_token: Option<SecretString>,
}

/// When a check of health warns or fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// An answer that takes longer is a warning.
    pub latency_warn: Duration,
    /// A job that has been due for so long is a warning.
    pub queue_age_warn: Duration,
    /// A job that has been due for so long is a failure.
    pub queue_age_fail: Duration,
    /// So many dead letters are a warning.
    pub dead_letters_warn: u64,
    /// Less free space than this share of the disk, in per cent, is a warning.
    pub disk_warn_percent: u8,
    /// Less free space than this share of the disk, in per cent, is a failure.
    pub disk_fail_percent: u8,
}

/// Where the data is.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Which database.
    pub url: Database,
    /// Connections of this process.
    pub pool_size: u32,
    /// How long a unit of work may take.
    pub deadline: Duration,
    /// When SQLite counts a commit as done.
    pub sqlite_synchronous: SqliteSynchronous,
    /// Whether production may use a PostgreSQL role that row-level security does not bind.
    pub allow_rls_bypass: bool,
}

/// A database, and how to reach it.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, which may hold a password.
    Postgres(SecretString),
}

/// When SQLite counts a commit as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqliteSynchronous {
    /// When it is on the disk.
    Full,
    /// Before that: faster, and the last commits may be lost when the power fails.
    Normal,
}

/// Where files are kept, and how much of them.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// Where their bytes are.
    pub place: StoragePlace,
    /// Whether downloads are sent on to the storage, where it serves them itself.
    pub redirect: bool,
    /// How many bytes a file has at most.
    pub max_file_bytes: u64,
    /// How many bytes the tenants of each plan may keep.
    pub quotas: StorageQuotas,
}

/// How many bytes the tenants of each plan may keep, the smallest plan first.
#[derive(Debug, Clone)]
pub struct StorageQuotas(pub Vec<(&'static str, u64)>);

impl StorageQuotas {
    /// How many bytes a tenant of that plan may keep. A plan that is not known any more has what the smallest has.
    pub fn of_plan(&self, name: &str) -> u64 {
        let plan = self.0.iter().find(|(plan, _)| *plan == name).or(self.0.first());
        plan.map_or(0, |(_, bytes)| *bytes)
    }
}

/// Where the bytes of files are.
#[derive(Debug, Clone)]
pub enum StoragePlace {
    /// A folder.
    Disk(PathBuf),
    /// A bucket of S3, or of a server that speaks like it.
    S3(S3Config),
}

/// What people are written, and where mailed links lead.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// What the product is called.
    pub product: String,
    /// Where mails go.
    pub transport: MailTransport,
    /// The sender, as it was written; the mail adapter reads it.
    pub from: String,
    /// Authorities to trust beside those of the operating system, for the SMTP server.
    pub authorities: Option<PathBuf>,
    /// Templates that take the place of built-in ones.
    pub templates: Option<PathBuf>,
    /// Where mailed links lead, if that was said; else to the public URL.
    pub app_url: Option<Url>,
    /// The paths behind that, each with `{token}` in it.
    pub link_paths: LinkPaths,
}

/// Where mails go.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// To standard output.
    Console,
    /// Into a folder.
    File(PathBuf),
    /// To an SMTP server.
    Smtp(SmtpServer),
}

/// Where links of each purpose lead, with `{token}` where the token goes.
#[derive(Debug, Clone)]
pub struct LinkPaths {
    /// Confirm a registration.
    pub confirm: String,
    /// Prove an address.
    pub verify: String,
    /// Set a new password.
    pub reset: String,
    /// Accept an invitation.
    pub invite: String,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Everybody who confirms their address.
    Verified,
    /// Nobody; tenants and people are made at the command line.
    Closed,
}

/// What tokens are made with, as it was written; the crypto adapter reads it.
#[derive(Debug, Clone)]
pub struct KeyConfig {
    /// Ed25519 private keys in base64: the first signs, all verify.
    pub signing_keys: Option<Vec<SecretString>>,
    /// Server secrets, `BASE64` or `ID:BASE64`: the first makes, all verify.
    pub server_secrets: Option<Vec<SecretString>>,
    /// Ed25519 private keys for seals in base64: the first signs, all are trusted.
    pub seal_keys: Option<Vec<SecretString>>,
    /// The `aud` claim, where it is not the public URL.
    pub token_audience: Option<String>,
}

/// How long tokens are good.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// An access token; whole seconds.
    pub access_ttl: Duration,
    /// A refresh token that was used already.
    pub refresh_grace: Duration,
    /// A session that nobody refreshes.
    pub refresh_idle: Duration,
    /// A sign-in, however much it is used.
    pub refresh_max: Duration,
}

/// What a password hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Config {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
}

/// How often passwords may be guessed, and accounts be made.
#[derive(Debug, Clone)]
pub struct GuessingLimits {
    /// Wrong passwords for one account from one address.
    pub per_account_and_address: Limit,
    /// Wrong passwords from one address.
    pub per_address: Limit,
    /// Wrong passwords for one account from addresses that it does not know.
    pub per_account: Limit,
    /// Registrations from one address.
    pub registrations_per_address: Limit,
    /// Mails to one mailbox that others can cause.
    pub mails_per_recipient: Limit,
    /// Requests for such mails from one address.
    pub mail_requests_per_address: Limit,
}

/// So many attempts in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many; at least one.
    pub attempts: u32,
    /// In how much time.
    pub window: Duration,
}

/// How jobs are done, and how long they are kept.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// The queues that this process serves, and how many jobs of each it does at the same time.
    pub concurrency: Vec<(&'static str, u32)>,
    /// How many jobs of one tenant run at the same time.
    pub per_tenant: u32,
    /// How long completed and cancelled jobs are kept.
    pub keep_completed: Duration,
    /// How long dead letters are kept.
    pub keep_dead: Duration,
}

/// Whether the audit log is sealed, and how long it is kept.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Whether it is sealed.
    pub seals: bool,
    /// How long it is kept.
    pub retention: Retention,
}

/// How the server stops.
#[derive(Debug, Clone)]
pub struct StopConfig {
    /// How long it still serves while it says that it is not ready.
    pub delay: Duration,
    /// After how long it has exited, the delay included.
    pub grace: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level, or a list of `target=level`.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How log entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON lines elsewhere.
    Auto,
    /// One line for people.
    Pretty,
    /// One JSON object for programs.
    Json,
}

impl Config {
    /// Reads the sources and checks what they say, as a whole.
    pub fn load(sources: Sources) -> Result<Self, ConfigErrors> {
        let mut settings = layers::Settings::gather(&sources);
        let config = sections::read(&mut settings);
        match config {
            Some(config) if settings.mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors(settings.mistakes)),
        }
    }
}

impl Environment {
    /// Whether it is production.
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}

impl HttpConfig {
    /// The address to listen on.
    pub const fn bind_address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Where clients reach the API that listens on `bound`, without a trailing slash.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        if let Some(url) = &self.public_url {
            return url.origin().ascii_serialization();
        }
        let host = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(host, bound.port()))
    }
}
