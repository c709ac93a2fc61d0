//! Every setting, declared once: its documentation, variable, field, type, accepted texts, default and parser.
//!
//! A new setting is one entry here or in a module below. `UPDATE_SNAPSHOTS=1 cargo xtask test -E 'binary(e2e)'` then writes it into
//! `config/default.toml`, `.env.example` and `docs/configuration.md`.

mod accounts;
mod data;

pub use accounts::{Argon2Config, GuessingLimits, KeyConfig, LinkPaths, MailConfig, RateLimitConfig, TokenConfig};
pub use data::{DatabaseConfig, StorageConfig, StorageQuotas};

pub(super) use accounts::{
    ACCESS_TTL, APP_URL, ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, MAIL_FROM, MAIL_URL, RATE_LIMITS, REFRESH_IDLE,
    REFRESH_MAX, SEAL_KEYS, SERVER_SECRETS, SIGNING_KEYS,
};
pub(super) use data::{
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BucketAccess, STORAGE_REDIRECT, STORAGE_URL, StorageAddress,
};

use secrecy::SecretString;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    thread,
    time::Duration,
};
use url::Url;

use super::{
    layers::Layers,
    rules,
    setting::{Declaration, FromSettings, Section, Setting, settings},
    types::{Environment, LogFormat, RegistrationPolicy},
    values::{self, seconds},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const PRODUCTION_STOP_DELAY: Duration = Duration::from_secs(3);

/// Every section, in the order of the reference.
pub const SECTIONS: &[Section] = &[
    Config::SECTION,
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

settings! {
    /// The whole configuration. Printing it shows no secret.
    #[derive(Debug, Clone)]
    pub struct Config titled "General" {
        /// Purpose of the installation. In production the server refuses to start with settings that are safe only in
        /// development, and lists all of them.
        TENANTRY_ENV => environment: Environment {
            takes: "development or production",
            example: "production",
            default: "development",
            parse: |text| match text {
                "development" => Some(Environment::Development),
                "production" => Some(Environment::Production),
                _ => None,
            }
        }
        /// Folder of the SQLite file, of stored files, and of the keys that development makes.
        DATA_DIR => data_dir: PathBuf {
            takes: "a folder",
            default: "./data",
            parse: values::path
        }
        /// A Redis that all processes share. They count rate limits in it together, share cached counts, and tell each other
        /// of changed permissions and new jobs. The server also runs while Redis is down.
        REDIS_URL => redis: Option<SecretString> {
            takes: "redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], with special characters of the password percent-encoded",
            example: "redis://127.0.0.1:6379",
            unset: "none; each process works alone",
            parse: values::redis
        }
        /// Who may register: everyone (`open`), everyone who confirms their email address by a mailed link (`verified`), or
        /// no one (`closed`). When closed, only `tenantry admin` creates tenants and people.
        REGISTRATION => registration: RegistrationPolicy {
            takes: "open, verified or closed",
            example: "closed",
            unset: "`open`; `verified` in production",
            otherwise: |layers| Some(match rules::is_production(layers) {
                true => RegistrationPolicy::Verified,
                false => RegistrationPolicy::Open,
            }),
            parse: |text| match text {
                "open" => Some(RegistrationPolicy::Open),
                "verified" => Some(RegistrationPolicy::Verified),
                "closed" => Some(RegistrationPolicy::Closed),
                _ => None,
            }
        }
        /// Address on which `serve` and `worker` serve Prometheus metrics at `/metrics` and a liveness probe at `/livez`.
        /// Port 0 takes a free port; the address is logged. Let only your monitoring reach it.
        METRICS_ADDR => metrics_address: Option<SocketAddr> {
            takes: "an IP address and a port",
            example: "127.0.0.1:9464",
            unset: "no metrics are served",
            parse: |text| text.parse().ok()
        }
        with {
            /// Settings of the HTTP server.
            http: HttpConfig,
            /// Thresholds of the health checks.
            health: HealthConfig,
            /// Settings of the database.
            database: DatabaseConfig,
            /// Storage of files, and its quotas.
            storage: StorageConfig,
            /// Sender, transport and links of emails.
            mail: MailConfig,
            /// Keys that sign tokens and seals.
            keys: KeyConfig,
            /// Lifetimes of tokens and sessions.
            tokens: TokenConfig,
            /// The cost of a password hash.
            argon2: Argon2Config,
            /// Limits on requests.
            rate_limits: RateLimitConfig,
            /// Limits on guesses and registrations while rate limits are on.
            guessing: GuessingLimits,
            /// Concurrency and retention of jobs.
            jobs: JobsConfig,
            /// Sealing and retention of the audit log.
            audit: AuditConfig,
            /// Times of a stop.
            stop: StopConfig,
            /// Level and format of the log.
            log: LogConfig,
        }
    }

    /// Settings of the HTTP server.
    #[derive(Debug, Clone)]
    pub struct HttpConfig titled "HTTP" checked by rules::http {
        /// Address to listen on. Every address except loopback needs an explicit `TENANTRY_ENV`.
        HOST => host: IpAddr {
            takes: "an IP address or localhost",
            default: "127.0.0.1",
            parse: values::host
        }
        /// Port to listen on. Port 0 takes a free port; the address is logged.
        PORT => port: u16 {
            takes: "a number from 0 to 65535",
            default: "3000",
            parse: |text| values::number(text, 0..=u16::MAX)
        }
        /// Number of threads that serve HTTP.
        WORKERS => workers: usize {
            takes: "a number from 1 to 1024",
            example: "4",
            unset: "the number of cores",
            otherwise: |_| Some(thread::available_parallelism().map_or(1, usize::from)),
            parse: |text| values::number(text, 1..=1024)
        }
        /// Address at which clients reach the API, and the issuer of its tokens. Production needs https.
        PUBLIC_URL => public_url: Option<Url> {
            takes: "an http or https address without path, query or trailing slash",
            example: "https://api.example.com",
            unset: "`http://HOST:PORT`",
            parse: values::origin_url
        }
        /// Web origins whose pages may call the API and use the session cookie.
        CORS_ORIGINS => cors_origins: Vec<String> {
            takes: "a list of origins, separated by commas, without paths and without *",
            example: "https://app.example.com",
            unset: "none",
            otherwise: |_| Some(Vec::new()),
            parse: values::origins
        }
        /// Number of proxies between the clients and the server. That many entries of `X-Forwarded-For` count, from the right.
        TRUSTED_PROXIES => trusted_proxies: Option<u8> {
            takes: "a number from 0 to 16",
            example: "1",
            unset: "none",
            parse: |text| values::number(text, 0..=16)
        }
        /// Bearer token that shows the single checks of `/health`. Keep it in the environment rather than in a file.
        HEALTH_TOKEN => health_token: Option<SecretString> {
            takes: "at least 16 visible ASCII characters",
            unset: "in development, callers on the same machine see them",
            parse: |text| values::visible_secret(text, 16..=1024)
        }
    }

    /// Thresholds of the health checks.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HealthConfig titled "Health" checked by rules::health {
        /// Response time from which a check of `/health` warns.
        HEALTH_LATENCY_WARN => latency_warn: Duration {
            takes: "a time from 1ms to 10s",
            default: "250ms",
            parse: |text| values::duration(text, Duration::from_millis(1)..=Duration::from_secs(10))
        }
        /// Delay of the most overdue job from which `/health` warns.
        HEALTH_QUEUE_AGE_WARN => queue_age_warn: Duration {
            takes: "a time from 1s to 30d",
            default: "5m",
            parse: |text| values::duration(text, seconds(1..=30 * DAY))
        }
        /// Delay of the most overdue job from which `/health` fails: no worker is running the jobs.
        HEALTH_QUEUE_AGE_FAIL => queue_age_fail: Duration {
            takes: "a time from 1s to 30d, at least HEALTH_QUEUE_AGE_WARN",
            default: "1h",
            parse: |text| values::duration(text, seconds(1..=30 * DAY))
        }
        /// Number of dead letters from which `/health` warns.
        HEALTH_DEAD_LETTERS_WARN => dead_letters_warn: u64 {
            takes: "a number from 1 to 1000000",
            default: "100",
            parse: |text| values::number(text, 1..=1_000_000)
        }
        /// Share of free bytes or inodes, in percent, below which `/health` warns. It counts on every disk that the process
        /// writes to.
        HEALTH_DISK_WARN_PERCENT => disk_warn_percent: u8 {
            takes: "a number from 0 to 100",
            default: "10",
            parse: |text| values::number(text, 0..=100)
        }
        /// The share, in percent, below which `/health` fails.
        HEALTH_DISK_FAIL_PERCENT => disk_fail_percent: u8 {
            takes: "a number from 0 to 100, at most HEALTH_DISK_WARN_PERCENT",
            default: "2",
            parse: |text| values::number(text, 0..=100)
        }
    }

    /// Concurrency and retention of jobs.
    #[derive(Debug, Clone)]
    pub struct JobsConfig titled "Jobs" {
        /// Number of jobs of each queue that one process runs at the same time. A queue that is not listed is left to other
        /// processes.
        JOBS_CONCURRENCY => concurrency: Vec<(&'static str, u32)> {
            takes: "a list of QUEUE=NUMBER (accounts, mail, maintenance, seals; 1 to 1000), separated by commas",
            default: "accounts=8,mail=16,maintenance=1,seals=1",
            parse: values::queues
        }
        /// Number of jobs of one tenant that run at the same time in all processes together. Jobs without a tenant count as
        /// those of one tenant.
        JOBS_PER_TENANT => per_tenant: u32 {
            takes: "a number from 1 to 100000",
            default: "8",
            parse: |text| values::number(text, 1..=100_000)
        }
        /// Time for which completed and cancelled jobs are kept.
        JOBS_KEEP_COMPLETED => keep_completed: Duration {
            takes: "a time from 0s to 3650d",
            default: "7d",
            parse: |text| values::duration(text, seconds(0..=3650 * DAY))
        }
        /// Time for which dead letters are kept, to be inspected and retried.
        JOBS_KEEP_DEAD => keep_dead: Duration {
            takes: "a time from 0s to 3650d",
            default: "90d",
            parse: |text| values::duration(text, seconds(0..=3650 * DAY))
        }
    }

    /// Sealing and retention of the audit log.
    #[derive(Debug, Clone)]
    pub struct AuditConfig titled "Audit log" checked by rules::audit {
        /// Seals the audit log once a minute. `off` is for tests and benchmarks; production refuses it.
        AUDIT_SEALS => seals: bool {
            takes: "on or off",
            default: "on",
            parse: values::switch
        }
        /// Time for which the audit log of a tenant on the plan `starter` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_STARTER => starter_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "90d",
            parse: values::days
        }
        /// Time for which the audit log of a tenant on the plan `pro` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_PRO => pro_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "365d",
            parse: values::days
        }
        /// Time for which the audit log of a tenant on the plan `enterprise` is kept. A tenant can set more, never less.
        AUDIT_RETENTION_PLANS_ENTERPRISE => enterprise_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "2555d",
            parse: values::days
        }
        /// Time for which audit entries that belong to no tenant are kept.
        AUDIT_RETENTION_NO_TENANT => no_tenant_days: u32 {
            takes: "whole days from 1d to 36500d",
            default: "365d",
            parse: values::days
        }
    }

    /// Times of a stop.
    #[derive(Debug, Clone)]
    pub struct StopConfig titled "Stopping" checked by rules::stop {
        /// Time for which a stopping server still serves but reports that it is not ready, so that load balancers notice.
        STOP_DELAY => delay: Duration {
            takes: "a time from 0s to 5m",
            example: "3s",
            unset: "`0s`; `3s` in production",
            otherwise: |layers| Some(match rules::is_production(layers) {
                true => PRODUCTION_STOP_DELAY,
                false => Duration::ZERO,
            }),
            parse: |text| values::duration(text, seconds(0..=5 * MINUTE))
        }
        /// Time after which a stopping server has exited, including `STOP_DELAY`.
        STOP_GRACE => grace: Duration {
            takes: "a time from 1s to 10m, longer than STOP_DELAY",
            default: "25s",
            parse: |text| values::duration(text, seconds(1..=10 * MINUTE))
        }
    }

    /// Level and format of the log.
    #[derive(Debug, Clone)]
    pub struct LogConfig titled "Log" {
        /// Least severe level that is logged, as a whole or by target.
        LOG_LEVEL => level: String {
            takes: "a level (off, error, warn, info, debug, trace) or a list of TARGET=LEVEL, separated by commas",
            example: "info,sqlx=warn",
            default: "info",
            parse: values::log_level
        }
        /// Format of the log, which goes to standard error. `auto` is pretty on a terminal and JSON lines elsewhere.
        LOG_FORMAT => format: LogFormat {
            takes: "auto, pretty or json",
            example: "json",
            default: "auto",
            parse: |text| match text {
                "auto" => Some(LogFormat::Auto),
                "pretty" => Some(LogFormat::Pretty),
                "json" => Some(LogFormat::Json),
                _ => None,
            }
        }
    }
}
