//! A bucket of S3, or of a server that speaks like it.

use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use secrecy::{ExposeSecret, SecretString};
use std::{io, path::PathBuf, time::Duration};
use url::Url;

/// How many bytes go to the server at once: the least that S3 takes as a part that is not the last. Of 10,000 parts, the
/// most that it takes, a file of 48 GiB can be made.
pub(crate) const PART_BYTES: usize = 5 << 20;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the server may stay silent.
const SILENCE: Duration = Duration::from_secs(5);
/// After how long nothing is tried again. Together with what one try may take, nobody waits longer than these two.
const TRIES_END: Duration = Duration::from_secs(3);
const RETRIES: usize = 3;

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// What keys begin with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The region; servers other than AWS mostly do not care.
    pub region: String,
    /// Where the server is, unless it is AWS. Paths then begin with the bucket's name.
    pub endpoint: Option<Url>,
    /// The id and the secret of an access key; without them the machine's own role counts.
    pub access_key: Option<(String, SecretString)>,
    /// The session token of temporary keys.
    pub session_token: Option<SecretString>,
}

/// Why a storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("{}: {}", .0.display(), .1)]
    Folder(PathBuf, #[source] io::Error),
    /// The settings make no sense to the library.
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
    // A time limit on the whole of a request would cut off those who read slowly.
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
