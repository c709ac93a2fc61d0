//! Proof of identity: how a user has proved who they are. A proof is created before a unit begins. The command that
//! takes the proof checks in its unit that it still holds.

use tenantry_kernel::{Context, EmailAddress, SessionId, SessionPrincipal, StoreError, UserId};
use uuid::Uuid;

use crate::{
    Attempts, Credential, CredentialStore, Guess, IdentityError, Password, PasswordHash, PasswordHasher, PasswordMatch,
    People, Registration, RegistrationId,
};

/// The subject of a proof, and what it was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// The user acts through this session.
    Session {
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    },
    /// The user knows their password.
    Password {
        /// The user.
        user: UserId,
        /// The version of the credential that the password was compared with.
        credential_version: i64,
    },
    /// The client knows the password that was chosen when registering.
    Registration(RegistrationId),
}

/// A proof of identity. A command consumes it.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The subject of the proof.
    pub proven: Proven,
    /// Hash of the password with the current parameters, when the stored hash is weaker.
    pub renewed_hash: Option<PasswordHash>,
    /// The guess in flight; `None` when guesses are not limited, or when the guess has ended already.
    pub guess: Option<Guess>,
}

/// The stored hash that a password is compared with, read before the comparison.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The stored hash.
    pub hash: PasswordHash,
    /// The subject that the right password proves.
    pub proven: Proven,
}

impl From<Credential> for Candidate {
    fn from(credential: Credential) -> Self {
        let proven = Proven::Password { user: credential.user, credential_version: credential.version };
        Self { hash: credential.hash, proven }
    }
}

impl From<&Registration> for Candidate {
    fn from(registration: &Registration) -> Self {
        Self { hash: registration.wanted.hash.clone(), proven: Proven::Registration(registration.id) }
    }
}

/// Looks up the credential of the user with this address. On `None` the caller must still spend the time of one hash.
pub async fn find_candidate(
    unit: &mut (impl People + CredentialStore + ?Sized),
    email: &EmailAddress,
) -> Result<Option<Candidate>, StoreError> {
    let person = unit.person_by_email(email).await?;
    // An unknown address costs the same two statements. Otherwise the response time would reveal that there is no
    // account.
    let user = person.map_or(UserId::from_uuid(Uuid::nil()), |person| person.id);
    Ok(unit.credential_of(user).await?.map(Candidate::from))
}

/// Compares a password with the candidate's. Costs one hash whether or not there is a candidate; an outdated stored
/// hash costs a second one. `password` is `None` where the client's text cannot be a password. Call it while no unit is
/// open.
///
/// Fails with [`IdentityError::InvalidCredentials`] when there is no candidate or the password is wrong.
pub async fn prove_password(
    hasher: &dyn PasswordHasher,
    candidate: Option<Candidate>,
    password: Option<Password>,
    guess: Option<Guess>,
) -> Result<Proof, IdentityError> {
    let password = password.ok_or(IdentityError::InvalidCredentials)?;
    let stored = candidate.as_ref().map(|candidate| candidate.hash.clone());
    let verdict = hasher.verify(password.clone(), stored).await?;
    let Candidate { proven, .. } = candidate.ok_or(IdentityError::InvalidCredentials)?;
    let renewed_hash = match verdict {
        PasswordMatch::Wrong => return Err(IdentityError::InvalidCredentials),
        PasswordMatch::Right => None,
        PasswordMatch::RightButOutdated => Some(hasher.hash(password).await?),
    };
    Ok(Proof { proven, renewed_hash, guess })
}

impl Proof {
    /// Creates a proof of the user of an acting session.
    pub fn of_session(session: &SessionPrincipal) -> Self {
        let proven = Proven::Session { user: session.user, session: session.session };
        Self { proven, renewed_hash: None, guess: None }
    }

    /// Returns the user, unless the proof is of a registration.
    pub fn user(&self) -> Option<UserId> {
        match self.proven {
            Proven::Session { user, .. } | Proven::Password { user, .. } => Some(user),
            Proven::Registration(_) => None,
        }
    }

    /// Returns the credential of the proven user, whose row must be locked. Fails with
    /// [`IdentityError::InvalidCredentials`] unless `user`'s password was compared and has not changed since.
    pub(crate) async fn current_credential(
        &self,
        unit: &mut (impl CredentialStore + ?Sized),
        user: UserId,
    ) -> Result<Credential, IdentityError> {
        let credential = unit.credential_of(user).await?.ok_or(IdentityError::InvalidCredentials)?;
        let compared = Proven::Password { user, credential_version: credential.version };
        if self.proven == compared { Ok(credential) } else { Err(IdentityError::InvalidCredentials) }
    }

    /// Ends the guess as a right one, because the command succeeds. Only for System units.
    pub(crate) async fn succeed(
        &self,
        unit: &mut (impl Attempts + ?Sized),
        context: &Context,
    ) -> Result<(), StoreError> {
        match &self.guess {
            Some(guess) => guess.succeed(unit, context).await,
            None => Ok(()),
        }
    }
}
