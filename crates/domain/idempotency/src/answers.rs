use async_trait::async_trait;
use std::time::Duration;
use tenantry_kernel::{StoreError, Timestamp};

use crate::{Fingerprint, Keyed};

/// For how long an answer is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What was answered: it holds no secret, since what is shown once is answered by routes that take no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer, and what it was the answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Names the server's key under which the fingerprint was made.
    pub secret_id: String,
    /// By what the request is known.
    pub fingerprint: Fingerprint,
    /// What was answered.
    pub given: Given,
    /// When it was answered.
    pub answered_at: Timestamp,
}

/// What is known of a key by whoever wants to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has used it: the unit holds it until it ends.
    First,
    /// Another unit holds it, which has not ended.
    Running,
    /// A request of this key was answered.
    Answered(Remembered),
}

/// Where answers are remembered, in the unit of the change that they tell of.
#[async_trait]
pub trait Answers: Send {
    /// Takes hold of a key until the unit ends. Of units that are open at the same time one gets [`Claim::First`]; the
    /// others wait for its end, or are told [`Claim::Running`]. Answers given before `since` are forgotten.
    async fn claim_key(&mut self, keyed: &Keyed, since: Timestamp) -> Result<Claim, StoreError>;

    /// The answer of this key that was given at or after `since`, without taking hold of it.
    async fn answer_of(&mut self, keyed: &Keyed, since: Timestamp) -> Result<Option<Remembered>, StoreError>;

    /// Remembers the answer of a key that this unit holds, in place of one that is forgotten.
    async fn remember_answer(&mut self, keyed: &Keyed, answer: &Remembered) -> Result<(), StoreError>;
}
