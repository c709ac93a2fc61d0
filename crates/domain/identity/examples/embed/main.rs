//! A service that embeds `tenantry-identity` and keeps users in its own memory, without tenants and without a database.
//! A user registers, signs in and refreshes. A stolen refresh token that is presented again ends the sign-in.
//!
//! `cargo run -p tenantry-identity --example embed`

#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod memory;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use async_trait::async_trait;
use memory::Memory;
use secrecy::{ExposeSecret, SecretString};
use std::{error::Error, net::IpAddr, time::Duration};
use tenantry_identity::{
    Guess, GuessPolicy, GuessQuota, HasherError, IdentityError, NewPerson, Password, PasswordHash, PasswordHasher,
    PasswordMatch, Person, Refresh, RefreshKeys, RefreshToken, Refreshed, Session, SessionPolicy, SignIn,
    TypedPassword, complete_sign_in, find_candidate, insert_person, prove_password, refresh_session,
};
use tenantry_kernel::{Actor, Clock, Context, EmailAddress, Entropy, Name, Origin, Refusal, RequestId, Timestamp};

type Failure = Box<dyn Error>;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const SESSIONS: SessionPolicy =
    SessionPolicy { access: MINUTE, grace: Duration::from_secs(10), idle: DAY, max: DAY.saturating_mul(90) };

const TEN: GuessQuota = GuessQuota { limit: 10, window: MINUTE };

#[rustfmt::skip]
const GUESSES: GuessPolicy = GuessPolicy {
    per_account_and_address: TEN, per_address: TEN, per_account: TEN, known_address_for: DAY,
    registrations_per_address: TEN, mails_per_recipient: TEN, mail_requests_per_address: TEN,
};

/// The clock of the example, which stands still. A real service reads the system clock.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_795_435_200_000).expect("a date can hold it")
    }
}

struct RandomSource;

impl Entropy for RandomSource {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has random bytes");
    }
}

/// Argon2id on the caller's thread. A server uses dedicated threads.
struct Hasher;

#[async_trait]
impl PasswordHasher for Hasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError> {
        let hash = Argon2::default().hash_password(password.bytes());
        hash.map(|phc| PasswordHash::new(phc.to_string())).map_err(|error| HasherError::Failed(error.to_string()))
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<PasswordMatch, HasherError> {
        let Some(hash) = hash else {
            self.hash(password).await?;
            return Ok(PasswordMatch::Wrong);
        };
        let fits = Argon2::default().verify_password(password.bytes(), hash.phc()).is_ok();
        Ok(if fits { PasswordMatch::Right } else { PasswordMatch::Wrong })
    }
}

/// The only key for refresh tokens, which lasts as long as the process.
struct Key([u8; 32]);

impl RefreshKeys for Key {
    fn current_id(&self) -> &str {
        "only"
    }

    fn key(&self, id: &str) -> Option<[u8; 32]> {
        (id == "only").then_some(self.0)
    }
}

/// The service: its state, and the dependencies of its use cases.
struct Service {
    memory: Memory,
    context: Context,
    key: Key,
    address: IpAddr,
}

impl Service {
    /// Creates an anonymous actor with a network address.
    fn somebody(&self) -> Actor {
        Actor::anonymous(Origin {
            trace: RequestId::new(&self.context).into(),
            ip: Some(self.address),
            user_agent: None,
        })
    }

    async fn register(&mut self, email: &str, name: &str, password: &str) -> Result<Person, Failure> {
        let password = Password::parse(SecretString::from(password))?;
        password.ensure_unguessable(&[email, name])?;
        let hash = Hasher.hash(password).await?;
        let (email, name) = (EmailAddress::parse(email)?, Name::parse(name)?);
        let new = NewPerson { email, is_verified: false, name, hash: Some(hash) };
        let mut unit = self.memory.clone();
        let person = insert_person(&mut unit, &self.somebody(), &self.context, new).await?;
        self.memory = unit;
        Ok(person)
    }

