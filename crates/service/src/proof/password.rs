//! Proof by password. Each method consumes a guess before the password is hashed, so that guesses are limited whatever
//! the result is. No unit is open while a password is hashed.

use tenantry_identity::{
    Candidate, ConsumedQuota, CredentialStore, GuessKind, IdentityError, Link, Password, People, Proof, Registration,
    find_candidate, prove_password, vocabulary::INVALID_CREDENTIALS,
};
use tenantry_kernel::{EmailAddress, Origin, Outcome, SessionPrincipal};
use tenantry_store::{Scope, SystemReason};

use crate::{changes::ChangeRequest, error::ServiceError, refusals::Refused};

use super::{LoginAttempt, Proofs, SCOPE};

impl Proofs {
    /// Proves the user with this email address. An unknown address costs the same hash. `password` is `None` where the
    /// client's text cannot be a password. The caller must record a wrong password.
    pub async fn password_of_address(
        &self,
        email: &EmailAddress,
        password: Option<Password>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let consumed = self.consume(GuessKind::Password(email), origin).await?;
        let candidate = find_candidate(&mut self.0.reader.open(SCOPE).await?, email).await?;
        self.compare(candidate, password, consumed).await
    }

    /// Proves the user that a link belongs to, by id, because the user's email address may have changed. A wrong
    /// password is recorded as a failed sign-in.
    pub async fn password_of_link(
        &self,
        link: &Link,
        password: Option<Password>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let mut unit = self.0.reader.open(Scope::System(SystemReason::Link)).await?;
        let email = unit.person_by_id(link.user).await?.ok_or(IdentityError::LinkInvalid)?.email;
        let candidate = unit.credential_of(link.user).await?.map(Candidate::from);
        drop(unit);
        self.password_of_candidate(email, candidate, password, origin).await
    }

    /// Proves the client that registered. A wrong password is recorded as a failed sign-in.
    pub async fn password_of_registration(
        &self,
        registration: &Registration,
        password: Option<Password>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let email = registration.wanted.email.clone();
        self.password_of_candidate(email, Some(Candidate::from(registration)), password, origin).await
    }

    /// Proves the user of a session again, for a sensitive request. A wrong password is recorded as the failure of that
    /// request. The guess is refunded at once, because units of a session may not change the counters.
    pub async fn password_of_session(
        &self,
        session: &SessionPrincipal,
        password: Option<Password>,
        request: &ChangeRequest,
        scope: Scope,
    ) -> Result<Proof, ServiceError> {
        let consumed = self.consume(GuessKind::Password(&session.email), &request.actor.origin).await?;
        let credential = self.0.reader.open(scope).await?.credential_of(session.user).await?;
        match self.compare(credential.map(Candidate::from), password, consumed).await {
            Ok(proof) => self.refunded(proof).await,
            Err(failure) => {
                if failure.code == INVALID_CREDENTIALS {
                    self.0.refusals.note(Refused::new(request, Outcome::Failed, &failure)).await;
                }
                Err(failure)
            }
        }
    }

    async fn password_of_candidate(
        &self,
        email: EmailAddress,
        candidate: Option<Candidate>,
        password: Option<Password>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let consumed = self.consume(GuessKind::Password(&email), origin).await?;
        let proof = self.compare(candidate, password, consumed).await;
        proof.inspect_err(|failure| self.note_wrong_password(failure, origin, LoginAttempt { email, slug: None }))
    }

    async fn compare(
        &self,
        candidate: Option<Candidate>,
        password: Option<Password>,
        consumed: Option<ConsumedQuota>,
    ) -> Result<Proof, ServiceError> {
        Ok(prove_password(&*self.0.hasher, candidate, password, consumed).await?)
    }
}
