//! Implements the ports of `tenantry-identity` that need cryptography (passwords, tokens, keys), seals the secrets of
//! jobs, and provides the operating system's clock and random source for the kernel.
//!
//! No algorithm is implemented here: Argon2id comes from `argon2`, Ed25519 from aws-lc-rs, JWTs from jsonwebtoken, HKDF
//! from `hkdf`. This crate decides how they are combined and which inputs are refused.

mod context;
mod key_list;
mod passwords;
mod payloads;
mod rotation;
mod seal_keys;
mod server_secrets;
mod signing_keys;
mod tokens;

pub use context::{SystemClock, SystemEntropy};
pub use key_list::KeyListError;
pub use passwords::{Argon2Error, Argon2Parameters, Argon2Pool};
pub use rotation::{KeyList, RotationAction, RotationStep, next_rotation_step};
pub use seal_keys::{SealPublicKey, SealSigningKeys, TrustedSealKeys};
pub use server_secrets::{Purpose, ServerSecrets};
pub use signing_keys::SigningKeys;
pub use tokens::JwtTokens;