    async fn sign_in(&mut self, email: &str, password: &str) -> Result<Session, Failure> {
        let email = EmailAddress::parse(email)?;
        // The guess is in flight while the password is hashed. No unit is open meanwhile.
        let begun = Guess::begin(&mut self.memory, &self.context, &GUESSES, &email, Some(self.address)).await?;
        let guess = begun.map_err(|refusal| format!("{refusal:?}"))?;
        let candidate = find_candidate(&mut self.memory, &email).await?;
        let password = TypedPassword::parse(SecretString::from(password));
        let proof = match prove_password(&Hasher, candidate, password, Some(guess.clone())).await {
            Ok(proof) => proof,
            Err(failure) => {
                guess.fail(&mut self.memory, &self.context).await?;
                return Err(failure.into());
            }
        };

        let mut unit = self.memory.clone();
        let command = SignIn { proof, slug: None };
        let signed_in =
            complete_sign_in(&mut unit, &self.somebody(), &self.context, &self.key, &SESSIONS, command).await?;
        self.memory = unit;
        Ok(signed_in.session)
    }

    /// Returns the token that the client keeps.
    fn token(&self, session: &Session) -> SecretString {
        session.refresh_token(&self.key).expect("the key is live").encode()
    }

    async fn refresh(&mut self, token: &SecretString) -> Result<SecretString, Failure> {
        let token = RefreshToken::decode(token.expose_secret())?;
        let (mut unit, actor) = (self.memory.clone(), self.somebody());
        let refreshed = refresh_session(
            &mut unit,
            &actor,
            &self.context,
            &self.key,
            &SESSIONS,
            Refresh { token, is_address_noted: false },
        )
        .await?;
        // The unit must also be committed when it ended the sign-in.
        self.memory = unit;
        match refreshed {
            Refreshed::Session(session) => Ok(self.token(&session)),
            Refreshed::Replayed => Err(IdentityError::Replayed.into()),
        }
    }
}

async fn tell() -> Result<(), Failure> {
    let context = Context::new(Noon, RandomSource);
    let key = Key(context.random());
    let mut service = Service { memory: Memory::default(), context, key, address: "192.0.2.7".parse()? };
    let (email, password) = ("Ada@Example.com", "correct horse battery staple");

    let weak = service.register(email, "Ada Lovelace", "lovelace1").await.expect_err("her own name");
    println!("A guessable password is refused: {weak}.");
    let ada = service.register(email, "Ada Lovelace", password).await?;
    println!("{} is registered as {}.", ada.name, ada.email);
    let taken = service.register("ada@example.COM", "Another Ada", password).await.expect_err("the same");
    assert!(matches!(taken.downcast_ref(), Some(IdentityError::EmailTaken)), "{taken}");
    println!("Another spelling of the address is the same one: {taken}.");

    for (email, password) in [(email, "wrong horse battery staple"), ("nobody@example.com", password)] {
        let refused = service.sign_in(email, password).await.expect_err("wrong");
        assert!(matches!(refused.downcast_ref(), Some(IdentityError::InvalidCredentials)), "{refused}");
        println!("Signing in as {email} is refused: {refused}.");
    }
    let session = service.sign_in(email, password).await?;
    assert_eq!((session.user, session.tenant), (ada.id, None));
    println!("{} has signed in.", ada.name);

    let first = service.token(&session);
    let second = service.refresh(&first).await?;
    let again = service.refresh(&first).await?;
    assert_eq!(again.expose_secret(), second.expose_secret());
    println!("A refresh gives a new token; when the answer is lost, the old token gives the same one again.");
    let third = service.refresh(&second).await?;

    let replayed = service.refresh(&first).await.expect_err("a copy");
    assert!(matches!(replayed.downcast_ref(), Some(IdentityError::Replayed)), "{replayed}");
    println!("Once its successor is spent, the first token can only be a copy: {replayed}.");
    let ended = service.refresh(&third).await.expect_err("ended");
    assert!(matches!(ended.downcast_ref(), Some(IdentityError::Refused(Refusal::SessionEnded))), "{ended}");
    println!("So the newest token is not valid either: {ended}.");
    println!("And she is warned by a mail: {}.", service.memory.jobs[0].payload);

    let actions: Vec<_> = service.memory.journal.iter().map(|event| event.action.name()).collect();
    assert_eq!(actions, ["user.registered", "session.started", "session.replayed", "session.ended"]);
    println!("The journal says: {}.", actions.join(", "));
    Ok(())
}

/// Runs the example, and panics when a step has another result than expected.
pub fn main() {
    futures::executor::block_on(tell()).expect("the story goes on");
}
