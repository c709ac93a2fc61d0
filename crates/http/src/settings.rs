//! The settings of the API.

use secrecy::SecretString;
use std::sync::Arc;
use tenantry_audit::Retention;

/// The settings that handlers and the layer around every request use.
pub struct ApiSettings {
    /// URL at which clients reach the API, without a trailing slash.
    pub public_url: String,
    /// Web origins whose pages may call the API and use the session cookie.
    pub cors_origins: Vec<String>,
    /// Number of proxies between the clients and the server; `None` where it is not configured.
    pub trusted_proxies: Option<u8>,
    /// Bearer token that shows the single checks of `/health`.
    pub health_token: Option<SecretString>,
    /// Whether clients on the same machine see the single checks of `/health` without the token.
    pub shows_health_locally: bool,
    /// The policy on registrations.
    pub registration: RegistrationPolicy,
    /// Whether downloads are redirected to storage that can sign links.
    pub redirects_downloads: bool,
    /// Maximum size of one file.
    pub max_file_bytes: u64,
    /// Returns the bytes that a tenant on a plan may store.
    pub storage_limit: StorageLimit,
    /// Retention of audit entries.
    pub retention: Retention,
}

/// The bytes that a tenant may store, by the name of its plan.
pub type StorageLimit = Arc<dyn Fn(&str) -> u64 + Send + Sync>;

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
