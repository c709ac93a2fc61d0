//! Proof of identity: how a user has proved who they are. A proof is created before a unit begins. The command that
//! takes the proof checks in its unit that it still holds.

use tenantry_kernel::{Context, EmailAddress, SessionId, SessionPrincipal, StoreError, UserId};
use uuid::Uuid;

use crate::{
    Attempts, Credential, CredentialStore, Guess, IdentityError, PasswordHash, PasswordHasher, PasswordMatch, People,
    Registration, RegistrationId, TypedPassword,
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
    /// Hash of the password in NFC with the current parameters, when the stored hash is of another form or weaker.
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

/// Compares a password with the candidate's. A wrong password costs one hash for each form, whether or not there is a
/// candidate; a right one costs another hash where the stored hash is renewed. `password` is `None` where the client's
/// text cannot be a password. Call it while no unit is open.
///
/// Fails with [`IdentityError::InvalidCredentials`] when there is no candidate or the password is wrong.
pub async fn prove_password(
    hasher: &dyn PasswordHasher,
    candidate: Option<Candidate>,
    password: Option<TypedPassword>,
    guess: Option<Guess>,
) -> Result<Proof, IdentityError> {
    let password = password.ok_or(IdentityError::InvalidCredentials)?;
    let stored = candidate.as_ref().map(|candidate| candidate.hash.clone());
    let mut is_current = None;
    for (place, form) in password.forms().iter().enumerate() {
        match hasher.verify(form.clone(), stored.clone()).await? {
            PasswordMatch::Wrong => continue,
            PasswordMatch::Right => is_current = Some(place == 0),
            PasswordMatch::RightButOutdated => is_current = Some(false),
        }
        break;
    }
    let (Some(Candidate { proven, .. }), Some(is_current)) = (candidate, is_current) else {
        return Err(IdentityError::InvalidCredentials);
    };
    let renewed_hash = if is_current { None } else { Some(hasher.hash(password.composed().clone()).await?) };
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

    /// Returns the credential of the proven user, whose row must be locked, and stores its renewed hash if there is one.
    /// Fails with [`IdentityError::InvalidCredentials`] unless `user`'s password was compared and has not changed since.
    pub(crate) async fn current_credential(
        &self,
        unit: &mut (impl CredentialStore + ?Sized),
        user: UserId,
    ) -> Result<Credential, IdentityError> {
        let mut credential = unit.credential_of(user).await?.ok_or(IdentityError::InvalidCredentials)?;
        if self.proven != (Proven::Password { user, credential_version: credential.version }) {
            return Err(IdentityError::InvalidCredentials);
        }
        if let Some(hash) = &self.renewed_hash {
            credential.hash = hash.clone();
            unit.update_credential(&credential).await?;
        }
        Ok(credential)
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::executor::block_on;
    use secrecy::SecretString;
    use std::sync::Mutex;

    use super::*;
    use crate::{HasherError, Password};

    /// Its hash is the password, so that a test sees what was hashed. Lists every text that was hashed.
    #[derive(Default)]
    struct Plain(Mutex<Vec<String>>);

    impl Plain {
        fn note(&self, password: &Password) -> String {
            let text = String::from_utf8(password.bytes().to_vec()).unwrap();
            self.0.lock().unwrap().push(text.clone());
            text
        }
    }

    #[async_trait]
    impl PasswordHasher for Plain {
        async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError> {
            Ok(PasswordHash::new(self.note(&password)))
        }

        async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<PasswordMatch, HasherError> {
            let text = self.note(&password);
            let fits = hash.is_some_and(|hash| hash.phc() == text);
            Ok(if fits { PasswordMatch::Right } else { PasswordMatch::Wrong })
        }
    }

    const COMPOSED: &str = "\u{e9}\u{e9} velours";
    const MIXED: &str = "\u{e9}e\u{301} velours";
    const DECOMPOSED: &str = "e\u{301}e\u{301} velours";

    /// Returns the renewed hash, `None` for a wrong password, and the texts that were hashed.
    fn prove(stored: Option<&str>, typed: &str) -> (Option<Option<String>>, Vec<String>) {
        let hasher = Plain::default();
        let proven = Proven::Password { user: UserId::from_uuid(Uuid::nil()), credential_version: 1 };
        let candidate = stored.map(|phc| Candidate { hash: PasswordHash::new(phc), proven });
        let typed = TypedPassword::parse(SecretString::from(typed));
        let proof = block_on(prove_password(&hasher, candidate, typed, None)).ok();
        let renewed = proof.map(|proof| proof.renewed_hash.map(|hash| hash.phc().to_owned()));
        (renewed, hasher.0.into_inner().unwrap())
    }

    #[test]
    fn si1_an_unknown_account_costs_as_many_hashes_as_a_wrong_password() {
        for (typed, hashes) in [("correct horse", 1), (COMPOSED, 2), (DECOMPOSED, 2), (MIXED, 3)] {
            let (known, unknown) = (prove(Some("another password"), typed), prove(None, typed));
            assert_eq!(known, unknown);
            assert_eq!((known.0, known.1.len()), (None, hashes), "{typed}");
        }
    }

    #[test]
    fn a_hash_of_another_form_is_renewed_as_nfc() {
        for typed in [COMPOSED, MIXED, DECOMPOSED] {
            assert_eq!(prove(Some(COMPOSED), typed), (Some(None), vec![COMPOSED.into()]));
            let (renewed, _) = prove(Some(DECOMPOSED), typed);
            assert_eq!(renewed, Some(Some(COMPOSED.into())));
        }
        assert_eq!(prove(Some(MIXED), MIXED).0, Some(Some(COMPOSED.into())));
        assert_eq!(prove(Some(MIXED), COMPOSED).0, None, "the text of before is unknown");
    }
}
