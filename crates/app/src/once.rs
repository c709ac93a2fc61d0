//! Requests that are done once however often they are sent: what their key is, and what they are answered again.

use tenantry_crypto::Purpose;
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_MISMATCH};
use tenantry_idempotency::{Answers, Claim, Fingerprint, Given, Keyed, REMEMBERED_FOR, Remembered, Request};
use tenantry_store::{Scope, Unit};

use crate::{Answer, App, Failure, change::Attempt};

/// A request that its caller has named by a key.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    pub(crate) keyed: Keyed,
    pub(crate) request: Request,
}

impl App {
    /// The answer that the request has had before, for handlers that do something before they change anything.
    pub(crate) async fn answered_before(&self, by: &Attempt, scope: Scope) -> Result<Option<Answer>, Failure> {
        let Some(once) = &by.once else { return Ok(None) };
        let since = self.world.now().minus(REMEMBERED_FOR);
        let answer = self.store.read(scope).await?.answer_of(&once.keyed, since).await?;
        answer.map(|answer| self.repeat(once, answer)).transpose()
    }

    /// Takes hold of the request's key in the unit of its change; the answer, when it has had one before.
    pub(crate) async fn claim(&self, once: &Once, unit: &mut Unit) -> Result<Option<Answer>, Failure> {
        let since = self.world.now().minus(REMEMBERED_FOR);
        match unit.claim_key(&once.keyed, since).await? {
            Claim::First => Ok(None),
            Claim::Running => Err(Failure::new(IDEMPOTENCY_IN_PROGRESS)),
            Claim::Answered(answer) => self.repeat(once, answer).map(Some),
        }
    }

    /// Keeps the answer with the change that it tells of.
    pub(crate) async fn remember(&self, once: &Once, unit: &mut Unit, answer: &Answer) -> Result<(), Failure> {
        let (secret_id, key) = self.secrets.current(Purpose::Fingerprints);
        let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let answer = Remembered {
            secret_id: secret_id.to_owned(),
            fingerprint: Fingerprint::of(&once.request, key),
            given: Given { status: answer.status, headers, body: answer.body.to_vec() },
            answered_at: self.world.now(),
        };
        Ok(unit.remember_answer(&once.keyed, &answer).await?)
    }

    fn repeat(&self, once: &Once, answer: Remembered) -> Result<Answer, Failure> {
        // Without the secret nobody can tell whether it is the same request.
        let key = self.secrets.by_id(Purpose::Fingerprints, &answer.secret_id);
        if key.is_none_or(|key| Fingerprint::of(&once.request, key) != answer.fingerprint) {
            return Err(Failure::new(IDEMPOTENCY_MISMATCH));
        }
        let Given { status, headers, body } = answer.given;
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Ok(Answer { status, headers, body: body.into() }.header("Idempotency-Replayed", "true"))
    }
}
