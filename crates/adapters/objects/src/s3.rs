//! Connects to a bucket of S3 or of a compatible server.

use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use secrecy::{ExposeSecret, SecretString};
use std::{io, path::PathBuf, time::Duration};
use url::Url;

/// Bytes per part: the minimum that S3 accepts for a part other than the last. With the maximum of 10,000 parts, a file
/// can have 48 GiB.
pub(crate) const PART_BYTES: usize = 5 << 20;

/// Time limit for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Time limit for the server's silence.
const SILENCE: Duration = Duration::from_secs(5);
/// Time after which no retry begins. A caller waits at most for this plus the duration of one try.
const TRIES_END: Duration = Duration::from_secs(3);
const RETRIES: usize = 3;

/// Settings of a bucket.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// Prefix of all keys, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The region; most servers other than AWS ignore it.
    pub region: String,
    /// URL of the server; `None` means AWS. Paths begin with the bucket's name.
    pub endpoint: Option<Url>,
    /// Id and secret of an access key; without them the role of the machine applies.
    pub access_key: Option<(String, SecretString)>,
    /// The session token of temporary keys.
    pub session_token: Option<SecretString>,
}

/// Reasons why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created.
    #[error("{}: {}", .0.display(), .1)]
    Folder(PathBuf, #[source] io::Error),
    /// `object_store` refuses the settings.
    #[error("{0}")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    pub(crate) fn setup(error: object_store::Error) -> Self {
        Self::Setup(Box::new(error))
    }

    pub(crate) fn prefix(error: object_store::path::Error) -> Self {
        Self::Setup(Box::new(error))
    }
}

pub(crate) fn open(config: &S3Config) -> Result<AmazonS3, OpenError> {
    // No time limit for a whole request: it would cut off slow readers.
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        .with_timeout_disabled()
        .with_allow_http(config.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http"));
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: TRIES_END, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &config.endpoint {
        let endpoint = endpoint.as_str().trim_end_matches('/');
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    if let Some((id, secret)) = &config.access_key {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
    }
    if let Some(token) = &config.session_token {
        builder = builder.with_token(token.expose_secret());
    }
    builder.build().map_err(OpenError::setup)
}
