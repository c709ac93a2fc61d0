//! Settings of the HTTP server, of health checks, of stopping and of the log.

use secrecy::SecretString;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::Duration,
};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    super::{
        section::{FromSettings, Section, settings},
        setting::{Declaration, Layers, Setting},
        values::{self, DAY, MINUTE, seconds},
    },
    general::{TENANTRY_ENV, is_production},
};

const PRODUCTION_STOP_DELAY: Duration = Duration::from_secs(3);

/// The format of log entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON lines elsewhere.
    Auto,
    /// One line of text for users.
    Pretty,
    /// One JSON object for programs.
    Json,
}

settings! {
    /// Settings of the HTTP server.
    #[derive(Debug, Clone)]
    pub struct HttpConfig titled "HTTP" checked by check_http {
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
        /// Time after which an idle connection is closed. It must be longer than the load balancer keeps idle connections to
        /// the server, or requests fail with 502.
        KEEP_ALIVE => keep_alive: Duration {
            takes: "a time from 1s to 2h",
            default: "75s",
            parse: |text| values::duration(text, seconds(1..=120 * MINUTE))
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
    pub struct HealthConfig titled "Health" checked by check_health {
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

    /// Times of a stop.
    #[derive(Debug, Clone)]
    pub struct StopConfig titled "Stopping" checked by check_stop {
        /// Time for which a stopping server still serves but reports that it is not ready, so that load balancers notice.
        STOP_DELAY => delay: Duration {
            takes: "a time from 0s to 5m",
            example: "3s",
            unset: "`0s`; `3s` in production",
            otherwise: |layers| Some(match is_production(layers) {
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

impl HttpConfig {
    /// Returns the address to listen on.
    pub const fn bind_address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Returns the address at which clients reach the API that listens on `bound`, without a trailing slash.
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

impl LogConfig {
    /// Returns the filter of log entries; `None` if the level is invalid.
    pub fn filter(&self) -> Option<EnvFilter> {
        values::log_filter(&self.level)
    }
}

fn check_http(layers: &mut Layers) {
    let is_reachable = layers.value(&HOST).is_some_and(|host| !host.is_loopback());
    if is_reachable && !layers.is_set(&TENANTRY_ENV) {
        let demand = "must be set to production or to development, since HOST is not a loopback address";
        layers.refuse(&TENANTRY_ENV, demand);
    }
    if is_production(layers)
        && let Some(url) = layers.value(&PUBLIC_URL)
        && url.is_none_or(|url| url.scheme() != "https")
    {
        layers.refuse(
            &PUBLIC_URL,
            "must be an https address in production, for example PUBLIC_URL=https://api.example.com",
        );
    }
}

fn check_health(layers: &mut Layers) {
    if layers.is_below(&HEALTH_QUEUE_AGE_FAIL, &HEALTH_QUEUE_AGE_WARN) {
        layers.refuse(&HEALTH_QUEUE_AGE_FAIL, "must not be shorter than HEALTH_QUEUE_AGE_WARN");
    }
    if layers.is_below(&HEALTH_DISK_WARN_PERCENT, &HEALTH_DISK_FAIL_PERCENT) {
        layers.refuse(&HEALTH_DISK_FAIL_PERCENT, "must not be more than HEALTH_DISK_WARN_PERCENT");
    }
}

fn check_stop(layers: &mut Layers) {
    if let (Some(delay), Some(grace)) = (layers.value(&STOP_DELAY), layers.value(&STOP_GRACE))
        && delay >= grace
    {
        layers.refuse(&STOP_GRACE, "must be longer than STOP_DELAY");
    }
}
