//! The value types that only the configuration has, and the methods of its sections.

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

use super::{
    keys::{
        AuditConfig, BucketAccess, Config, GuessingLimits, HttpConfig, RateLimitConfig, StorageAddress, StorageQuotas,
    },
    layers::Layers,
    setting::FromSettings,
};

/// The purpose of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// For trying and building; missing keys are created.
    Development,
    /// For serving customers; unsafe settings are refused.
    Production,
}

impl Environment {
    /// Returns whether the purpose is production.
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}

impl Config {
    /// Returns the limits on guessing and on registering; `None` while `RATE_LIMITS` is off.
    pub fn guessing_limits(&self) -> Option<&GuessingLimits> {
        self.rate_limits.enabled.then_some(&self.guessing)
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

/// The storage of files, as far as `STORAGE_URL` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StorageUrl {
    File(PathBuf),
    S3 { bucket: String, prefix: String },
}

/// The storage of files.
#[derive(Debug, Clone)]
pub enum StoragePlace {
    /// A folder.
    Disk(PathBuf),
    /// A bucket of S3, or of a compatible server.
    S3(S3Config),
}

impl FromSettings for StoragePlace {
    /// Reads the settings of AWS only for a bucket: without one, they may be set for another program.
    fn read(layers: &mut Layers) -> Option<Self> {
        match StorageAddress::read(layers)?.url {
            StorageUrl::File(folder) => Some(Self::Disk(folder)),
            StorageUrl::S3 { bucket, prefix } => {
                let access = BucketAccess::read(layers)?;
                Some(Self::S3(S3Config {
                    bucket,
                    prefix,
                    region: access.region,
                    endpoint: access.endpoint,
                    access_key: access.access_key_id.zip(access.secret_access_key),
                    session_token: access.session_token,
                }))
            }
        }
    }
}

impl StorageQuotas {
    /// Returns the bytes that a tenant on each plan may store, the smallest plan first.
    pub fn plans(&self) -> [(&'static str, u64); 3] {
        [("starter", self.starter_bytes), ("pro", self.pro_bytes), ("enterprise", self.enterprise_bytes)]
    }

    /// Returns the bytes that a tenant on this plan may store. A plan that no longer exists counts as the smallest.
    pub fn of_plan(&self, name: &str) -> u64 {
        self.plans().into_iter().find(|(plan, _)| *plan == name).map_or(self.starter_bytes, |(_, bytes)| bytes)
    }
}

/// The policy on registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationPolicy {
    /// Everyone may register.
    Open,
    /// Users must confirm their email address.
    Verified,
    /// No one may register; operators create tenants and users at the command line.
    Closed,
}

/// The transport of emails.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// To standard output.
    Console,
    /// Into a folder.
    File(PathBuf),
    /// To an SMTP server.
    Smtp(SmtpServer),
}

impl RateLimitConfig {
    /// Returns the limits on requests; `None` while `RATE_LIMITS` is off.
    pub fn policies(&self) -> Option<Policies> {
        let plans = vec![("starter", self.starter), ("pro", self.pro), ("enterprise", self.enterprise)];
        self.enabled.then_some(Policies { without_plan: self.without_plan, plans })
    }
}

/// A limit on the number of attempts in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The number of attempts; at least one.
    pub attempts: u32,
    /// The time in which they are counted.
    pub window: Duration,
}

impl AuditConfig {
    /// Returns the retention of audit entries by plan, in days.
    pub fn retention(&self) -> Retention {
        let plans = [("starter", self.starter_days), ("pro", self.pro_days), ("enterprise", self.enterprise_days)];
        let plans = plans.into_iter().map(|(plan, days)| (plan.to_owned(), days)).collect();
        Retention { plans, without_tenant: self.no_tenant_days }
    }
}

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

/// Keys in their configured form; the crypto adapter parses them.
pub(super) type Secrets = Vec<SecretString>;
