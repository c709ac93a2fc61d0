//! Proof by password. Each method begins a guess before the password is hashed, so that guesses are limited whatever
//! the result is. A wrong password is counted before the client learns of it, and even if the client disconnects. No unit
//! is open while a password is hashed or a guess waits.

use tenantry_identity::{
    Candidate, CredentialStore, IdentityError, Link, People, Proof, Registration, TypedPassword, find_candidate,
    prove_password, vocabulary::INVALID_CREDENTIALS,
};
use tenantry_kernel::{EmailAddress, Origin, Outcome, SessionPrincipal, StoreError};
use tenantry_store::{Scope, SystemReason, Unit};

use crate::{changes::ChangeRequest, error::ServiceError, log_context, reader::Reader, refusals::Refused};

use super::{LoginAttempt, Proofs, REASON, SCOPE};

impl Proofs {
    /// Proves the user with this email address. An unknown address costs the same hashes. `password` is `None` where the
    /// client's text cannot be a password. The caller must record a wrong password.
    pub async fn password_of_address(
        &self,
        email: &EmailAddress,
        password: Option<TypedPassword>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let account = email.clone();
        let find = async move |reader: &Reader| find_candidate(&mut reader.open(SCOPE).await?, &account).await;
        self.guess(email, find, password, origin).await
    }

    /// Proves the user that a link belongs to, by id, because the user's email address may have changed. A wrong
    /// password is recorded as a failed sign-in.
    pub async fn password_of_link(
        &self,
        link: &Link,
        password: Option<TypedPassword>,
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
        password: Option<TypedPassword>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let email = registration.wanted.email.clone();
        self.password_of_candidate(email, Some(Candidate::from(registration)), password, origin).await
    }

    /// Proves the user of a session again, for a sensitive request. A wrong password is recorded as the failure of that
    /// request. A right guess ends at once, because units of a session may not change the counters.
    pub async fn password_of_session(
        &self,
        session: &SessionPrincipal,
        password: Option<TypedPassword>,
        request: &ChangeRequest,
        scope: Scope,
    ) -> Result<Proof, ServiceError> {
        let user = session.user;
        let find = async move |reader: &Reader| {
            let credential = reader.open(scope).await?.credential_of(user).await?;
            Ok(credential.map(Candidate::from))
        };
        match self.guess(&session.email, find, password, &request.actor.origin).await {
            Ok(proof) => self.succeeded(proof).await,
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
        password: Option<TypedPassword>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let proof = self.guess(&email, async move |_: &Reader| Ok(candidate), password, origin).await;
        proof.inspect_err(|failure| self.note_wrong_password(failure, origin, LoginAttempt { email, slug: None }))
    }

    /// Compares a password with that of the candidate, as a guess of this address's password. The guess of a proof is
    /// in flight until the command that takes the proof ends it.
    ///
    /// The comparison runs in a task of its own, so that a client cannot take a wrong guess back by disconnecting.
    async fn guess(
        &self,
        email: &EmailAddress,
        find: impl AsyncFnOnce(&Reader) -> Result<Option<Candidate>, StoreError> + 'static,
        password: Option<TypedPassword>,
        origin: &Origin,
    ) -> Result<Proof, ServiceError> {
        let guess = self.begin_guess(email, origin).await?;
        let proofs = self.clone();
        let comparing = self.0.tasks.track_future(async move {
            let parts = &*proofs.0;
            let compared: Result<Proof, ServiceError> = async {
                let candidate = find(&parts.reader).await?;
                Ok(prove_password(&*parts.hasher, candidate, password, guess.clone()).await?)
            }
            .await;
            if let Err(failure) = &compared {
                proofs.settle(guess.as_ref(), failure).await?;
            }
            compared
        });
        tokio::task::spawn_local(log_context::inherit(comparing)).await.map_err(ServiceError::internal)?
    }

    /// Ends the guess of a proof as a right one, in a unit of its own.
    async fn succeeded(&self, proof: Proof) -> Result<Proof, ServiceError> {
        if let Some(guess) = &proof.guess {
            let succeed = async |unit: &mut Unit| guess.succeed(unit, &self.0.context).await;
            let succeeded: Result<(), StoreError> = self.0.transactions.housekeeping(REASON, succeed).await;
            succeeded?;
        }
        Ok(Proof { guess: None, ..proof })
    }
}
