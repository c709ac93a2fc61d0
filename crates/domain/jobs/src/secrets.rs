//! Secrets of jobs: encrypted in the store, and blanked as soon as they are no longer needed.

use secrecy::SecretString;
use std::error::Error;
use tenantry_kernel::Timestamp;

/// A secret of a job, such as the token of a mailed link.
#[derive(Debug, Clone)]
pub struct JobSecret {
    /// The secret itself.
    pub text: SecretString,
    /// Time at which the secret becomes useless and is blanked.
    pub expires_at: Timestamp,
}

/// An encrypted secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Id of the server key that encrypted it.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
    /// Time at which the secret becomes useless and is blanked.
    pub expires_at: Timestamp,
}

/// Encryption or decryption failed. The error never repeats the secret.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be sealed or opened")]
pub struct SealError(#[source] Box<dyn Error + Send + Sync>);

impl SealError {
    /// Creates the error from its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Port: authenticated encryption with the server's keys. `context` is bound to the ciphertext, so a secret can be
/// opened only for the job for which it was sealed.
pub trait Sealer: Send + Sync {
    /// Encrypts with the current key.
    fn seal(&self, secret: &JobSecret, context: &[u8]) -> Result<SealedSecret, SealError>;

    /// Decrypts with the key that encrypted, while it is live.
    fn open(&self, sealed: &SealedSecret, context: &[u8]) -> Result<JobSecret, SealError>;
}
