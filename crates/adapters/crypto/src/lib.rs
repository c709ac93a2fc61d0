//! Passwords, tokens and keys: the ports of `tenantry-identity` that need cryptography, and the kernel's clock and
//! dice as the operating system gives them. Secrets of jobs are sealed here too.
//!
//! No algorithm is our own: Argon2id is `argon2`'s, Ed25519 is aws-lc-rs's, JWTs are jsonwebtoken's, HKDF is `hkdf`'s.
//! What is written here is how they are put together and what is refused.

mod key_list;
mod passwords;
mod payloads;
mod rotation;
mod seal_keys;
mod server_secrets;
mod signing_keys;
mod tokens;
mod world;

pub use key_list::KeyListError;
pub use passwords::{Argon2Error, Argon2Parameters, Argon2Pool};
pub use rotation::{KeyList, RotationAction, RotationStep, next_rotation_step};
pub use seal_keys::{SealPublicKey, SealSigningKeys, TrustedSealKeys};
pub use server_secrets::{Purpose, ServerSecrets};
pub use signing_keys::SigningKeys;
pub use tokens::JwtTokens;
pub use world::{SystemClock, SystemEntropy};
