//! Settings of the installation as a whole.

use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf};
use tenantry_http::RegistrationPolicy;

use super::super::{
    section::{FromSettings, Section, settings},
    setting::{Declaration, Layers, Setting},
    values,
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

settings! {
    /// Settings of the installation as a whole.
    #[derive(Debug, Clone)]
    pub struct GeneralConfig titled "General" {
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
        /// Folder of the SQLite file, of stored files, and of the keys that the server creates in development.
        DATA_DIR => data_dir: PathBuf {
            takes: "a folder",
            default: "./data",
            parse: values::path
        }
        /// A Redis that all processes share. They count rate limits in it together, share cached counts, and notify each
        /// other of changed permissions and new jobs. The server also runs while Redis is down.
        REDIS_URL => redis: Option<SecretString> {
            takes: "redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], with special characters of the password percent-encoded",
            example: "redis://127.0.0.1:6379",
            unset: "none; each process works alone",
            parse: values::redis
        }
        /// Registration of new users: `open` for every client, `verified` with a link sent to the email address, or `closed`.
        /// With `closed`, only `tenantry admin` creates tenants, and new users need an invitation.
        REGISTRATION => registration: RegistrationPolicy {
            takes: "open, verified or closed",
            example: "closed",
            unset: "`open`; `verified` in production",
            otherwise: |layers| Some(match is_production(layers) {
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
    }
}

/// Returns whether the installation is for production.
pub(in crate::config) fn is_production(layers: &Layers) -> bool {
    layers.value(&TENANTRY_ENV).is_some_and(Environment::is_production)
}
