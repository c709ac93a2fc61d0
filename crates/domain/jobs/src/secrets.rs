//! What of a job is secret: encrypted where it is kept, and blanked as soon as it is of no use any more.

use secrecy::SecretString;
use std::error::Error;
use tenantry_kernel::Timestamp;

/// A secret of a job, such as the token of a mailed link.
#[derive(Debug, Clone)]
pub struct JobSecret {
    /// The secret itself.
    pub text: SecretString,
    /// From when on it is of no use, and is blanked.
    pub expires_at: Timestamp,
}

/// A secret, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The id of the server's key that it was encrypted with.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
    /// From when on it is of no use, and is blanked.
    pub expires_at: Timestamp,
}

/// Why something could not be encrypted or decrypted. It never repeats what.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be sealed or opened")]
pub struct SealError(#[source] Box<dyn Error + Send + Sync>);

impl SealError {
    /// With what caused it.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Authenticated encryption with the server's keys. `context` is bound to the ciphertext: a secret opens for the thing
/// that it was sealed for and for nothing else.
pub trait Sealer: Send + Sync {
    /// Encrypts with the current key.
    fn seal(&self, secret: &JobSecret, context: &[u8]) -> Result<SealedSecret, SealError>;

    /// Decrypts with the key that was used, while that is live.
    fn open(&self, sealed: &SealedSecret, context: &[u8]) -> Result<JobSecret, SealError>;
}
